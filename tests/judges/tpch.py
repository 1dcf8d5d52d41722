#!/usr/bin/env python3
"""TPC-H loaded as tables of a pipeline: all 22 queries, asked over HTTP, must answer what DuckDB answers over the same files.

    MILLRACE=build/release/millrace python tpch.py [--scale 0.01] [--folder DIR]

The rows are made by tpchgen-cli as CSV and Parquet. Millrace reads the CSV files as streams into its tables; DuckDB, from
its own Python package, reads the Parquet files: nothing of ours is in its way. Numbers must be equal to the digit, but for
those that are DOUBLE (averages, ratios), whose last digits depend on the order of adding.
"""
import argparse
import decimal
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time

import duckdb

from harness.millrace import Millrace

QUERIES = pathlib.Path(__file__).with_name("tpch_queries.sql")
MONEY = "decimal(15,2)"
TABLES = {
    "region": "r_regionkey: bigint, r_name: varchar, r_comment: varchar",
    "nation": "n_nationkey: bigint, n_name: varchar, n_regionkey: bigint, n_comment: varchar",
    "supplier": "s_suppkey: bigint, s_name: varchar, s_address: varchar, s_nationkey: bigint, s_phone: varchar, "
                f"s_acctbal: '{MONEY}', s_comment: varchar",
    "customer": "c_custkey: bigint, c_name: varchar, c_address: varchar, c_nationkey: bigint, c_phone: varchar, "
                f"c_acctbal: '{MONEY}', c_mktsegment: varchar, c_comment: varchar",
    "part": "p_partkey: bigint, p_name: varchar, p_mfgr: varchar, p_brand: varchar, p_type: varchar, p_size: integer, "
            f"p_container: varchar, p_retailprice: '{MONEY}', p_comment: varchar",
    "partsupp": f"ps_partkey: bigint, ps_suppkey: bigint, ps_availqty: integer, ps_supplycost: '{MONEY}', ps_comment: varchar",
    "orders": f"o_orderkey: bigint, o_custkey: bigint, o_orderstatus: varchar, o_totalprice: '{MONEY}', o_orderdate: date, "
              "o_orderpriority: varchar, o_clerk: varchar, o_shippriority: integer, o_comment: varchar",
    "lineitem": f"l_orderkey: bigint, l_partkey: bigint, l_suppkey: bigint, l_linenumber: integer, l_quantity: '{MONEY}', "
                f"l_extendedprice: '{MONEY}', l_discount: '{MONEY}', l_tax: '{MONEY}', l_returnflag: varchar, l_linestatus: varchar, "
                "l_shipdate: date, l_commitdate: date, l_receiptdate: date, l_shipinstruct: varchar, l_shipmode: varchar, "
                "l_comment: varchar",
}


def make_rows(folder, scale):
    program = pathlib.Path(sys.executable).with_name("tpchgen-cli")
    for form in ["csv", "parquet"]:
        subprocess.run([program, form, "-s", str(scale), "-o", folder / form], check=True, stdout=subprocess.DEVNULL)


def pipeline(folder):
    sources = "".join(f"  {name}_file: {{from: files, path: csv/{name}.csv, format: csv, schema: {{{columns}}}}}\n"
                      for name, columns in TABLES.items())
    tables = "".join(f"  {name}: {{from: {name}_file, sql: SELECT * FROM {name}_file}}\n" for name in TABLES)
    (folder / "pipeline.yaml").write_text(f"pipeline: tpch\nsources:\n{sources}tables:\n{tables}")


def queries(scale):
    texts = QUERIES.read_text().split("\n-- q")[1:]
    return {f"q{number}": text.replace("$scale", str(scale)) for number, text in (entry.split("\n", 1) for entry in texts)}


def wait_for_rows(millrace, expected, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        counts = ", ".join(f"(SELECT count(*) FROM {name})" for name in TABLES)
        row = millrace.json("POST", "/v1/query", {"sql": f"SELECT {counts}"})["rows"][0]
        if [int(count) for count in row] == expected:
            return
        time.sleep(0.2)
    raise SystemExit(f"the tables have {row} rows, not {expected}")


def is_same(ours, theirs):
    if theirs is None or ours is None:
        return ours is theirs
    if isinstance(theirs, float):
        return math.isclose(float(ours), theirs, rel_tol=1e-12)
    if isinstance(theirs, decimal.Decimal):
        return str(ours) == str(theirs)
    return str(ours) == str(theirs)


def compare(name, ours, theirs):
    if len(ours) != len(theirs):
        return [f"{name}: {len(ours)} rows, and DuckDB has {len(theirs)}"]
    for index, (mine, other) in enumerate(zip(ours, theirs)):
        if len(mine) != len(other) or not all(map(is_same, mine, other)):
            return [f"{name}, row {index}: {mine}, and DuckDB has {other}"]
    return []


def judge(folder, scale):
    make_rows(folder, scale)
    pipeline(folder)
    duck = duckdb.connect()
    for name in TABLES:
        duck.execute(f"CREATE VIEW {name} AS FROM '{folder}/parquet/{name}.parquet'")
    expected = [duck.sql(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES]
    problems, rows = [], 0
    with Millrace(folder) as millrace:
        start = time.monotonic()
        millrace.start()
        wait_for_rows(millrace, expected, seconds=600 + 1500 * scale)
        print(f"{sum(expected)} rows loaded in {time.monotonic() - start:.1f} s")
        for name, text in queries(scale).items():
            start = time.monotonic()
            answer = millrace.json("POST", "/v1/query", {"sql": text, "rows_max": 1_000_000, "timeout": "5m"})
            seconds = time.monotonic() - start
            theirs = duck.sql(text).fetchall()
            problems += compare(name, answer["rows"], theirs)
            rows += len(theirs)
            print(f"{name} {len(theirs)} rows {seconds:.2f} s")
        millrace.stop()
    if rows < 100:
        problems.append(f"only {rows} rows were compared")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--folder", type=pathlib.Path, help="where the files go; by default a temporary folder")
    options = parser.parse_args()
    if options.folder:
        options.folder.mkdir(parents=True)
        problems = judge(options.folder, options.scale)
    else:
        with tempfile.TemporaryDirectory() as folder:
            problems = judge(pathlib.Path(folder), options.scale)
    print("\n".join(problems) or "all 22 queries agree")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
