"""Records that are hard to read, as JSON and CSV: written by hand, and those changed by chance with a seed."""

import random

NUMBERS = "0 -0 1 -1 1.0 1.50 12345.67 1e2 1E+2 1.5e-1 1e400 -1e400 1e-400 0.001 99999999999.99 0.00000 1e-5".split()
NUMBERS += ["1234567890123456789012", "1234567890123456789"]
NUMBERS += "9223372036854775807 9223372036854775808 -9223372036854775808 127 128 -129 32768 2147483648".split()
NUMBERS += "3.5e38 1e-50 16777217 01 1. .5 +1 -".split()
NUMBERS += [
    "99999999999999999999999999999999999.123", "123456789012345678901234567890123456789", "1e", "1e+-5", "0x10", "NaN", "Infinity",
    "1_0",
]
TEXTS = [
    "", " ", "abc", "true", "false", "TRUE", "null", "nan", "inf", "+7", " 7", "7 ", "7.50", "1e2", "١٢", "é", "日本", "😀", "a\\\"b",
    "\\u00e9",
]
TEXTS += ["\\ud83d\\ude00", "\\ud800", "\\udc00x", "\\ud800\\u0041", "\\x", "\\u12", "tab\\t", "nul\\u0000", "line\\nline", "x" * 200]
TIMES = [
    "2026-11-20T12:00:00Z", "2026-11-20T12:00:00.123456789+01:00", "2026-11-20t12:00:00z", "2026-11-20 12:00:00+0130",
    "2026-11-20T12:00:00-05",
]
TIMES += [
    "2026-11-20T12:00:00", "2026-11-20", "2026-02-29", "2024-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "2026-13-01", "26-1-1",
]
TIMES += [
    "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59-01:00", "2026-11-20T24:00:00Z",
    "2026-11-20T12:00:60Z",
]
TIMES += [
    "2026-11-20T12:00:00.Z", "2026-11-20T12:00:00+19:00", "2026-11-20T12:00:00+01:60", "2026-03-29T02:30:00+01:00",
    "2026-10-25T02:30:00+02:00",
]
TIMES += [
    "1969-12-31T23:59:59.999999Z", "2026-11-20T12:00:00.1234560000000000000000000000000000000000000000000000Z", "2027-11-20T12:00:00Z",
]
OTHERS = ["null", "true", "false", "tru", "nul", "[]", "{}", "[1,2]", '["a",null,"7"]', "[[1]]", '{"x":1}', '{"x":"7","y":[true,1.5]}']
OTHERS += ['{"x":1,"x":2}', '{"x":{"deep":1}}', '{"y":["2026"],"z":[{"q":1}]}', '{"x":1', "[1,2", "[1,,2]", "[1,]", '{"x":1,}', "'a'"]
OTHERS += ['{"m":"12.345","t":"2026-11-20T12:00:00Z"}', '{"m":12.3,"t":null}', '{"y":[]}', '["a"', "{]", "[}"]
FIELDS = ("v", "b", "i1", "i2", "i4", "i8", "d", "big", "f4", "f8", "day", "ts", "clock", "st", "li", "js", "nobody")
SCHEMA = """{v: varchar, b: boolean, i1: tinyint, i2: smallint, i4: integer, i8: bigint, d: "decimal(12,2)", big: "decimal(38,3)",
              f4: float, f8: double, day: date, ts: timestamptz, clock: timestamp,
              st: "struct(x integer, y varchar[], m decimal(9,3), t timestamptz)", li: "varchar[]", js: json}"""
