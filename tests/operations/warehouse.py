"""Results of jobs in a warehouse, and a warehouse that dies."""
import json
import os
import random
import subprocess
import threading
import time

from harness import postgres_server
from harness.millrace import BINARY, Millrace
from harness.postgres_proxy import PostgresProxy
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
    sql: SELECT CUSTOMER AS customer, count(*) AS orders, sum(amount) AS total FROM sales WHERE day = $day GROUP BY ALL
    load: {to: reporting, table: sales.daily}
    retry: {attempts: ATTEMPTS, wait: 50ms}
"""
KILLS = int(os.environ.get("MILLRACE_WAREHOUSE_KILLS", "30"))


def server(**options):
    if not postgres_server.programs():
        raise LeftOut("PostgreSQL is not installed")
    return PostgresServer(**options)


def millrace_with(folder, url, customer="customer", attempts=20):
    (folder / "pipeline.yaml").write_text(PIPELINE.replace("CUSTOMER", customer).replace("ATTEMPTS", str(attempts)))
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


def expect_the_lake(millrace, postgres):
    """Each partition is in the warehouse as the lake has it, and in the ledger once, with its rows and the load that brought them."""
    lake = millrace.query("SELECT day, count(*), sum(orders), sum(total) FROM daily GROUP BY day ORDER BY day")
    there = postgres.psql("SELECT day, count(*), sum(orders), sum(total) FROM sales.daily GROUP BY day ORDER BY day")
    expect_equal(there, ["|".join(str(value) for value in row) for row in lake], "what the warehouse has")
    ledger = postgres.psql("SELECT partition, rows FROM sales.millrace_loads ORDER BY partition")
    expect_equal(ledger, [f"{day}|{count}" for day, count, *_ in lake], "the ledger")


def load_status(millrace):
    """How many partitions wait, and why the last load failed; as `job list` shows it."""
    load = json.loads(millrace.request("GET", "/v1/jobs")[2])["jobs"][0]["load"]
    return load["waiting"], load["error"]


def loads_of(millrace, partition):
    """What `_runs` has of the partition's loads, oldest first: run_id, status, attempt, rows."""
    found = millrace.query(f"""SELECT run_id, status, attempt, coalesce("rows", 0) FROM _runs WHERE job = 'daily@reporting'
                               AND "partition" = '{partition}' ORDER BY started_at""")
    return [[run_id, status, int(attempt), int(rows)] for run_id, status, attempt, rows in found]


def check_catching_up(millrace, set_down, ledger, come_back):
    """What waits after a warehouse was down is loaded without a command, oldest first. `ledger` gives its partitions as they came.

    A load that failed pauses for 5 minutes, which `come_back` waits for, or ends with a restart of the program.
    """
    send(millrace, ["11-16"], 3)
    expect_texts(told(millrace, "job", "run", "daily"), "daily@reporting 2026-11-16 succeeded, 3 rows")
    set_down(True)
    for day in ("11-19", "11-17", "11-18"):
        send(millrace, [day], 3)
    expect_texts(told(millrace, "job", "run", "daily"), "daily 2026-11-17 succeeded", "daily 2026-11-19 succeeded",
                 "daily@reporting 2026-11-17 failed, 0 rows")
    # Tried by the thread of the loads too, if that was faster.
    expect_equal({tuple(load[1:]) for load in loads_of(millrace, "2026-11-17")}, {("failed", 2, 0)}, "the loads in _runs")
    waiting, error = load_status(millrace)
    expect(waiting == 3 and error, f"job list says that {waiting} wait, and {error!r}")
    come_back(lambda: set_down(False))
    millrace.wait_for("nothing waits", lambda: load_status(millrace) == (0, None))
    expect_equal(ledger(), [f"2026-11-{day}" for day in (16, 17, 18, 19)], "the order of the loads")
    loads = millrace.query("""SELECT "partition", status, trigger FROM _runs WHERE job = 'daily@reporting' AND "partition" > '2026-11-16'
                              ORDER BY started_at""")
    expect_equal(loads[-3:], [[f"2026-11-{day}", "succeeded", "schedule"] for day in (17, 18, 19)], "the loads in _runs")


