#!/usr/bin/env python3
"""Judges a lake on S3: a pipeline end to end, restarts, faults between us and the store, racing writers. delta-rs reads the tables
from the same store.

    BUILD=build/release [VERSITYGW=FILE|install] python s3_lake.py [--seed N] [--writers N] [--commits N] [--only NAME]

VERSITYGW names a server that checks every signature and body; without it the server is moto (tests/harness/s3_store.py).
"""
import argparse
import datetime
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

from deltalake import DeltaTable
from harness.fault_proxy import FaultProxy
from harness.millrace import Failure, Millrace
from harness.s3_store import REGION, S3Store, versitygw

BUCKET = "lake"
PIPELINE = """
pipeline: shop
lake: s3://%s
sources:
  orders:
    from: log
    shards: 2
    schema: {order_id: varchar, customer_id: varchar, amount: "decimal(12,2)", ts: timestamptz}
    event_time: {column: ts}
tables:
  checked:
    from: orders
    unique: {key: order_id, within: 24h}
    expect: {positive: {check: amount > 0}}
    sql: SELECT *, CAST(ts AT TIME ZONE 'UTC' AS DATE) AS day FROM orders
    partition_by: [day]
    commit: {every: 100ms}
jobs:
  daily:
    each: day
    sql: SELECT customer_id, count(*) AS orders, sum(amount) AS total FROM checked WHERE day = $day GROUP BY ALL
    reconcile: [[SELECT sum(total) FROM daily WHERE day = $day, SELECT sum(amount) FROM checked WHERE day = $day]]
"""
DAYS = ("2026-11-20", "2026-11-21")
COMMIT_FAULTS = ["pass", "pass", "lose", "drop", "late 500", 409, 500, 503]
OTHER_FAULTS = ["pass"] * 12 + ["lose", 500, 503]


def orders(first, end):
    """One in ten is refused; the days alternate."""
    lines = [{"order_id": f"o{n}", "customer_id": f"c{n % 7}", "amount": -1 if n % 10 == 9 else n + 0.25, "ts": f"{DAYS[n % 2]}T12:00:00Z"}
             for n in range(first, end)]
    return "\n".join(json.dumps(line) for line in lines).encode()


def good(end):
    return [f"o{n}" for n in range(end) if n % 10 != 9]


class Bench:
    """A store with its bucket, and pipelines whose tables lie there."""

    def __init__(self, folder):
        self.folder = folder
        self.store = S3Store(folder / "s3", versitygw())
        self.store.boto3().create_bucket(Bucket=BUCKET)

    def millrace(self, name, url=None, place=None, **environment):
        folder = self.folder / name
        folder.mkdir()
        (folder / "pipeline.yaml").write_text(PIPELINE % (place or f"{BUCKET}/{name}/tables"))
        return Millrace(folder, environment={**self.store.environment(url), **environment})

    def delta(self, place):
        options = {"AWS_ENDPOINT_URL": self.store.url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": REGION,
                   "AWS_ACCESS_KEY_ID": self.store.access_key, "AWS_SECRET_ACCESS_KEY": self.store.secret_key}
        return DeltaTable(f"s3://{BUCKET}/{place}", storage_options=options)

    def rows(self, place):
        return self.delta(place).to_pyarrow_table().to_pylist()

    def versions(self, place):
        """The versions whose commits are kept, which must follow each other."""
        names = [re.fullmatch(r".*/(\d{20})\.json", key) for key in self.store.keys(BUCKET, f"{place}/_delta_log/")]
        versions = sorted(int(name[1]) for name in names if name)
        equal(versions, list(range(versions[0], versions[0] + len(versions))), f"the versions of {place}")
        return versions


def equal(actual, expected, what):
    if actual != expected:
        raise Failure(f"{what}: {str(actual)[:500]}, not {str(expected)[:500]}")


def texts(text, *parts):
    for part in parts:
        if part not in text:
            raise Failure(f"{part!r} is missing in:\n{text[-3000:]}")


def count(millrace, sql):
    return int(millrace.query(sql)[0][0])


def run(millrace, *words):
    code, output, errors = millrace.command(*words, "--data", str(millrace.data))
    equal((code, errors if code else ""), (0, ""), f"millrace {' '.join(words)}")
    return output