WHOLE = [
    b"", b" ", b"{}", b"{", b"}", b"[]", b"[", b"null", b"nope", b"hello", b"5", b'"text"', b"true", b'{"v":1}x', b'{"v":1} {}',
    b'{"v":"a"}\n',
]
WHOLE += [
    b'{"v":"a\x01b"}', b'{"v":"\xff"}', b'{"v":"\xed\xa0\x80"}', b'\xef\xbb\xbf{"v":1}', b'{"v":"open', b'{"v":"open\xff', b"\x00",
    b'{"v" 1}',
]
WHOLE += [
    b'{"v":1,"v":2}', b'{"v":1,"\\u0076":2}', b'{"\\u0076":"escaped"}', b'{"\\v":1}', b'{v:1}', b'{"v":1 "b":true}',
    b'{"v":1,,"b":true}', b"{,}",
]
WHOLE += [
    b'{"i4":"x","v":', b'{"i4":"x","v":"\\ud800"}', b'{"i4":"x"} tail', b'{"nobody":1e999,"v":1}',
    b'{"nobody":123456789012345678901234567890}',
]
WHOLE += [
    b'{"nobody":18446744073709551615}', b'{"nobody":-9223372036854775809}', b'{"nobody":"\\ud800"}',
    b'{"nobody":{"a":[1,2,{"b":null}]},"v":"fine"}',
]
WHOLE += [b'{"nobody":' + b"[" * n + b"]" * n + b',"v":"deep"}' for n in (5, 62, 63, 64, 65, 66, 200)]
WHOLE += [b'{"nobody":' + b"[" * n + b"1" + b"]" * n + b"}" for n in (62, 63, 64, 65)]
WHOLE += [b'{"js":' + b'{"a":' * n + b"1" + b"}" * n + b"}" for n in (62, 63, 64)]
WHOLE += [
    b'{"js": {"a" : 1 , "b":[ 1,2 ]} ,"v":"spaces"}', b'{"js":"text"}', b'{"js":12345678901234567890123}', b'{"js":1.50}',
    b'{"js":nul}', b'{"js":[1,}',
]
WHOLE += [
    b' \t\r\n{ "v" : "a" , "i4" : 7 }\n', b'{"st":{"x":"a"},"i4":"b"}', b'{"li":[1,"a",true,null,1.50]}', b'{"li":["a",{}]}',
    b'{"li":{"a":1}}',
]
CSV = [
    b"a,1", b"a,1,true,x", b'"quoted",1', b'"",', b",", b'"a""b",2', b'a"b,1', b'"a"b,1', b'"open,1', b"\xff,1", b"a\x00,1", b"a,1\n",
    b'"a\nb",3', b"a,1.0", b"a,x",
]


# Values that fit, so that there are rows to compare.
FINE = {
    "v": ['"abc"', '"7"', '"1"', "1", "12.50", '"\\u00e9x"', '"日本"', "null", '"a, b"', "true"],
    "b": ["true", '"true"', "null"],
    "i1": ["1", '"-7"', "1.0"],
    "i2": ["0", "300", "1e2"],
    "i4": ["5", "70000", "null"],
    "i8": ["9007199254740993", "-1"],
    "d": ["12.5", '"0.10"', "-3", "1e-2"],
    "big": ["12345678901234567890123456789012345.125", "-1"],
    "f4": ["1.1", "16777217", "1e-45", "3.4028235e38"],
    "f8": ["0.1", "1e308", "5e-324", "123456789.123456789"],
    "day": ['"2026-11-20"', '"1582-10-10"', "null"],
    "ts": ['"2026-03-29T02:30:00+01:00"', '"2026-10-25T00:30:00.5Z"', '"1850-01-01T00:00:00Z"'],
    "clock": ['"2026-03-29T02:30:00"', '"2026-10-25T02:30:00"'],
    "st": ['{"x":7,"y":["a",null],"m":"1.25","t":"2026-11-20T12:00:00Z"}', '{"x":null}', "{}", "null"],
    "li": ['["a"]', '["a","b",null]', "[]", "[1,true]"],
    "js": ['{"a": [1, 2]}', "12", '"text"', "null"],
    "nobody": ["1", '{"deep":[1]}'],
}


def fine_record(chance):
    fields = chance.sample(FIELDS, chance.randrange(1, len(FIELDS)))
    return ("{" + ",".join(f'"{field}":{chance.choice(FINE[field])}' for field in fields) + "}").encode()


def values():
    return [*NUMBERS, *(f'"{one}"' for one in (*NUMBERS, *TEXTS, *TIMES)), *OTHERS]


def json_records(count, seed=7):
    """`count` of them: each value in each field, then chance."""
    chance, found = random.Random(seed), list(WHOLE)
    found += [f'{{"{field}":{value}}}'.encode() for value in values() for field in FIELDS]
    while len(found) < count:
        if chance.random() < 0.6:
            found.append(fine_record(chance))
            continue
        fields = chance.sample(FIELDS, chance.randrange(1, 6))
        record = bytearray(("{" + ", ".join(f'"{field}":{chance.choice(values())}' for field in fields) + "}").encode())
        for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
            at = chance.randrange(len(record))
            if chance.random() < 0.5:
                del record[at]
            else:
                record[at] = chance.choice(b'{}[]",:\\ 0-eEtfn\x00\x1f\x80\xff')
        found.append(bytes(record))
    return found


def csv_records(count, seed=7):
    chance, found = random.Random(seed), list(CSV)
    plain = [*NUMBERS, *TEXTS, *TIMES, *(f'"{one}"' for one in (*NUMBERS, *TIMES)), '"[1,""a""]"', '"{""x"":7}"', '"[1,2"', '"1,2"']
    while len(found) < count:
        found.append(f"{chance.choice(plain)},{chance.choice(plain)},{chance.choice(plain)},{chance.choice(plain)}".encode())
    return found
