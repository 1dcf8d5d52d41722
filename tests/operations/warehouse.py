"""Results of jobs in a warehouse, and a warehouse that dies."""
import json
import os
import random
import subprocess
import threading
import time

from harness import postgres_server
from harness.millrace import BINARY, Millrace
from harness.postgres_server import PostgresServer
from operations import LeftOut, expect, expect_equal, expect_texts

PIPELINE = """
pipeline: shop
timezone: Europe/Berlin
sources:
  orders: {from: log, schema: {id: varchar, customer: varchar, amount: "decimal(12,2)", ts: timestamptz}, event_time: {column: ts}}
tables:
  sales:
    from: orders
    sql: SELECT *, CAST(ts AT TIME ZONE 'Europe/Berlin' AS DATE) AS day FROM orders
    partition_by: [day]
warehouses:
  reporting: {kind: postgres, url: "${REPORTING_URL}"}
jobs:
  daily:
    each: day
    sql: SELECT customer, count(*) AS orders, sum(amount) AS total FROM sales WHERE day = $day GROUP BY ALL
    load: {to: reporting, table: sales.daily}
    retry: {attempts: 20, wait: 50ms}
"""
KILLS = int(os.environ.get("MILLRACE_WAREHOUSE_KILLS", "8"))


def server(**options):
    if not postgres_server.programs():
        raise LeftOut("PostgreSQL is not installed")
    return PostgresServer(**options)


def millrace_with(folder, url):
    (folder / "pipeline.yaml").write_text(PIPELINE)
    return Millrace(folder, environment={"REPORTING_URL": url})


def send(millrace, days, customers, amount="1.25"):
    lines = [json.dumps({"id": f"{day}-{customer}-{amount}", "customer": f"c{customer}", "amount": amount, "ts": f"2026-{day}T12:00:00Z"})
             for day in days for customer in range(customers)]
    status, _, answer = millrace.request("POST", "/v1/streams/orders/records", "\n".join(lines).encode(),
                                         {"Content-Type": "application/x-ndjson"})
    expect_equal(status, 200, f"the status of an append ({answer[:200]})")


def ask(millrace, *words):
    return subprocess.run([BINARY, *words, "--data", str(millrace.data)], capture_output=True, text=True, timeout=120, check=False)


def told(millrace, *words):
    """What a command says, and how all runs ended: the thread of the loads may have been faster than the command."""
    done = ask(millrace, *words)
    runs = json.loads(millrace.request("GET", "/v1/runs")[2])["runs"]
    return done.stdout + done.stderr + "\n".join(f"{run['job']} {run['partition']} {run['status']}, {run['rows']} rows {run['error']}"
                                                 for run in runs)


def test_loads(folder):
    with server() as postgres:
        millrace = millrace_with(folder, postgres.url).start()
        send(millrace, ["11-19", "11-20"], 3)
        expect_texts(told(millrace, "job", "run", "daily"), "daily 2026-11-20 succeeded", "daily@reporting 2026-11-20 succeeded, 3 rows")
        rows = postgres.psql("SELECT day, count(*), sum(total) FROM sales.daily GROUP BY day ORDER BY day")
        expect_equal(rows, ["2026-11-19|3|3.75", "2026-11-20|3|3.75"], "what the warehouse has")
        expect_texts(ask(millrace, "job", "load", "daily").stdout, "the warehouse has every partition")
        # Down while a job runs: the job is done, the load comes later.
        postgres.kill()
        send(millrace, ["11-20"], 2, amount="7.00")
        waiting = threading.Thread(target=lambda: ask(millrace, "job", "run", "daily"))
        waiting.start()
        time.sleep(0.5)
        postgres.start()
        waiting.join()
        ask(millrace, "job", "load", "daily")
        rows = postgres.psql("SELECT day, count(*), sum(total) FROM sales.daily GROUP BY day ORDER BY day")
        expect_equal(rows, ["2026-11-19|3|3.75", "2026-11-20|3|17.75"], "what the warehouse has after it was down")
        expect_texts(ask(millrace, "job", "list").stdout, "reporting")
        millrace.stop()


