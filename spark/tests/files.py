"""Files that millrace wrote, as Spark reads them with its default reader: every value, also far into a file."""

import json
import pathlib
import random

import bench
import duckdb

from millrace_spark import sql_text

PIPELINE = """
pipeline: files
sources:
  things: {from: log, schema: {id: varchar, text: varchar, list: "varchar[]", inner: "struct(a varchar, b double)", d: double, f: float,
           n: bigint, m: "decimal(12,2)", big: "decimal(38,3)", day: date, ts: timestamptz, yes: boolean, js: json}}
tables:
  kept: {from: things, sql: "SELECT *, encode(text) AS bytes FROM things"}
"""
ROWS = 20_000  # Spark reads 4,096 at a time


def records():
    chance = random.Random(3)
    for number in range(ROWS):
        text = "".join(chance.choice("abcdéß日") for _ in range(chance.randrange(40)))
        yield {
            "id": f"id-{number * 7919}",
            "text": text if number % 11 else None,
            "list": [text[:3], None, f"{number}"][: chance.randrange(4)],
            "inner": {"a": text[::-1], "b": chance.random()},
            "d": chance.uniform(-1e6, 1e6),
            "f": chance.randrange(10**6) / 8,
            "n": chance.randrange(-(2**62), 2**62),
            "m": f"{chance.randrange(10**9)}.{number % 100:02}",
            "big": f"{chance.randrange(10**30)}.5",
            "day": f"20{number % 90 + 10}-0{number % 9 + 1}-11",
            "ts": f"2026-11-20T12:{number % 60:02}:{number // 60 % 60:02}.{number:06}Z",
            "yes": number % 3 == 0,
            "js": {"k": text},
        }


def test_spark_reads_every_value_of_millraces_files():
    path = bench.folder("files")
    (path / "pipeline.yaml").write_text(PIPELINE)
    with bench.millrace(path, "pipeline.yaml") as program:
        program.send("things", "\n".join(map(json.dumps, records())).encode())
        program.catch_up()
        program.stop()
    table = path / "data/tables/kept"
    files = [str(file) for file in pathlib.Path(table).glob("*.parquet")]
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    _, found = bench.rows_of(bench.session(), table)
    connection.register("found", found)
    for column in connection.execute("DESCRIBE found").fetchall():
        name = sql_text.name(column[0])
        differs = f'SELECT count(*) FROM found f JOIN read_parquet(?) w USING (_shard, _offset) WHERE f.{name} IS DISTINCT FROM w.{name}'
        wrong = connection.execute(differs, [files]).fetchone()
        bench.expect_equal(wrong[0], 0, f"wrong values of {name}")
    bench.expect_equal(found.num_rows, ROWS, "the rows")


if __name__ == "__main__":
    bench.main([test_spark_reads_every_value_of_millraces_files])
