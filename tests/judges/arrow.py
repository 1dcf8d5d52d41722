#!/usr/bin/env python3
"""Judges Arrow answers of /v1/query: pyarrow reads every stream, finds it valid, and sees what the JSON answer says."""
import base64
import datetime
import decimal
import json
import pathlib
import sys

import pyarrow
import pyarrow.ipc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness.judged import judged  # noqa: E402
from harness.millrace import Failure  # noqa: E402

PIPELINE = """
pipeline: arrow
timezone: Europe/Berlin
sources:
  events: {from: log, schema: {n: bigint, name: varchar, amount: "decimal(12,2)", at: timestamptz, day: date}}
tables:
  kept: {from: events, sql: SELECT * FROM events}
"""
QUERIES = {
    "hot rows": "SELECT * EXCLUDE (_received_at) FROM kept ORDER BY _offset",
    "no rows": "SELECT n, name, amount FROM kept WHERE false",
    "no rows of nested types": "SELECT [1] AS l, {'a': 'x'} AS s, MAP {1: 'a'} AS m WHERE false",
    "many batches": "SELECT i, i::VARCHAR AS t, CASE WHEN i % 3 = 0 THEN i END AS x FROM range(10000) t(i)",
    "integers": "SELECT (-128)::TINYINT, 255::UTINYINT, (-32768)::SMALLINT, 65535::USMALLINT, (-2147483648)::INTEGER, "
                "4294967295::UINTEGER, (-9223372036854775808)::BIGINT, 18446744073709551615::UBIGINT, NULL::BIGINT",
    "decimals": "SELECT 1.5::DECIMAL(4,1), -0.05::DECIMAL(9,2), 123456789012.25::DECIMAL(18,2), "
                "-12345678901234567890123456789012.345678::DECIMAL(38,6), NULL::DECIMAL(38,6)",
    "floats": "SELECT 1.5::FLOAT, -1e300::DOUBLE, NULL::DOUBLE",
    "texts": "SELECT '' AS e, 'äöü€𝄞' AS u, NULL::VARCHAR AS n, repeat('x', 100000) AS l, '{\"a\":1}'::JSON AS j",
    "bytes": "SELECT '\\x00\\xFF'::BLOB AS b, ''::BLOB AS e, NULL::BLOB AS n",
    "booleans": "SELECT CASE i % 3 WHEN 0 THEN true WHEN 1 THEN false END AS b FROM range(100) t(i)",
    "times": "SELECT DATE '1969-12-31' AS d, TIMESTAMPTZ '2026-11-20 12:00:00.123456+01' AS z, "
             "TIMESTAMPTZ '1900-01-01 00:00:00Z' AS old, NULL::TIMESTAMPTZ AS n",
    "lists": "SELECT [i, NULL, i + 1] AS l, CASE WHEN i % 2 = 0 THEN [[i::VARCHAR], [], NULL] END AS deep FROM range(5) t(i)",
    "structs": "SELECT {'a': i, 'b': {'c': 'x', 'd': NULL::DATE}} AS s, CASE WHEN i = 1 THEN NULL ELSE {'e': i} END AS n "
               "FROM range(3) t(i)",
    "fixed lists": "SELECT [1, 2, 3]::INTEGER[3] AS a",
}
RECORDS = [{"n": n, "name": f"text {n}", "amount": f"{n}.25", "at": "2026-11-20T12:00:00Z", "day": "2026-11-20"} for n in range(50)]


def as_json(value):
    """What the JSON answer says for a value of pyarrow's."""
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def parsed(text):
    return json.loads(text, parse_float=decimal.Decimal)


def is_same(told, found, kind):
    if pyarrow.types.is_floating(kind):
        return told is None and found is None or float(told) == found
    if pyarrow.types.is_string(kind) and not isinstance(told, (str, type(None))):
        return told == parsed(found)  # JSON stands as such in a JSON answer
    return told == as_json(found)


def compare(millrace, name, sql):
    body = json.dumps({"sql": sql, "rows_max": 1_000_000}).encode()
    headers = {"Content-Type": "application/json"}
    status, _, told = millrace.request("POST", "/v1/query", body, headers)
    if status != 200:
        raise Failure(f"{name}: JSON answered {status}: {told.decode()}")
    told = parsed(told)
    status, answered, stream = millrace.request(
        "POST", "/v1/query", body, {**headers, "Accept": "application/vnd.apache.arrow.stream"})
    if status != 200 or answered["Content-Type"] != "application/vnd.apache.arrow.stream":
        raise Failure(f"{name}: Arrow answered {status} as {answered['Content-Type']}: {stream[:500]}")
    with pyarrow.ipc.open_stream(stream) as reader:
        table = reader.read_all()
    table.validate(full=True)
    if table.column_names != [column["name"] for column in told["columns"]]:
        raise Failure(f"{name}: columns {table.column_names}")
    if table.num_rows != told["row_count"]:
        raise Failure(f"{name}: {table.num_rows} rows, JSON has {told['row_count']}")
    for index, column in enumerate(table.columns):
        for row, value in enumerate(column.to_pylist()):
            if not is_same(told["rows"][row][index], value, column.type):
                raise Failure(f"{name}: row {row} of {table.column_names[index]} is {value!r}, JSON says {told['rows'][row][index]!r}")
    return table


def check(millrace):
    millrace.send("events", "\n".join(json.dumps(record) for record in RECORDS).encode())
    millrace.catch_up()
    for name, sql in QUERIES.items():
        compare(millrace, name, sql)
    hot = compare(millrace, "types", QUERIES["hot rows"])
    if str(hot.schema.field("amount").type) != "decimal128(12, 2)" or not pyarrow.types.is_timestamp(hot.schema.field("at").type):
        raise Failure(f"the types are {hot.schema}")
    body = json.dumps({"sql": "SELECT 'a'::ENUM ('a', 'b') AS e", "format": "arrow"}).encode()
    status, _, refused = millrace.request("POST", "/v1/query", body, {"Content-Type": "application/json"})
    if status != 400 or b"'e'" not in refused:
        raise Failure(f"an ENUM was answered with {status}: {refused[:200]}")
    print(f"{len(QUERIES)} answers")


if __name__ == "__main__":
    sys.exit(judged(PIPELINE, check))
