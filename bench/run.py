#!/usr/bin/env python3
"""Measures what docs/performance.md tells, and prints it as a Markdown table. Called by ./mill bench.

    run.py [MEASUREMENT..] [--rounds N] [--orders N] [--report-orders N] [--backfill-orders N] [--backfill-customers N]
           [--kafka-orders N] [--lambda-batches N] [--seconds N] [--pause SECONDS] [--threads N] [--keep]

Without a name all are run: bulk, ingest, latency, alerts, restart, idle, kinesis, s3, report, reports, backfill,
copy, kafka, scale, lambda.
Each checks its answers before it tells a number.
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import sys
import time

import alerts as alert_times
import aws
import backfill as backfills
import copies
import kafka_lake
import lambdas as lambda_times
import process
import reports as report_times
import scale as scales
from pipelines import FOLDER, bulk_ours, check_bulk, check_totals, fresh, make_lookups, orders, write_pipeline
from process import Failure, Measured

MB = 1_000_000


class Table:
    """Rows of what was measured, as Markdown."""

    def __init__(self):
        self.rows = []

    def add(self, what, measured, target, is_met):
        self.rows.append((what, measured, target, "yes" if is_met else "no"))
        print(f"  {what}: {measured} (target: {target})", file=sys.stderr, flush=True)

    def text(self):
        lines = ["| what | measured | target | met |", "|---|---|---|---|"]
        return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in self.rows])


def check_peer(out, truth):
    """DuckDB's ignore_errors also drops the good line after a record that was cut: one in 100,000 may be missing."""
    import pyarrow.compute
    import pyarrow.dataset
    rows = pyarrow.dataset.dataset(out, partitioning="hive").to_table(columns=["amount", "is_fraud"])
    cents = int(pyarrow.compute.sum(rows["amount"]).as_py() * 100)
    missing = truth["rows"] - rows.num_rows
    if not 0 <= missing <= truth["rows"] / 50_000 or abs(cents - truth["cents"]) > truth["cents"] / 10_000:
        raise Failure(f"DuckDB gives {rows.num_rows} rows, {cents} cents; true is {truth}")
    return missing


def bulk(options, table):
    folder, truth = orders("bulk", options.orders)
    write_pipeline(folder, source="files\n    path: orders.ndjson")
    ours, peer, missing = [], [], 0
    for _ in range(options.rounds):
        ours.append(bulk_ours(folder, truth))
        shutil.rmtree(folder / "duckdb", ignore_errors=True)
        peer.append(process.run("duckdb_bulk", folder, folder / "duckdb", options.threads)[1])
        check_bulk(folder, truth)
        missing = check_peer(folder / "duckdb", truth)

    def middle(costs, of):
        return statistics.median(of(cost) for cost in costs)

    count = options.orders
    for name, costs in (("Millrace", ours), ("DuckDB read_json + join + COPY", peer)):
        cpu, seconds, peak = (middle(costs, lambda cost, of=of: getattr(cost, of)) for of in ("cpu", "seconds", "peak"))
        table.add(f"bulk, {name}", f"{count / cpu:,.0f} orders per CPU second, {count / seconds:,.0f}/s, {peak / MB:,.0f} MB", "", True)
    ratio = middle(peer, lambda cost: cost.cpu) / middle(ours, lambda cost: cost.cpu)
    memory = middle(ours, lambda cost: cost.peak) / middle(peer, lambda cost: cost.peak)
    table.add("bulk, orders per CPU second to DuckDB's", f"{ratio:.2f} times", "2 times", ratio >= 2)
    table.add("bulk, memory to DuckDB's", f"{memory:.2f} times", "0.5 times", memory <= 0.5)
    print(f"  (DuckDB lost {missing} good rows that follow broken ones; Millrace none)", file=sys.stderr)


def load(millrace, **words):
    flags = [part for name, value in words.items() for part in (f"--{name}", value)]
    output, cost = process.run("load_client", "--port", millrace.port, *flags)
    return json.loads(output), cost