def disturbed_loads(millrace):
    return sum('"load.failed"' in line or "job.run_retried" in line for line in millrace.log.read_text().splitlines())


def test_a_server_that_is_killed_during_loads(folder):
    """Every partition is there once, and of its last run, however often the server dies."""
    days = [f"11-{day:02}" for day in range(1, 11)]
    chance = random.Random(7)
    with server(is_durable=True) as postgres:
        millrace = millrace_with(folder, postgres.url).start()
        send(millrace, days, 400)
        ask(millrace, "job", "run", "daily")
        # As many kills as are wanted, and on until some have met a load.
        for kill in range(6 * KILLS):
            if kill >= KILLS and disturbed_loads(millrace) >= 3:
                break
            send(millrace, chance.sample(days, 4), 400, amount=f"{kill + 2}.50")
            running = threading.Thread(target=lambda: ask(millrace, "job", "run", "daily"))
            running.start()
            time.sleep(chance.uniform(0.05, 0.4))
            postgres.kill()
            postgres.start()
            running.join()
        ask(millrace, "job", "load", "daily")
        lake = millrace.query("SELECT day, count(*), sum(orders), sum(total) FROM daily GROUP BY day ORDER BY day")
        there = postgres.psql("SELECT day, count(*), sum(orders), sum(total) FROM sales.daily GROUP BY day ORDER BY day")
        expect_equal(there, ["|".join(str(value) for value in row) for row in lake], "what the warehouse has")
        loads = postgres.psql("SELECT count(*), count(DISTINCT partition) FROM sales.millrace_loads")
        expect_equal(loads, [f"{len(days)}|{len(days)}"], "the ledger")
        millrace.stop()
        expect(disturbed_loads(millrace) > 0, "no load was ever disturbed, so nothing was shown")


def test_the_proof(folder):
    with server() as postgres:
        millrace = millrace_with(folder, postgres.url).start()
        send(millrace, ["11-19", "11-20"], 3)
        ask(millrace, "job", "run", "daily")
        ask(millrace, "job", "load", "daily")
        good = ask(millrace, "job", "prove", "daily")
        expect_equal(good.returncode, 0, f"the exit code of a proof that holds ({good.stdout}{good.stderr})")
        expect_texts(good.stdout, "daily@reporting:proof 2026-11-19 succeeded", "daily@reporting:proof 2026-11-20 succeeded")
        postgres.psql("UPDATE sales.daily SET customer = 'c7' WHERE customer = 'c1' AND day = '2026-11-20'")
        bad = ask(millrace, "job", "prove", "daily", "2026-11-20")
        expect_equal(bad.returncode, 1, "the exit code of a proof that does not hold")
        expect_texts(bad.stdout, "daily@reporting:proof 2026-11-20 failed", "checksum is")
        expect_texts(ask(millrace, "job", "list").stdout, "2026-11-20 is not what the lake has")
        checks = millrace.query("SELECT outcome, detail LIKE 'checksum is % in the warehouse and % in the lake' FROM _checks "
                                "WHERE \"partition\" = '2026-11-20' AND kind = 'proof' ORDER BY checked_at DESC LIMIT 1")
        expect_equal(checks, [["failed", True]], "what _checks says")
        ask(millrace, "job", "load", "daily", "2026-11-20")
        expect("is not what" not in ask(millrace, "job", "list").stdout, "it was loaded anew, and is not proven")
        millrace.stop()


def test_a_wrong_address(folder):
    (folder / "pipeline.yaml").write_text(PIPELINE)
    environment = {**os.environ, "REPORTING_URL": "mysql://ann:s3cret@db/shop"}
    done = subprocess.run([BINARY, "validate", "pipeline.yaml"], cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=60, check=False)
    expect_equal(done.returncode, 2, "the exit code")
    expect_texts(done.stdout + done.stderr, "pipeline.yaml:12:", "postgres://user:password@host:5432/database")
    expect("s3cret" not in done.stdout + done.stderr, "the password is shown")
