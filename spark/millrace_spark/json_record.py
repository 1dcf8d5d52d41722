"""One JSON record into cells. Most records are read by Python's own scanner; whatever is not fine there is read anew, in the order of its
bytes, so that the reason is the one that millrace gives: src/decode/json_reader.cpp."""

import json
import re

from .cells import Fields, Misfit, Number, cell_of, printable

DEPTH_MAX = 64
DETAIL_BYTES_MAX = 60
ESCAPED = re.compile(rb"\\[^\x00-\x1f]")
CONTROL = re.compile(rb"[\x00-\x1f]")
BLANK = re.compile(r"[ \t\r\n]*")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
SCALAR = re.compile(r'[^ \t\r\n{}\[\]:,]+')
JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
# What DuckDB's and Python's readers may see otherwise than simdjson, in fields that nobody asked for.
LARGE_NUMBER = re.compile(r"[0-9]{16}|[0-9][eE]")
MALFORMED = "malformed"


def malformed(what):
    return Misfit(MALFORMED, f"not JSON: {what}")


def no_constant(text):
    raise ValueError(text)


SCANNER = json.JSONDecoder(object_pairs_hook=Fields, parse_float=Number, parse_int=Number, parse_constant=no_constant)


def has_json(kind):
    return kind.kind == "json" or any(has_json(inner) for _, inner in kind.fields)


class JsonReader:
    """`schema`: (name, ColumnType). `read` gives the cells of a record, one more for `_extra` if unknown fields are kept."""

    def __init__(self, schema, unknown_fields):
        self.names = [column for column, _ in schema]
        self.kinds = [kind for _, kind in schema]
        self.unknown = unknown_fields
        self.is_plain = unknown_fields == "ignore" and not any(has_json(kind) for kind in self.kinds)
        self.cells = [None if has_json(kind) else cell_of(kind) for kind in self.kinds]
        self.plan = list(zip(self.names, self.cells))

    def read(self, record):
        if self.is_plain:
            try:
                return self.read_plain(record)
            except (ValueError, Misfit, RecursionError):
                pass
        return self.read_general(record)

    def read_plain(self, record):
        text = record.decode()
        fields = SCANNER.decode(text)
        if type(fields) is not Fields or "\\u" in text:
            raise ValueError
        found = dict(fields)
        if len(found) != len(fields):
            raise ValueError
        cells, count = [], 0
        for column, cell in self.plan:
            if column in found:
                count += 1
                value = found[column]
                cells.append(None if value is None else cell(value))
            else:
                cells.append(None)
        if count != len(found) and (LARGE_NUMBER.search(text) or text.count("[") + text.count("{") >= DEPTH_MAX - 2):
            raise ValueError
        return cells

    def read_general(self, record):
        text = checked_text(record)
        at = BLANK.match(text).end()
        if text[at] != "{":
            if text[at] in '["-0123456789tfn':
                raise Misfit("wrong_type", "a JSON object is expected as record")
            raise malformed("no value begins there")
        if not text.rstrip(" \t\r\n").endswith("}"):
            raise malformed("it ends before the object does")
        cells, extra = [None] * len(self.names), []
        scan = Scan(text, at + 1)
        seen = set()
        for key in scan.keys():
            name = scan.plain_key(key)
            if name not in self.names:
                self.read_unknown(scan, key, extra)
                continue
            index = self.names.index(name)
            if index in seen:
                raise Misfit("duplicate_field", f"'{name}' occurs twice")
            seen.add(index)
            try:
                cells[index] = scan.cell(self.kinds[index], self.cells[index])
            except Misfit as error:
                raise Misfit(error.reason, f"field '{name}': {error.detail}") from None
        if BLANK.match(text, scan.at).end() != len(text):
            raise malformed("there is more after the object")
        if self.unknown == "keep":
            cells.append("{" + ",".join(extra) + "}" if extra else None)
        return cells

    def read_unknown(self, scan, key, extra):
        if self.unknown == "reject":
            shown = printable(key.encode(), DETAIL_BYTES_MAX)
            raise Misfit("unknown_field", f"'{shown}' is not in the schema")
        raw = scan.raw()
        if self.unknown == "keep":
            extra.append(f'"{key}":{raw}')


def read_value(text, kind):
    """One JSON value that stands alone: a CSV field of a nested column. None is NULL."""
    checked_text(text.encode())
    scan = Scan(text, 0)
    if scan.peek() == "":
        raise Misfit(MALFORMED, "not one JSON value")
    value = scan.cell(kind, None)
    if scan.peek() != "":
        raise Misfit(MALFORMED, "not one JSON value")
    return value


def checked_text(record):
    """What is looked at before anything else: strings end, without control characters in them; it is UTF-8."""
    parts = (ESCAPED.sub(b"", record) if b"\\" in record else record).split(b'"')
    if len(parts) % 2 == 0:
        raise malformed("a string does not end")
    if any(CONTROL.search(part) for part in parts[1::2]):
        raise malformed("a control character stands in a string")
    if not record.strip(b" \t\r\n"):
        raise malformed("it is empty")
    try:
        return record.decode()
    except UnicodeDecodeError:
        raise Misfit("invalid_utf8", "the record is not UTF-8") from None


