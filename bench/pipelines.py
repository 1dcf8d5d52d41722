"""Folders with orders, pipelines over them, and what must be true of their tables."""
import json
import shutil

import process
from process import Failure, Measured

FOLDER = process.PROGRAMS.parent.parent / "bench_data"
PIPELINE = """
pipeline: bench
timezone: Europe/Berlin
sources:
  orders:
    from: {source}
    schema: {{order_id: varchar, customer_id: varchar, amount: "decimal(12,2)", currency: varchar, country: varchar,
              ts: timestamptz}}
    event_time: {{column: ts}}
lookups:
  customers: {{from: customers.csv, key: customer_id}}
  fraud_rules: {{from: fraud_rules.csv, key: currency}}
tables:
  checked_orders:
    from: orders
    lookups: {{customers: customer_id, fraud_rules: currency}}
{unique}    expect:
      has_order_id: {{check: order_id <> ''}}
      has_time: {{check: ts IS NOT NULL}}
      positive_amount: {{check: amount > 0}}
    sql: |
      SELECT * EXCLUDE (customers, fraud_rules), customers.segment AS segment,
             amount > coalesce(fraud_rules.max_amount, 1000) AS is_fraud,
             CAST(ts AT TIME ZONE 'Europe/Berlin' AS DATE) AS day
      FROM orders
    partition_by: [day]
    commit: {{every: {every}}}
reports:
  by_day:
    sql: |
      SELECT day, count(*) AS orders, sum(amount) AS total, count(*) FILTER (is_fraud) AS flagged
      FROM checked_orders GROUP BY ALL ORDER BY ALL
  of_a_day:
    sql: |
      SELECT currency, count(*) AS orders, sum(amount) AS total
      FROM checked_orders WHERE day = $day GROUP BY ALL ORDER BY ALL
    parameters: {{day: {{type: date, default: 2026-09-03}}}}
"""
UNIQUE = "    unique: {key: order_id, within: 24h}\n"
LOG = "log\n    shards: 2"
TOTALS = "SELECT count(*), sum(CAST(amount * 100 AS BIGINT)), count(*) FILTER (is_fraud) FROM checked_orders"


def fresh(name):
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def orders(name, count, files=1, days=7, customers=100_000, start="2026-09-01T00:00:00Z"):
    """A folder with labelled orders, made once, and what is true of them."""
    folder, key = FOLDER / name, f"{count} {files} {days} {customers} {start}"
    stamp = folder / "truth.json"
    if stamp.exists() and json.loads(stamp.read_text())["key"] == key:
        return folder, json.loads(stamp.read_text())
    fresh(name)
    output, _ = process.run("make_orders", "--count", count, "--files", files, "--days", days, "--customers", customers, "--start", start,
                            "--out", folder)
    truth = {"key": key, **json.loads(output)}
    stamp.write_text(json.dumps(truth))
    return folder, truth


def make_lookups(folder, customers=100_000):
    process.run("make_orders", "--count", 1000, "--customers", customers, "--out", folder)


def write_pipeline(folder, source=LOG, unique=False, every="1m"):
    (folder / "pipeline.yaml").write_text(PIPELINE.format(source=source, unique=UNIQUE if unique else "", every=every))


def check_totals(millrace, truth):
    found = [int(value) for value in millrace.query(TOTALS)[0]]
    if found != [truth["rows"], truth["cents"], truth["flags"]]:
        raise Failure(f"rows, cents and flags are {found}; true is {truth}")


def bulk_ours(folder, truth, environment=None):
    """From the start of a process on an empty data folder until everything is committed."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    with Measured(folder, environment=environment).start() as millrace:
        millrace.wait_number("SELECT (SELECT count(*) FROM checked_orders) + (SELECT count(*) FROM _rejects)",
                             truth["rows"] + truth["rejects"])
        return millrace.finish()


def check_bulk(folder, truth, environment=None):
    with Measured(folder, environment=environment).start() as millrace:
        check_totals(millrace, truth)
        millrace.finish()