def judge_pipeline(bench, _):
    """All that a local lake does: commits, dedupe over a restart, queries, jobs, checkpoints, compaction, vacuum."""
    with bench.millrace("pipeline") as millrace:
        millrace.start()
        for first in range(0, 500, 20):
            millrace.send("orders", orders(first, first + 20))
            millrace.settle()
        equal(count(millrace, "SELECT count(*) FROM checked"), 450, "rows")
        equal(count(millrace, f"SELECT count(*) FROM checked WHERE day = DATE '{DAYS[0]}' AND amount < 100"), 50, "rows of a day")
        millrace.stop()
        if (millrace.data / "tables").exists():
            raise Failure("tables lie in the data folder")
        millrace.start()
        millrace.send("orders", orders(0, 40))  # once more
        millrace.settle()
        equal(count(millrace, "SELECT count(*) FROM checked"), 450, "rows after repeats")
        equal(count(millrace, "SELECT count(*) FROM _rejects WHERE reason = 'duplicate'"), 36, "repeats that were found")
        for day in DAYS:
            run(millrace, "job", "run", "daily", day)
        equal(count(millrace, "SELECT sum(orders) FROM daily"), 450, "orders in the job's table")
        run(millrace, "table", "compact", "checked")
        run(millrace, "table", "vacuum", "checked")
        equal(count(millrace, "SELECT count(DISTINCT order_id) FROM checked"), 450, "rows after compaction")
        version = int(millrace.tables()["checked"]["version"])
        millrace.stop()
    rows = bench.rows("pipeline/tables/checked")
    equal(sorted(row["order_id"] for row in rows), sorted(good(500)), "what delta-rs reads")
    equal(bench.delta("pipeline/tables/checked").version(), version, "delta-rs' version")
    equal(sum(row["orders"] for row in bench.rows("pipeline/tables/daily")), 450, "what delta-rs reads of the job's table")
    bench.versions("pipeline/tables/checked")
    keys = bench.store.keys(BUCKET, "pipeline/")
    if not any(key.endswith(".checkpoint.parquet") for key in keys):
        raise Failure(f"no checkpoint was written: {keys}")
    left = [key for key in keys if "_probe" in key or "/." in key]
    equal(left, [], "what should not stay")


def start_in_spite(millrace, attempts=6):
    """A store that refuses all tries of one request ends a start, with its error; whoever runs it starts it again."""
    for _ in range(attempts - 1):
        try:
            return millrace.start()
        except Failure as failure:
            texts(str(failure), "ended with 1", "SlowDown")
    return millrace.start()


def judge_faults(bench, chance):
    """Answers are lost, late and refused; each row is there once."""
    def plan(method, target):
        if "_probe" in target:
            return "pass"
        is_commit = method == "PUT" and re.search(r"_delta_log/\d{20}\.json", target)
        return chance.choice(COMMIT_FAULTS if is_commit else OTHER_FAULTS)

    proxy = FaultProxy(bench.store.address, plan)
    try:
        with bench.millrace("faults", proxy.url) as millrace:
            start_in_spite(millrace)
            for first in range(0, 400, 20):
                millrace.send("orders", orders(first, first + 20))
                time.sleep(0.1)
            millrace.settle()
            millrace.stop()
    finally:
        proxy.close()
    equal(sorted(row["order_id"] for row in bench.rows("faults/tables/checked")), sorted(good(400)), "what delta-rs reads")
    equal(len(bench.rows("faults/tables/_rejects")), 40, "rejects")
    bench.versions("faults/tables/checked")
    hit = [fault for method, target, fault in proxy.seen if fault != "pass" and "_delta_log" in target and method == "PUT"]
    if len(hit) < 5:
        raise Failure(f"only {len(hit)} commits were spoilt")


def judge_outage(bench, _):
    """While the store refuses everything, records are taken, the delay is told, and nothing stops for good."""
    state = {"fault": "pass"}
    proxy = FaultProxy(bench.store.address, lambda method, target: state["fault"])
    try:
        with bench.millrace("outage", proxy.url) as millrace:
            millrace.start()
            for index, fault in enumerate((403, 404, 503)):
                state["fault"] = fault
                millrace.send("orders", orders(index * 20, index * 20 + 20))
                millrace.wait_for(f"the {fault} is told", lambda: millrace.tables()["checked"].get("error"))
                equal(count(millrace, "SELECT count(*) FROM (SELECT 1)"), 1, "an answer meanwhile")
                state["fault"] = "pass"
                millrace.settle()
            millrace.stop()
    finally:
        proxy.close()
    equal(sorted(row["order_id"] for row in bench.rows("outage/tables/checked")), sorted(good(60)), "what delta-rs reads")