class Scan:
    """A place in a text, which goes on over values."""

    def __init__(self, text, at):
        self.text, self.at = text, at

    def peek(self):
        self.at = BLANK.match(self.text, self.at).end()
        return self.text[self.at : self.at + 1]

    def take(self, wanted):
        if self.peek() != wanted:
            raise malformed(f"'{wanted}' is expected")
        self.at += 1

    def keys(self):
        """The keys of the object behind whose `{` it stands, as they are written; after each its value must be read."""
        if self.peek() == "}":
            self.at += 1
            return
        while True:
            if self.peek() != '"':
                raise malformed("a field's name is expected")
            match = STRING.match(self.text, self.at)
            self.at = match.end()
            self.take(":")
            yield match[1]
            if self.peek() == ",":
                self.at += 1
                continue
            self.take("}")
            return

    def elements(self):
        if self.peek() == "]":
            self.at += 1
            return
        while True:
            yield
            if self.peek() == ",":
                self.at += 1
                continue
            self.take("]")
            return

    @staticmethod
    def plain_key(key):
        return unescaped(key) if "\\" in key else key

    def string(self):
        match = STRING.match(self.text, self.at)
        self.at = match.end()
        return unescaped(match[1]) if "\\" in match[1] else match[1]

    def scalar(self):
        """A number, true, false or null."""
        match = SCALAR.match(self.text, self.at)
        token = match[0] if match else ""
        if token in ("true", "false", "null"):
            self.at = match.end()
            return {"true": True, "false": False, "null": None}[token]
        if not JSON_NUMBER.fullmatch(token):
            raise malformed("a number is wrong" if token[:1] in "-0123456789" else "no value begins there")
        self.at = match.end()
        return Number(token)

    def cell(self, kind, read):
        """A value as the cell of a type; `read`: its reader, if it holds no JSON."""
        first = self.peek()
        if kind.kind == "json":
            raw = self.raw()
            return None if raw == "null" else raw
        if first == "{":
            if kind.kind != "struct":
                raise_wrong(kind, "an object")
            return self.struct(kind)
        if first == "[":
            if kind.kind != "list":
                raise_wrong(kind, "an array")
            self.at += 1
            inner = kind.fields[0][1]
            count_elements(self.text, self.at)
            return [self.cell_within(inner) for _ in self.elements()]
        value = self.string() if first == '"' else self.scalar()
        if value is None:
            return None
        if kind.kind in ("struct", "list"):
            raise_wrong(kind, value if isinstance(value, str) else "true" if value else "false")
        return (read or cell_of(kind))(value)

    def cell_within(self, kind):
        return self.cell(kind, None if has_json(kind) else cell_of(kind, True))

    def struct(self, kind):
        self.at += 1
        found, fields = {}, dict(kind.fields)
        for key in self.keys():
            name = self.plain_key(key)
            if name not in fields:
                self.raw()
                continue
            if name in found:
                raise Misfit("duplicate_field", f"'{name}' occurs twice")
            found[name] = self.cell_within(fields[name])
        return {field: found.get(field) for field in fields}

    def raw(self):
        """Any value as it is written, once it was checked."""
        self.peek()
        start = self.at
        if self.text[start : start + 1] in ("{", "["):
            end_of_brackets(self.text, start)
        self.check(0)
        return self.text[start : self.at]

    def check(self, depth):
        first = self.peek()
        if first in ("{", "["):
            self.at += 1
            if self.peek() in ("}", "]"):
                self.take("}" if first == "{" else "]")
                return
            if depth + 1 >= DEPTH_MAX:
                raise Misfit("too_deep", "the record is nested too deep")
            for _ in self.keys() if first == "{" else self.elements():
                self.check(depth + 1)
        elif first == '"':
            self.string()
        else:
            value = self.scalar()
            if type(value) is Number and not fits(value):
                raise malformed("a number is too large")


def fits(number):
    """simdjson reads whole numbers of 64 bits, and others as double."""
    if JSON_NUMBER.fullmatch(number)[1] or JSON_NUMBER.fullmatch(number)[2]:
        return abs(float(number)) != float("inf")
    return -(2**63) <= int(number) < 2**64


def raise_wrong(kind, found):
    from .cells import misfit

    raise misfit("wrong_type", found, kind)


def unescaped(raw):
    try:
        text = json.loads(f'"{raw}"')
    except ValueError:
        raise malformed("an escape is wrong") from None
    try:
        text.encode()
    except UnicodeEncodeError:
        raise malformed("half of a surrogate pair") from None
    return text


def end_of_brackets(text, at):
    """Where what opens there closes, whichever brackets they are."""
    depth = 0
    for match in BRACKET.finditer(text, at):
        if match[0][0] != '"':
            depth += 1 if match[0] in "[{" else -1
            if depth == 0:
                return match.end()
    raise malformed("brackets do not close")


def count_elements(text, at):
    """An array's end is looked for before its elements are read."""
    end_of_brackets("[" + text[at:], 0)