def ingest(options, table):
    for unique in (False, True):
        # With every key new, claims soon go to disk: what comes in for longer takes much longer.
        period = min(options.seconds, 10) if unique else options.seconds
        folder = fresh("ingest")
        make_lookups(folder)
        write_pipeline(folder, unique=unique, every="5s")
        with Measured(folder).start() as millrace:
            start = time.monotonic()
            sent, client = load(millrace, seconds=period, connections=4, records=1000)
            millrace.wait_number("SELECT count(*) FROM checked_orders", sent["rows"])
            rejected = millrace.number("SELECT count(*) FROM _rejects")
            if rejected != sent["records"] - sent["rows"]:
                raise Failure(f"{rejected} rejects for {sent}")
            cost = millrace.finish()
            # The client makes its bodies before it starts.
            seconds = time.monotonic() - start - (client.seconds - sent["seconds"])
        rate = sent["records"] / seconds
        name = "ingest with `unique`" if unique else "ingest"
        how = f"{sent['slowed_down']} bodies were told to wait; CPU seconds: server {cost.cpu:.0f}, client {client.cpu:.0f}"
        table.add(f"{name}, HTTP to committed rows, {period} s", f"{rate:,.0f} orders/s ({how})", "400,000/s", rate >= 400_000)
        table.add(f"{name}, peak memory", f"{cost.peak / MB:,.0f} MB", "1,074 MB", cost.peak <= 1 << 30)


def visible_latencies(millrace, rate, seconds, records=1):
    """Sends bodies of `records` by schedule; queries tell when each was visible."""
    words = {"port": millrace.port, "rate": rate, "seconds": seconds, "records": records}
    output, _ = process.run("visible_client", *(word for name, value in words.items() for word in (f"--{name}", value)))
    found = json.loads(output)
    if found["missing"] or found["failed"]:
        raise Failure(f"records were not seen: {found}")
    return found


def latency(options, table):
    folder = fresh("latency")
    make_lookups(folder)
    write_pipeline(folder, every="10s")
    with Measured(folder).start() as millrace:
        visible_latencies(millrace, 1000, 5)
        for rate, records, target in ((1000, 1, 20), (10_000, 10, 50), (10_000, 1, 50)):
            found = visible_latencies(millrace, rate, options.seconds, records)
            table.add(f"send to visible, {rate:,}/s in bodies of {records}", f"p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms, "
                      f"max {found['max_ms']:.1f} ms", f"p99 {target} ms", found["p99_ms"] < target)
        millrace.finish()


def alerts(options, table):
    folder = fresh("alerts")
    make_lookups(folder)
    write_pipeline(folder, every="10s")
    with alert_times.Receiver() as receiver:
        alert = alert_times.ALERT.replace("URL", receiver.url)
        path = folder / "pipeline.yaml"
        path.write_text(path.read_text().replace("reports:\n", f"{alert}reports:\n", 1))
        with Measured(folder).start() as millrace:
            alert_times.measure(millrace, receiver, rate=1000, seconds=5, one_in=20)
            for one_in, which in ((20, "one in 20 alerts"), (1, "each alerts")):
                found = alert_times.measure(millrace, receiver, rate=1000, seconds=options.seconds, one_in=one_in)
                table.add(f"acknowledged to at the webhook, 1,000/s, {which}", f"p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms, "
                          f"max {found['max']:.1f} ms of {found['count']:,} alerts", "p99 50 ms", found["p99"] < 50)
            millrace.finish()


def restart(options, table):
    folder = fresh("restart")
    make_lookups(folder)
    write_pipeline(folder, every="1h\n      bytes: 64GB".replace("\n      ", ", "))
    with Measured(folder).start() as millrace:
        sent = {"records": 0, "rows": 0}
        while sum(path.stat().st_size for path in (folder / "data" / "log").rglob("*") if path.is_file()) < options.tail_bytes:
            part, _ = load(millrace, seconds=1, connections=1, records=1000)
            sent = {name: sent[name] + part[name] for name in sent}
        millrace.kill()
        tail = sum(path.stat().st_size for path in (folder / "data" / "log").rglob("*") if path.is_file())
        begin = time.monotonic()
        millrace.start()
        ready = time.monotonic() - begin
        body = b'{"order_id":"new","customer_id":"c","amount":1,"currency":"USD","country":"US","ts":"2026-11-20T12:00:00Z"}\n'
        millrace.send("orders", body)
        millrace.wait_number("SELECT count(*) FROM checked_orders WHERE order_id = 'new'", 1)
        seconds = time.monotonic() - begin
        millrace.wait_number("SELECT count(*) FROM checked_orders", sent["rows"] + 1)
        millrace.kill()
    table.add(f"restart with a log tail of {tail / MB:,.0f} MB, to the first new row",
              f"{seconds:.1f} s (takes requests after {ready:.1f} s)", "5 s", seconds < 5)