def judge_cache(bench, _):
    """What was written or read once is read from this machine's disk: by queries and jobs, over kills, whatever is in the folder."""
    proxy = FaultProxy(bench.store.address, lambda method, target: "pass")
    asked = lambda: sum(method == "GET" and ".parquet" in target for method, target, _ in proxy.seen)  # noqa: E731

    def rows_and_requests(millrace):
        before = asked()
        return count(millrace, "SELECT count(*) FROM checked WHERE amount < 1000"), asked() - before

    with bench.millrace("cache", proxy.url) as millrace:
        millrace.start()
        for first in range(0, 100, 20):
            millrace.send("orders", orders(first, first + 20))
            millrace.settle()
        equal(rows_and_requests(millrace), (90, 0), "rows, and requests for what was written here")
        millrace.kill()
        copies = [path for path in (millrace.data / "cache").rglob("*") if path.is_file()]
        copies[0].write_bytes(b"torn")
        copies[1].unlink()
        (copies[2].parent / "half.parquet.aside").write_bytes(b"half")
        millrace.start()
        rows, requests = rows_and_requests(millrace)
        equal((rows, requests > 0), (90, True), "rows, and whether two files were asked for")
        millrace.wait_for("copies are there again", lambda: rows_and_requests(millrace) == (90, 0))
        before = asked()
        run(millrace, "job", "run", "daily", DAYS[0])
        equal(asked() - before, 0, "requests of a job")
        millrace.stop()
        millrace.flags = ["--lake-cache", "0"]
        millrace.start()
        equal(rows_and_requests(millrace)[0], 90, "rows without a cache")
        millrace.stop()
    proxy.close()


def judge_maintenance(bench, _):
    """Old rows go, small files become one, checkpoints and vacuum come, as runs with a history; the totals of old days stay."""
    with bench.millrace("maintenance") as millrace:
        path = millrace.folder / "pipeline.yaml"
        path.write_text(path.read_text().replace("    partition_by: [day]\n", "    partition_by: [day]\n    keep: 5d\n"))
        millrace.start()
        for first in range(0, 100, 20):
            millrace.send("orders", orders(first, first + 20))
            millrace.settle()
        run(millrace, "job", "run", "daily")
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        for n in range(5):
            millrace.send("orders", json.dumps({"order_id": f"new{n}", "customer_id": "c", "amount": 1, "ts": now}).encode())
            millrace.settle()
        for state in millrace.json("POST", "/v1/maintenance/runs", {})["runs"]:
            equal((state["status"], state["error"]), ("succeeded", None), f"a run of {state['job']}")
        millrace.send("orders", json.dumps({"order_id": "last", "customer_id": "c", "amount": 1, "ts": now}).encode())
        millrace.settle()
        equal(count(millrace, "SELECT count(*) FROM checked"), 6, "rows that are kept")
        equal(count(millrace, "SELECT sum(orders) FROM daily"), 90, "orders in the totals of days that are gone")
        texts(run(millrace, "job", "history", "maintenance@checked"), "maintenance@checked", "succeeded")
        millrace.stop()
    equal(sorted(row["order_id"] for row in bench.rows("maintenance/tables/checked")), ["last"] + [f"new{n}" for n in range(5)],
          "what delta-rs reads")
    operations = [action["operation"] for action in bench.delta("maintenance/tables/checked").history()]
    texts(" ".join(operations), "REMOVE OLD ROWS", "OPTIMIZE")
    if not any(key.endswith(".checkpoint.parquet") for key in bench.store.keys(BUCKET, "maintenance/tables/checked/")):
        raise Failure("no checkpoint was written")


def ends_with(millrace, code, *parts):
    with millrace:
        millrace.spawn()
        equal(millrace.process.wait(60), code, f"the exit code, having said {millrace.log.read_text()[-2000:]}")
        texts(millrace.log.read_text(), *parts)


