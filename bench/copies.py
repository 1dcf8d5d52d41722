"""COPY into PostgreSQL: the load of a job's table against psql's `\\copy` of the same rows. Both into an empty table of the same
columns of one server, which syncs as it does by default."""
import concurrent.futures
import json
import statistics
import subprocess
import time

import process
from pipelines import check_totals, orders, write_pipeline
from process import BINARY, Failure, Measured
from harness import postgres_server
from harness.postgres_server import PostgresServer

JOB = """
warehouses:
  reporting: {kind: postgres, url: "${REPORTING_URL}"}
jobs:
  all_orders:
    sql: SELECT order_id, customer_id, amount, currency, country, ts, segment, is_fraud, day FROM checked_orders
    load: reporting
"""
LEDGER = "millrace_loads"
SUMS = "SELECT count(*), sum(CAST(amount * 100 AS bigint)), count(*) FILTER (WHERE is_fraud) FROM {}"


def psql(postgres, *commands):
    """Commands of psql, one connection: its output."""
    words = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", postgres.url]
    for command in commands:
        words += ["-c", command]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=900)
    if ran.returncode:
        raise Failure(f"psql: {ran.stderr[:1000]}")
    return ran.stdout.strip()


def job(millrace, *words):
    ran = subprocess.run([BINARY, "job", *words, "--data", millrace.data, "--output", "json"], capture_output=True, text=True, timeout=900)
    if ran.returncode:
        raise Failure(f"job {' '.join(words)} ended with {ran.returncode}: {ran.stdout[:1000]}{ran.stderr[:1000]}")
    return json.loads(ran.stdout)


def check(postgres, name, truth):
    found = [int(value) for value in psql(postgres, SUMS.format(name)).split("|")]
    if found != [truth["rows"], truth["cents"], truth["flags"]]:
        raise Failure(f"rows, cents and flags of {name} are {found}; true is {truth}")


def emptied(postgres, name):
    psql(postgres, f"TRUNCATE {name}", "CHECKPOINT")


def loaded(millrace, postgres, truth):
    """Seconds until the load is committed, its comparison before that included, and of the whole command, with the proof that comes after.
    Whether it is committed is seen in its ledger by another connection."""
    emptied(postgres, "all_orders")
    ledger = f"SELECT run_id FROM {LEDGER} WHERE table_name = 'all_orders'"
    before, begin = psql(postgres, ledger), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        command = pool.submit(job, millrace, "load", "all_orders", "all")
        while psql(postgres, ledger) == before and not command.done():
            time.sleep(0.02)
        seconds = time.monotonic() - begin
        command.result()
    whole = time.monotonic() - begin
    check(postgres, "all_orders", truth)
    return seconds, whole


def copied(postgres, path, truth, how):
    emptied(postgres, "peer")
    begin = time.monotonic()
    psql(postgres, f"\\copy peer FROM '{path}' WITH ({how})")
    seconds = time.monotonic() - begin
    check(postgres, "peer", truth)
    return seconds


def copies(options, table):
    if not postgres_server.programs():
        raise Failure("PostgreSQL is not installed")
    count = options.copy_orders
    folder, truth = orders("copy", count)
    write_pipeline(folder, source="files\n    path: orders.ndjson")
    path = folder / "pipeline.yaml"
    path.write_text(path.read_text() + JOB[1:])
    ours, wholes, peers = [], [], {"csv": [], "binary": []}
    with PostgresServer(is_durable=True) as postgres, \
            Measured(folder, environment={"REPORTING_URL": postgres.url}).start() as millrace:
        millrace.wait_number("SELECT (SELECT count(*) FROM checked_orders) + (SELECT count(*) FROM _rejects)",
                             truth["rows"] + truth["rejects"])
        check_totals(millrace, truth)
        job(millrace, "run", "all_orders")
        check(postgres, "all_orders", truth)
        psql(postgres, "CREATE TABLE peer (LIKE all_orders INCLUDING ALL)")
        for how in peers:
            psql(postgres, f"\\copy all_orders TO '{folder / how}' WITH (FORMAT {how})")
        for _ in range(options.rounds):
            seconds, whole = loaded(millrace, postgres, truth)
            ours.append(seconds), wholes.append(whole)
            for how, times in peers.items():
                times.append(copied(postgres, folder / how, truth, f"FORMAT {how}"))
        peak = process.peak_memory(millrace.process.pid)
        millrace.finish()
    table.add(f"load of {count:,} orders into PostgreSQL", f"{statistics.median(ours):.2f} s, {statistics.median(wholes):.2f} s with the "
              f"proof after it, {peak / 1e6:,.0f} MB", "", True)
    for how, times in peers.items():
        ratio = statistics.median(peer / our for our, peer in zip(ours, times))
        what = f"load, speed to psql's `\\copy` ({how}, {statistics.median(times):.2f} s)"
        table.add(what, f"{ratio:.2f} times", "0.8 times", ratio >= 0.8)
