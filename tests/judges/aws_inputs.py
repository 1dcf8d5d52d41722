#!/usr/bin/env python3
"""Judges what comes in from AWS: lookups from S3 and DynamoDB, files from S3, with boto3 as the one who puts them there.

    BUILD=build/release [VERSITYGW=FILE|install] python aws_inputs.py [--seed N] [--only NAME]

S3 is versitygw if it is there, DynamoDB is moto (tests/harness/s3_store.py).
"""
import argparse
import decimal
import gzip
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time

from harness.fault_proxy import FaultProxy
from harness.millrace import Failure, Millrace
from harness.s3_store import S3Store, versitygw

BUCKET = "data"
LOOKUPS = """
pipeline: shop
sources:
  orders: {from: log, schema: {order_id: varchar, customer_id: varchar, currency: varchar}}
lookups:
  customers: {from: "dynamodb://%(table)s", key: %(key)s, refresh: 1s, segments: 4}
  rates: {from: "s3://%(bucket)s/ref/rates.csv.gz", key: currency, refresh: 1s}
tables:
  checked:
    from: orders
    lookups: {customers: customer_id, rates: currency}
    sql: SELECT order_id, customers.segment AS segment, customers.balance AS balance, customers.tags AS tags, rates.rate AS rate FROM orders
    commit: {every: 100ms}
"""
FILES = """
pipeline: shop
sources:
  orders: {from: files, path: "s3://%s", look_every: 1s, schema: {n: bigint}}
tables:
  kept: {from: orders, sql: SELECT n FROM orders, commit: {every: 100ms}}
"""


