#!/usr/bin/env python3
"""Holds the tables of the orders example against the labels of `millrace generate`, wherever the lake is.

    pip install deltalake pyarrow
    scorecard.py labels.ndjson s3://bucket/tables        # or the folder of the tables

`millrace evaluate` measures a running instance over HTTP. This reads the lake alone, by delta-rs: for AWS, where functions of Lambda
fill it, and Glue or the scheduled function adds up its days. Only orders of the labels are looked at. The exit code is 1 if a line fails.
"""
import argparse
import collections
import json
import os
import sys

import pyarrow.compute as pc
from deltalake import DeltaTable

FLAGS_MIN = 0.99


def read_labels(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def open_table(lake, name):
    options = {"AWS_ALLOW_HTTP": "true"} if os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://") else {}
    return DeltaTable(f"{lake.rstrip('/')}/{name}", storage_options=options).to_pyarrow_table()


def good_orders(labels):
    """By id: the label of each order that belongs into the table."""
    return {label["key"]: label for label in labels if label["kind"] in ("valid", "late")}


def rows_of(table, orders):
    """By id: the rows of the orders that are labelled."""
    found = collections.defaultdict(list)
    for row in table.select(["order_id", "customer_id", "amount", "is_fraud", "day"]).to_pylist():
        if row["order_id"] in orders:
            found[row["order_id"]].append(row)
    return found


def judge_rows(orders, rows):
    doubled = sum(len(same) - 1 for same in rows.values())
    wrong = sum(1 for key, same in rows.items() for row in same
                if round(row["amount"] * 100) != orders[key]["cents"] or row["day"].isoformat() != orders[key]["day"])
    flagged = {key for key, same in rows.items() if same[0]["is_fraud"]}
    should = {key for key, label in orders.items() if label["flag"]}
    hits = len(flagged & should)
    yield "orders lost, doubled, wrong", f"{len(orders) - len(rows)}, {doubled}, {wrong}", len(rows) == len(orders) and not doubled + wrong
    for name, of in (("precision", flagged), ("recall", should)):
        share = hits / len(of) if of else 1.0
        yield f"flags, {name}", f"{share:.2%} of {len(of)}", share >= FLAGS_MIN


def judge_totals(lake, table):
    """The job's totals of each day that it has computed, against the rows of that day."""
    totals = collections.Counter()
    daily = open_table(lake, "daily_sales")
    for row in daily.select(["day", "customer_id", "total"]).to_pylist():
        totals[row["day"], row["customer_id"]] += row["total"]
    days = {day for day, _ in totals}
    raw = collections.Counter()
    for row in table.filter(pc.is_in(table["day"], pc.unique(daily["day"]))).select(["day", "customer_id", "amount"]).to_pylist():
        raw[row["day"], row["customer_id"]] += row["amount"]
    differing = sum(1 for key in totals.keys() | raw.keys() if totals[key] != raw[key])
    yield "totals per customer and day that differ", f"{differing} of {len(totals)}, {len(days)} days", differing == 0 and bool(days)


def judge(labels, lake, has_totals):
    table, orders = open_table(lake, "checked_orders"), good_orders(labels)
    yield from judge_rows(orders, rows_of(table, orders))
    if has_totals:
        yield from judge_totals(lake, table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", help="what `millrace generate --labels` wrote")
    parser.add_argument("lake", help="where the tables are")
    parser.add_argument("--totals", action="store_true", help="judge the job `daily_sales`, too, of the days that it has computed")
    options = parser.parse_args()
    is_fine = True
    for name, measured, is_met in judge(read_labels(options.labels), options.lake, options.totals):
        print(f"{'pass' if is_met else 'FAIL'}  {name}: {measured}")
        is_fine = is_fine and is_met
    return 0 if is_fine else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Not sys.exit: pyarrow's threads close files of the lake through Python, and die (SIGABRT) if that is being taken down.
    os._exit(code)