def judge_refusals(bench, _):
    """What cannot be a lake is refused at the start, with the mend."""
    ends_with(bench.millrace("no_bucket", place="nobucket/x"), 2, "NoSuchBucket", "make the bucket")
    ends_with(bench.millrace("wrong_key", AWS_SECRET_ACCESS_KEY="wrong"), 2, "s3://lake", "SignatureDoesNotMatch")
    ends_with(bench.millrace("no_region", AWS_REGION=""), 2, "set AWS_REGION")
    ends_with(bench.millrace("no_keys", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_EC2_METADATA_DISABLED="true"), 2, "credentials")
    ends_with(bench.millrace("nobody", "http://127.0.0.1:1"), 1, "127.0.0.1:1")
    ends_with(bench.millrace("no_prefix", place="lake"), 2, "pipeline.yaml:3:", "s3://bucket/prefix")
    proxy = FaultProxy(bench.store.address, lambda method, target: 200 if method == "PUT" else "pass")
    ends_with(bench.millrace("ignorant", proxy.url), 2, "If-None-Match")
    proxy.close()


def judge_move(bench, _):
    """Tables of a disk go to S3 as docs/how_to/keep_the_lake_on_s3.md says, and not by accident."""
    with bench.millrace("move") as millrace:
        remote = (millrace.folder / "pipeline.yaml").read_text()
        (millrace.folder / "pipeline.yaml").write_text(remote.replace(f"lake: s3://{BUCKET}/move/tables", ""))
        millrace.start()
        millrace.send("orders", orders(0, 40))
        millrace.settle()
        millrace.stop()
        (millrace.folder / "pipeline.yaml").write_text(remote)
        ends_with(millrace, 2, f"lie at {millrace.data}/tables", "begin anew", f"{millrace.data}/lake")
        for path in (millrace.data / "tables").rglob("*.*"):
            if path.is_file():
                bench.store.boto3().upload_file(str(path), BUCKET, f"move/tables/{path.relative_to(millrace.data / 'tables')}")
        (millrace.data / "lake").write_text(f"s3://{BUCKET}/move/tables\n")
        millrace.start()
        millrace.send("orders", orders(20, 60))
        millrace.settle()
        equal(count(millrace, "SELECT count(*) FROM checked"), 54, "rows")
        millrace.stop()
    equal(sorted(row["order_id"] for row in bench.rows("move/tables/checked")), sorted(good(60)), "what delta-rs reads")


def judge_race(bench, _, writers=8, commits=40):
    """Many writers, one table: each commit once, versions without a gap."""
    commits -= commits % writers
    binary = pathlib.Path(os.environ["BUILD"], "src", "app", "lake_race")
    done = subprocess.run([binary, f"s3://{BUCKET}/race", str(writers), str(commits), str(bench.folder / "race")], check=False,
                          env={**os.environ, **bench.store.environment()}, capture_output=True, text=True)
    equal((done.returncode, done.stderr), (0, ""), "lake_race")
    equal(bench.versions("race/raced"), list(range(commits + 1)), "the versions")
    each = commits // writers
    rows = sorted((row["writer"], row["n"]) for row in bench.rows("race/raced"))
    equal(rows, [(writer, n) for writer in range(writers) for n in range(3 * each)], "what delta-rs reads")
    table = bench.delta("race/raced")
    equal([table.transaction_version(f"writer/{writer}") for writer in range(writers)], [each] * writers, "the positions")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--commits", type=int, default=40)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace_s3_lake_"))
    bench = Bench(folder)
    print(f"seed {options.seed}, {bench.store.name}, {folder}", flush=True)
    failed = 0
    try:
        for judge in (judge_pipeline, judge_faults, judge_outage, judge_cache, judge_maintenance, judge_refusals, judge_move,
                      judge_race):
            if options.only not in judge.__name__:
                continue
            more = {"writers": options.writers, "commits": options.commits} if judge is judge_race else {}
            start = time.monotonic()
            try:
                judge(bench, chance, **more)
                print(f"{judge.__name__}: fine, {time.monotonic() - start:.1f} s", flush=True)
            except Failure as failure:
                failed += 1
                print(f"{judge.__name__}: {failure}", flush=True)
    finally:
        bench.store.close()
    if not failed:
        shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # delta-rs' threads can abort a gentle end