class Bench:
    """S3 and DynamoDB, with a bucket and a table."""

    def __init__(self, folder):
        self.folder = folder
        self.s3 = S3Store(folder / "s3", versitygw())
        self.dynamodb = S3Store(folder / "dynamodb", checks_signatures=False)
        self.bucket = self.s3.boto3()
        self.bucket.create_bucket(Bucket=BUCKET)
        self.tables = self.dynamodb.boto3("dynamodb")

    def make_table(self, name, items):
        self.tables.create_table(TableName=name, BillingMode="PAY_PER_REQUEST",
                                 AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                                 KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
        for first in range(0, len(items), 25):
            puts = [{"PutRequest": {"Item": item}} for item in items[first:first + 25]]
            self.tables.batch_write_item(RequestItems={name: puts})

    def put(self, key, body):
        self.bucket.put_object(Bucket=BUCKET, Key=key, Body=body)

    def millrace(self, name, pipeline, url=None, **environment):
        folder = self.folder / name
        folder.mkdir()
        (folder / "pipeline.yaml").write_text(pipeline)
        return Millrace(folder, environment={**self.s3.environment(url), "AWS_ENDPOINT_URL_DYNAMODB": self.dynamodb.url, **environment})

    def lookups(self, name, url=None, table="customers", key="id", bucket=BUCKET, **environment):
        return self.millrace(name, LOOKUPS % {"table": table, "key": key, "bucket": bucket}, url, **environment)

    def close(self):
        self.s3.close()
        self.dynamodb.close()


def equal(actual, expected, what):
    if actual != expected:
        raise Failure(f"{what}: {str(actual)[:500]}, not {str(expected)[:500]}")


def customer(number, segment):
    return {"id": {"S": f"c{number}"}, "segment": {"S": segment}, "balance": {"N": f"{number}.5"}, "tags": {"SS": ["a", "b"]},
            "more": {"M": {"n": {"N": "1.10"}}}, "raw": {"B": b"\x00\xff"}}


def rates(value):
    return gzip.compress(f"currency,rate\nUSD,{value}\nEUR,1.0\n".encode())


def order(millrace, order_id, customer_id="c1"):
    millrace.send("orders", json.dumps({"order_id": order_id, "customer_id": customer_id, "currency": "USD"}).encode())
    millrace.settle()
    return millrace.query("SELECT segment, balance, tags, rate FROM checked WHERE order_id = $id", {"id": order_id})


def judge_lookups(bench, _):
    """Typed columns, changes seen after a refresh, the last good version while a service refuses, and its age."""
    bench.make_table("customers", [customer(n, "new") for n in range(300)])
    bench.put("ref/rates.csv.gz", rates("1.1"))
    state = {"fault": "pass"}
    proxy = FaultProxy(bench.s3.address, lambda method, target: state["fault"])
    with bench.lookups("lookups", proxy.url) as millrace:
        millrace.start()
        rows = order(millrace, "o1")
        equal([row[0] for row in rows], ["new"], "the segment")
        equal(decimal.Decimal(str(rows[0][1])), decimal.Decimal("1.5"), "the balance")
        equal((sorted(rows[0][2]), float(rows[0][3])), (["a", "b"], 1.1), "tags and rate")
        equal(int(next(row["rows"] for row in millrace.json("GET", "/v1/lookups")["lookups"] if row["name"] == "customers")), 300, "rows")
        bench.tables.put_item(TableName="customers", Item=customer(1, "gold"))
        bench.put("ref/rates.csv.gz", rates("1.2"))
        attempt = iter(range(1000))
        millrace.wait_for("the lookups are new", lambda: [row[0] == "gold" and float(row[3]) == 1.2
                                                          for row in order(millrace, f"n{next(attempt)}")] == [True])
        state["fault"] = 503
        bench.put("ref/rates.csv.gz", rates("1.3"))
        errors = lambda: {row["name"]: row.get("last_error") for row in millrace.json("GET", "/v1/lookups")["lookups"]}  # noqa: E731
        millrace.wait_for("the failure is told", lambda: "s3://data/ref/rates.csv.gz" in (errors()["rates"] or ""))
        equal(float(order(millrace, "o2")[0][3]), 1.2, "the last good version")
        state["fault"] = "pass"
        millrace.wait_for("it is new again", lambda: float(order(millrace, f"m{next(attempt)}")[0][3]) == 1.3)
        equal(errors()["rates"] or "", "", "no error then")
        millrace.stop()
    proxy.close()


def ends_with(millrace, code, *parts):
    with millrace:
        millrace.spawn()
        equal(millrace.process.wait(60), code, f"the exit code, having said {millrace.log.read_text()[-2000:]}")
        text = millrace.log.read_text()
        for part in parts:
            if part not in text:
                raise Failure(f"{part!r} is missing in:\n{text[-3000:]}")


def judge_refusals(bench, _):
    """Bad input is refused at the start, with the mend."""
    if "customers" not in bench.tables.list_tables()["TableNames"]:
        bench.make_table("customers", [customer(1, "new")])
        bench.put("ref/rates.csv.gz", rates("1.1"))
    ends_with(bench.lookups("no_table", table="gone"), 2, "dynamodb://gone", "ResourceNotFoundException", "make the table in region")
    ends_with(bench.lookups("no_key", key="idd"), 2, "did you mean 'id'", "declared in `columns`")
    ends_with(bench.lookups("no_bucket", bucket="nobucket"), 2, "s3://nobucket/ref/rates.csv.gz", "NoSuchBucket", "make the bucket")
    ends_with(bench.lookups("nowhere", AWS_ENDPOINT_URL_DYNAMODB="http://nothing.invalid:1"), 2, "nothing.invalid")
    ends_with(bench.lookups("nobody", "http://127.0.0.1:1"), 2, "127.0.0.1:1")
    denied = FaultProxy(bench.s3.address, lambda method, target: 403, errors={403: "AccessDenied"})
    ends_with(bench.lookups("denied", denied.url), 2, "AccessDenied", "the policy must allow", "s3:GetObject")
    denied.close()
    expired = FaultProxy(bench.s3.address, lambda method, target: 400, errors={400: "ExpiredToken"})
    ends_with(bench.lookups("expired", expired.url), 2, "ExpiredToken", "the credentials expired")
    expired.close()
    ends_with(bench.millrace("files_no_bucket", FILES % "nobucket/in/*"), 2, "NoSuchBucket", "make the bucket")
    ends_with(bench.millrace("files_glob", FILES % "data/*/x.ndjson"), 2, "wildcards may stand in the last part")
    ends_with(bench.millrace("files_no_keys", FILES % "data/in/*", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="",
                             AWS_EC2_METADATA_DISABLED="true"), 2, "credentials")


def numbers(first, end):
    return "".join(f'{{"n":{n}}}\n' for n in range(first, end)).encode()


def kept(millrace):
    """How many records, how many different ones, the least and the last."""
    return [int(value or 0) for value in millrace.query("SELECT count(*), count(DISTINCT n), min(n), max(n) FROM kept")[0]]


def judge_files(bench, chance):
    """Each record of each object once: over kills in the middle, failing requests and lost answers; new objects are found."""
    end = 0
    for name in range(6):
        size = chance.randrange(1000, 60_000)
        body = numbers(end, end + size)
        bench.put(f"in/{name:02}.ndjson" + (".gz" if name % 2 else ""), gzip.compress(body) if name % 2 else body)
        end += size
    faults = ["pass"] * 8 + ["lose", 500, 503]
    proxy = FaultProxy(bench.s3.address, lambda method, target: chance.choice(faults))
    with bench.millrace("files", FILES % "data/in/*.ndjson*", proxy.url, AWS_MAX_ATTEMPTS="5") as millrace:
        for _ in range(8):
            for _ in range(20):
                try:
                    millrace.start()
                    break
                except Failure:  # the first look failed five times
                    millrace.kill()
            time.sleep(chance.random())
            millrace.kill()
        faults[:] = ["pass"]
        millrace.start()
        millrace.wait_for("all records are there", lambda: kept(millrace)[0] >= end)
        bench.put("in/99.ndjson", numbers(end, end + 10))
        bench.put("in/00a.ndjson", numbers(end + 10, end + 20))  # before those that were read
        millrace.wait_for("the new ones too", lambda: kept(millrace)[0] >= end + 20)
        bench.put("in/00.ndjson", b'{"n":-1}\n')
        millrace.wait_for("it is told that one was overwritten",
                          lambda: b'millrace_source_files_changed_total{source="orders"} 1' in millrace.request("GET", "/metrics")[2])
        equal(kept(millrace), [end + 20, end + 20, 0, end + 19], "the records")
        millrace.stop()
    proxy.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace_aws_inputs_"))
    bench = Bench(folder)
    print(f"seed {options.seed}, {bench.s3.name}, {folder}", flush=True)
    failed = 0
    try:
        for judge in (judge_lookups, judge_refusals, judge_files):
            if options.only not in judge.__name__:
                continue
            start = time.monotonic()
            try:
                judge(bench, random.Random(options.seed))
                print(f"{judge.__name__}: fine, {time.monotonic() - start:.1f} s", flush=True)
            except Failure as failure:
                failed += 1
                print(f"{judge.__name__}: {failure}", flush=True)
    finally:
        bench.close()
    if not failed:
        shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