def check_catching_up_of_postgres(folder, come_back):
    with server() as postgres:
        millrace = millrace_with(folder, postgres.url, attempts=2).start()
        check_catching_up(millrace, lambda is_down: postgres.kill() if is_down else postgres.start(),
                          lambda: postgres.psql("SELECT partition FROM sales.millrace_loads ORDER BY loaded_at"),
                          lambda mend: come_back(millrace, mend))
        expect_the_lake(millrace, postgres)
        millrace.stop()


def restart(millrace, mend):
    millrace.stop()
    mend()
    millrace.start()


def restart_after_a_kill(millrace, mend):
    millrace.kill()
    mend()
    millrace.start()


def wait_out_the_pause(millrace, mend):
    mend()
    deadline = time.monotonic() + 400
    while load_status(millrace)[0] and time.monotonic() < deadline:
        time.sleep(1)


def test_what_waited_is_loaded_after_a_restart(folder):
    check_catching_up_of_postgres(folder, restart)


def test_what_waited_is_loaded_after_a_kill(folder):
    check_catching_up_of_postgres(folder, restart_after_a_kill)


def test_what_waited_is_loaded_after_the_pause(folder):
    if "MILLRACE_WAREHOUSE_PAUSE" not in os.environ:
        raise LeftOut("it takes 5 minutes: MILLRACE_WAREHOUSE_PAUSE=1")
    check_catching_up_of_postgres(folder, wait_out_the_pause)


class CutAtCommit:
    """The plan of a proxy that cuts the connection of one load at its COMMIT; the one that makes tables has another."""

    def __init__(self, fault):
        self.faults, self.is_load, self.copies = [fault], False, 0

    def __call__(self, text):
        self.copies += text.startswith("COPY")
        self.is_load = self.is_load or text.startswith("UPDATE")
        return self.faults.pop() if self.is_load and text == "COMMIT" and self.faults else "pass"


def check_cut_at_commit(folder, fault, is_forced):
    """What was not committed is loaded again, and what was is not: `copies` tells."""
    with server() as postgres, PostgresProxy(postgres) as proxy:
        millrace = millrace_with(folder, proxy.url).start()
        send(millrace, ["11-19", "11-20"], 3)
        ask(millrace, "job", "run", "daily")
        before = loads_of(millrace, "2026-11-20")
        cut = proxy.plan = CutAtCommit(fault)
        if is_forced:
            # The ledger has the partition's mark already, so only what is there tells whether the load was done.
            postgres.psql("UPDATE sales.daily SET total = 0 WHERE day = '2026-11-20'")
            expect_texts(ask(millrace, "job", "load", "daily", "2026-11-20").stdout, "daily@reporting 2026-11-20 succeeded, 3 rows")
        else:
            send(millrace, ["11-20"], 5, amount="7.00")
            expect_texts(told(millrace, "job", "run", "daily"), "daily@reporting 2026-11-20 succeeded, 5 rows")
        expect_equal(cut.faults, [], "cuts that are left")
        is_done = fault == "lose"
        expect_equal([any(body == b"COMMIT\0" for _, body in answer) for answer in proxy.lost], [True] * is_done,
                     "whether COMMIT was done where its answer was lost")
        expect_equal(cut.copies, 1 if is_done else 2, "how often the rows were sent")
        expect_the_lake(millrace, postgres)
        loads = loads_of(millrace, "2026-11-20")[len(before):]
        expect_equal([load[1:] for load in loads], [["succeeded", 1 if is_done else 2, 3 if is_forced else 5]], "the load in _runs")
        ledger = postgres.psql("SELECT run_id FROM sales.millrace_loads WHERE partition = '2026-11-20'")
        expect_equal(ledger, [loads[0][0]], "the ledger's run")
        expect_equal(load_status(millrace), (0, None), "what job list says")
        millrace.stop()


def test_a_cut_before_commit(folder):
    check_cut_at_commit(folder, "drop", is_forced=False)


def test_a_cut_after_commit(folder):
    check_cut_at_commit(folder, "lose", is_forced=False)


def test_a_cut_before_commit_of_a_forced_load(folder):
    check_cut_at_commit(folder, "drop", is_forced=True)


def test_a_cut_after_commit_of_a_forced_load(folder):
    check_cut_at_commit(folder, "lose", is_forced=True)