def idle(options, table):
    folder = fresh("idle")
    make_lookups(folder, 1000)
    write_pipeline(folder, unique=True)
    with Measured(folder).start() as millrace:
        millrace.send("orders", b'{"order_id":"a"}\n')
        time.sleep(5)
        before, _ = process.cpu_and_memory(millrace.process.pid)
        time.sleep(options.seconds)
        after, resident = process.cpu_and_memory(millrace.process.pid)
        millrace.finish()
    share = (after - before) / options.seconds * 100
    table.add("idle, CPU", f"{share:.2f} % of a core", "1 %", share < 1)
    table.add("idle, memory", f"{resident / MB:,.0f} MB", "100 MB", resident < 100 * MB)


def report(options, table):
    count = options.report_orders
    folder, truth = orders("report", count, files=max(1, count // 5_000_000), days=30)
    write_pipeline(folder, source="files\n    path: orders*.ndjson")
    with Measured(folder).start() as millrace:
        millrace.wait_number("SELECT (SELECT count(*) FROM checked_orders) + (SELECT count(*) FROM _rejects)",
                             truth["rows"] + truth["rejects"], seconds=3000)
        check_totals(millrace, truth)
        for name in ("by_day", "of_a_day"):
            times = []
            for _ in range(max(options.rounds, 3)):
                start = time.monotonic()
                millrace.json("GET", f"/v1/reports/{name}")
                times.append(time.monotonic() - start)
            seconds = statistics.median(times)
            days = len(list((folder / "data/tables/checked_orders").glob("day=*")))
            table.add(f"report `{name}` over {count:,} orders in {days} days", f"{seconds:.2f} s", "2 s", seconds < 2)
        millrace.finish()


MEASUREMENTS = {"bulk": bulk, "ingest": ingest, "latency": latency, "alerts": alerts, "restart": restart, "idle": idle,
                "kinesis": aws.kinesis, "s3": aws.s3, "report": report, "reports": report_times.reports,
                "backfill": backfills.backfill, "copy": copies.copies, "kafka": kafka_lake.kafka_lake,
                "scale": scales.scale, "lambda": lambda_times.lambdas}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # so that what runs is ended too
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements", nargs="*", metavar="MEASUREMENT")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds of bulk, backfill, copy, kafka (3 at most): medians")
    parser.add_argument("--orders", type=int, default=2_000_000, help="of bulk")
    parser.add_argument("--report-orders", type=int, default=50_000_000)
    parser.add_argument("--backfill-orders", type=int, default=50_000_000)
    parser.add_argument("--backfill-customers", type=int, default=100_000)
    parser.add_argument("--copy-orders", type=int, default=3_000_000)
    parser.add_argument("--kafka-orders", type=int, default=3_000_000)
    parser.add_argument("--lambda-batches", type=int, default=200, help="of 1,000 records")
    parser.add_argument("--tail-bytes", type=int, default=1_000_000_000, help="of restart: the log that is not committed")
    parser.add_argument("--seconds", type=int, default=30, help="of ingest, latency, alerts, idle, reports and kafka")
    parser.add_argument("--pause", type=float, default=0.02, help="of reports: what a client waits between two questions")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of DuckDB in bulk and backfill")
    parser.add_argument("--keep", action="store_true", help="leaves its files in build/bench_data")
    options = parser.parse_args()
    unknown = set(options.measurements) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    table, failures = Table(), 0
    for name in options.measurements or MEASUREMENTS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            MEASUREMENTS[name](options, table)
        except Failure as failure:
            failures += 1
            table.add(name, f"failed: {str(failure).splitlines()[0][:200]}", "", False)
            print(failure, file=sys.stderr)
        if not options.keep:
            shutil.rmtree(FOLDER, ignore_errors=True)
    facts = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in facts if line.startswith("model name")), "?")
    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, {model}\n\n{table.text()}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