class KillAt:
    """Kills a server when a load is at `stage`, once; `kill` does it. `watch` tells a proxy."""

    STAGES = ("the first rows", "the last rows", "DELETE", "SELECT", "UPDATE", "COMMIT", "after COMMIT")

    def __init__(self, stage, kill):
        self.stage, self.kill, self.pieces, self.is_load, self.done = stage, kill, 0, False, threading.Event()

    def watch(self, proxy):
        proxy.plan, proxy.copied, proxy.on_lost = self.plan, self.copied, self.end

    def end(self):
        if not self.done.is_set():
            self.kill()
            self.done.set()

    def plan(self, text):
        if text.startswith("DELETE FROM \"sales\".\"daily\""):
            self.is_load, self.pieces = True, 0
        if self.done.is_set() or not self.is_load:
            return "pass"
        if text == "COMMIT" and self.stage == "after COMMIT":
            return "lose"
        if text.startswith(self.stage) and (self.stage != "SELECT" or self.pieces):
            self.end()
        return "pass"

    def copied(self, data):
        self.pieces += 1
        if self.is_load and self.pieces == {"the first rows": 1, "the last rows": 2}.get(self.stage):
            self.end()


def disturbed_loads(millrace):
    return sum('"load.failed"' in line or "job.run_retried" in line for line in millrace.log.read_text().splitlines())


def test_a_server_that_is_killed_during_loads(folder):
    """Every partition is there once, and of its last run, however often the server dies, and wherever a load is when it does."""
    days = [f"11-{day:02}" for day in range(1, 11)]
    chance = random.Random(7)
    with server() as postgres, PostgresProxy(postgres) as proxy:
        # Long enough that a load's rows go in more than one piece.
        millrace = millrace_with(folder, proxy.url, customer="repeat(customer, 300)").start()
        send(millrace, days, 400)
        ask(millrace, "job", "run", "daily")
        met = 0
        for turn in range(KILLS):
            disturbed = disturbed_loads(millrace)
            send(millrace, chance.sample(days, 2), 400, amount=f"{turn + 2}.50")
            kill = chance.choices([postgres.crash, postgres.kill, postgres.crash_worker], [1, 4, 5])[0]
            running = threading.Thread(target=lambda: ask(millrace, "job", "run", "daily"))
            # At each stage in turn, and now and then anywhere.
            at = KillAt([*KillAt.STAGES, "anywhere"][turn % (len(KillAt.STAGES) + 1)], kill)
            at.watch(proxy)
            running.start()
            if at.stage == "anywhere":
                time.sleep(chance.uniform(0.05, 0.4))
                at.end()
            while running.is_alive() and not at.done.wait(0.01):
                pass
            if at.done.is_set() and kill != postgres.crash_worker:
                postgres.start()
            running.join()
            met += disturbed_loads(millrace) > disturbed
        ask(millrace, "job", "load", "daily")
        expect_the_lake(millrace, postgres)
        expect_equal(load_status(millrace), (0, None), "what job list says")
        millrace.stop()
        expect(met >= KILLS // 2, f"{met} of {KILLS} kills met a load under way")


def test_the_proof(folder):
    with server() as postgres:
        millrace = millrace_with(folder, postgres.url).start()
        send(millrace, ["11-19", "11-20"], 3)
        ask(millrace, "job", "run", "daily")
        ask(millrace, "job", "load", "daily")
        good = ask(millrace, "job", "prove", "daily")
        expect_equal(good.returncode, 0, f"the exit code of a proof that holds ({good.stdout}{good.stderr})")
        expect_texts(good.stdout, "daily@reporting:proof all succeeded, 6 rows")
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
    (folder / "pipeline.yaml").write_text(PIPELINE.replace("CUSTOMER", "customer").replace("ATTEMPTS", "20"))
    environment = {**os.environ, "REPORTING_URL": "mysql://ann:s3cret@db/shop"}
    done = subprocess.run([BINARY, "validate", "pipeline.yaml"], cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=60, check=False)
    expect_equal(done.returncode, 2, "the exit code")
    expect_texts(done.stdout + done.stderr, "pipeline.yaml:12:", "postgres://user:password@host:5432/database")
    expect("s3cret" not in done.stdout + done.stderr, "the password is shown")
