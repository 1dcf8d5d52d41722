"""kill -9 of millrace at each call of a load into what stands in for Redshift, and loads that meet another of the same partition."""
import functools
import re
import threading
import time

from harness.fault_proxy import FaultProxy
from harness.redshift import Statement
from operations import expect, expect_equal, expect_texts, slow
from operations.redshift import Place
from operations.warehouse import ask, load_status, loads_of, send

DAYS = ["11-19", "11-20"]
LEDGER = '"sales"."millrace_loads"'
KINDS = {"the catalogue": r'SELECT "table_name"', "the whole ledger": r'SELECT "partition".*"table_name" = \'[^\']*\'$',
         "the ledger's row": r'SELECT "partition".*"partition" =', "the schema": r"CREATE SCHEMA", "the table": r'CREATE TABLE.*"daily"',
         "the ledger's table": rf"CREATE TABLE.*{LEDGER}", "the ledger's clearing": rf"DELETE FROM {LEDGER}",
         "a column": r"ALTER TABLE.*ADD COLUMN", "a width": r"ALTER TABLE.*ALTER COLUMN", "the proof": r"SELECT (?!1 /).*count\(\*\)"}
READS = ["the catalogue", "the whole ledger", "the ledger's row", "the proof"]
# What is done to the warehouse so that the next load makes something.
MAKING = {"the schema": "DROP SCHEMA sales CASCADE", "the ledger's table": f"DROP TABLE {LEDGER}", "the table": "DROP TABLE sales.daily",
          "the ledger's clearing": "DROP TABLE sales.daily", "a column": "ALTER TABLE sales.daily DROP COLUMN total",
          "a width": "TRUNCATE sales.daily; ALTER TABLE sales.daily ALTER COLUMN customer TYPE varchar(1)"}
BATCH = ["LOCK", "SELECT", 'DELETE FROM "sales"."daily"', "CREATE TEMPORARY TABLE", "COPY", 'INSERT INTO "sales"."daily"', "DROP TABLE",
         "SELECT", "SELECT", f"DELETE FROM {LEDGER}", f"INSERT INTO {LEDGER}", "COMMIT"]
S3_CALLS = [("GET", r"list-type"), ("PUT", r"\.parquet"), ("PUT", r"manifest"), ("POST", r"delete")]


def kind_of(texts):
    if len(texts) > 1:
        return "the batch"
    return next((kind for kind, pattern in KINDS.items() if re.match(pattern, texts[0], re.S)), texts[0])


class Killer:
    """Kills a program once, at a moment of a call of `kind`: "before" it is handed in, when it is "handed in", when it has "ended" and is
    asked for, or when its "rows" are. For a DataApi's `plan`."""

    def __init__(self, millrace, api, kind=None, moment=None):
        self.millrace, self.api, self.kind, self.moment, self.killed = millrace, api, kind, moment, threading.Event()

    def kill(self):
        if not self.killed.is_set():
            self.killed.set()
            self.millrace.process.kill()

    def plan(self, operation, request):
        if self.killed.is_set():
            return "drop"  # what the program sent in its last moment
        if operation.endswith("ExecuteStatement"):
            if kind_of(request.get("Sqls") or [request["Sql"]]) != self.kind or self.moment not in ("before", "handed in"):
                return "pass"
            self.kill()
            return "drop" if self.moment == "before" else "lose"
        asked = {"DescribeStatement": "ended", "GetStatementResult": "rows"}.get(operation)
        statement = self.api.by_id[request["Id"]]
        if asked != self.moment or kind_of(statement.texts) != self.kind:
            return "pass"
        while statement.status not in ("FINISHED", "FAILED", "ABORTED"):
            time.sleep(0.01)
        self.kill()
        return "drop"


class Kills:
    """Loads that are killed, each at another point, and what is there when the program is back."""

    def __init__(self, place, millrace):
        self.place, self.millrace, self.count = place, millrace, 0

    def free(self):
        self.place.wire.plan = self.place.api.plan = lambda *_: "pass"
        self.place.api.before = lambda text: None

    def at(self, point, watch, prepare=None):
        """`watch(killer)` has the killer called at the point."""
        if prepare:
            self.place.postgres.psql(prepare)
        self.count += 1
        send(self.millrace, DAYS, 3, amount=f"{self.count}.25")
        killer = Killer(self.millrace, self.place.api)
        watch(killer)
        running = threading.Thread(target=lambda: ask(self.millrace, "job", "run", "daily"))
        running.start()
        while running.is_alive() and not killer.killed.wait(0.01):
            pass
        running.join()
        expect(killer.killed.is_set(), f"a load never came to {point}")
        self.millrace.process.wait()
        self.free()
        self.millrace.start()
        told_of = ask(self.millrace, "job", "load", "daily")
        expect_equal(told_of.returncode, 0, f"the exit code of a load after a kill at {point} ({told_of.stdout}{told_of.stderr})")
        self.place.expect_the_lake(self.millrace)
        expect_equal(load_status(self.millrace), (0, None), f"what job list says after a kill at {point}")
        # The other day's load, which comes after the kill, removes what was left.
        expect_equal(self.place.staged(), [], f"what is left on S3 after a kill at {point}")

    def at_call(self, kind, moment, prepare=None):
        def watch(killer):
            killer.kind, killer.moment = kind, moment
            self.place.api.plan = killer.plan
        self.at(f"{kind}, {moment}", watch, prepare)

    def in_batch(self, index):
        texts = []

        def watch(killer):
            def before(text):
                texts.append(text)
                if len(texts) == index + 1:
                    killer.kill()
            self.place.api.before = before
        self.at(f"statement {index} of the batch", watch)
        expect(texts[index].startswith(BATCH[index]), f"statement {index} of the batch is {texts[index]}, not {BATCH[index]}")

    def at_s3(self, proxy, method, pattern, fault):
        def watch(killer):
            def plan(asked, target):
                if asked != method or not re.search(pattern, target) or killer.killed.is_set():
                    return "pass"
                killer.kill()
                return fault
            proxy.plan = plan
        self.at(f"{method} {pattern} of S3, {fault}", watch)

    def on_wire(self, name, is_that, fault, prepare=None):
        def watch(killer):
            def plan(text):
                if killer.killed.is_set() or not is_that(text):
                    return "pass"
                killer.kill()
                return fault
            self.place.wire.plan = plan
        self.at(f"{name}, {fault}", watch, prepare)


def kills_of(place, is_wire=False, environment=None):
    millrace = place.millrace(is_wire, environment=environment).start()
    send(millrace, DAYS, 3)
    ask(millrace, "job", "run", "daily")
    return Kills(place, millrace)


@slow
def test_millrace_is_killed_at_each_call(folder):
    with Place(folder) as place:
        kills = kills_of(place)
        for kind in READS:
            kills.at_call(kind, "rows")
        for kind, change in MAKING.items():
            for moment in ("before", "handed in", "ended"):
                kills.at_call(kind, moment, change)
        kills.millrace.stop()


@slow
def test_millrace_is_killed_at_each_step_of_the_rows(folder):
    """Files on S3, and the batch that has them read."""
    with Place(folder) as place:
        proxy = FaultProxy(place.store.address, lambda *_: "pass")
        kills = kills_of(place, environment={"AWS_ENDPOINT_URL_S3": proxy.url})
        for method, pattern in S3_CALLS:
            for fault in ("drop", "lose"):
                kills.at_s3(proxy, method, pattern, fault)
        for moment in ("before", "handed in", "ended"):
            kills.at_call("the batch", moment)
        for index in range(len(BATCH)):
            kills.in_batch(index)
        kills.millrace.stop()
        proxy.close()


@slow
def test_millrace_is_killed_at_each_statement_on_the_wire(folder):
    with Place(folder) as place:
        kills = kills_of(place, is_wire=True)
        for kind in READS:
            kills.on_wire(kind, lambda text, kind=kind: kind_of([text]) == kind, "pass")
        for kind, change in MAKING.items():
            kills.on_wire(kind, lambda text, kind=kind: kind_of([text]) == kind, "pass", change)
        for text in [*dict.fromkeys(BATCH), "BEGIN"]:
            is_that = functools.partial(lambda start, text: text.startswith(start) and kind_of([text]) not in READS, text)
            kills.on_wire(text, is_that, "pass")
        kills.on_wire("COMMIT", lambda text: text == "COMMIT", "drop")
        kills.millrace.stop()


class Holder:
    """Holds the first batch of an api at a statement, until it is let go on."""

    def __init__(self, api, start):
        self.api, self.start, self.reached, self.go_on, self.is_over = api, start, threading.Event(), threading.Event(), False
        api.before = self.before

    def before(self, text):
        if text.startswith(self.start) and not self.reached.is_set():
            self.reached.set()
            self.go_on.wait(60)

    def batches(self):
        return [statement for statement in list(self.api.by_id.values()) if len(statement.texts) > 1]


def wait_until(what, holds):
    deadline = time.monotonic() + 60
    while not holds():
        expect(time.monotonic() < deadline, f"not within 60 s: {what}")
        time.sleep(0.01)


def check_a_batch_that_outlives(place, millrace, start, is_forced, amount):
    """A batch is held at a statement while millrace dies and comes back to load the same partition."""
    first = Holder(place.api, start)
    earlier = len(first.batches())
    if is_forced:
        place.postgres.psql("UPDATE sales.daily SET total = 0")
    else:
        send(millrace, ["11-20"], 3, amount)
    words = ["load", "daily", "2026-11-20"] if is_forced else ["run", "daily"]
    loading = threading.Thread(target=lambda: ask(millrace, "job", *words))
    loading.start()
    expect(first.reached.wait(60), f"no batch came to {start}")
    millrace.kill()
    loading.join()
    old = first.batches()[earlier]
    asked_by_old = len(place.api.by_id)
    millrace.start()
    answers = []
    if is_forced:
        loading = threading.Thread(target=lambda: answers.append(ask(millrace, "job", "load", "daily", "2026-11-20").stdout))
        loading.start()
    is_first = start != "LOCK"
    if is_first:
        # The next load waits for its lock, at the first look at the ledger.
        wait_until("the next load waits for the lock", lambda: any(
            LEDGER in one.texts[0] and one.status == "STARTED" for one in list(place.api.by_id.values())[asked_by_old:]))
        expect_equal(old.status, "STARTED", "the batch that holds the lock")
    else:
        wait_until("the next load is done", lambda: [one.status for one in first.batches()[earlier + 1:]] == ["FINISHED"])
    first.go_on.set()
    wait_until("the batch is over", lambda: old.status in ("FINISHED", "FAILED"))
    loading.join()
    expect_texts(ask(millrace, "job", "load", "daily").stdout, "the warehouse has every partition")
    if is_forced:
        expect_texts(answers[0], "daily@reporting 2026-11-20 succeeded, 3 rows")
    place.expect_the_lake(millrace)
    expect_equal(load_status(millrace), (0, None), "what job list says")
    expect_equal((old.status, "by zero" in old.error), ("FINISHED", False) if is_first else ("FAILED", True),
                 f"the batch that was held ({old.error})")
    expect_equal(len(first.batches()) - earlier, 1 if is_first and not is_forced else 2, "how often the rows were loaded")


def test_a_batch_outlives_millrace(folder):
    with Place(folder) as place:
        millrace = place.millrace().start()
        send(millrace, ["11-20"], 3)
        ask(millrace, "job", "run", "daily")
        for turn, start in enumerate(["LOCK", "COPY", "COMMIT"]):
            for is_forced in (False, True):
                check_a_batch_that_outlives(place, millrace, start, is_forced, amount=f"{turn + 2}.00")
        millrace.stop()


def test_another_load_of_the_partition_comes_between(folder):
    """Another program hands in the same batch under a run of its own: first, or while ours has the lock. One of the two is undone."""
    with Place(folder) as place:
        millrace = place.millrace().start()
        for turn, (start, words) in enumerate([("LOCK", ["run", "daily"]), ("DELETE", ["run", "daily"]),
                                               ("LOCK", ["load", "daily", "2026-11-20"])]):
            send(millrace, ["11-20"], 3, amount=f"{turn + 1}.00")
            if words[0] == "load":
                ask(millrace, "job", "run", "daily")
            others = []

            def before(text, start=start, others=others):
                if others or not text.startswith(start):
                    return
                batch = list(place.api.by_id.values())[-1]
                others.append(Statement([re.sub(r"'\d{8}T\d{6}Z-\w{8}'(, \d+, CAST)", r"'another'\1", one) for one in batch.texts]))
                running = threading.Thread(target=place.api.run, args=(others[0], True, "pass"))
                running.start()
                if start == "LOCK":
                    running.join()
            place.api.before = before
            ask(millrace, "job", *words)
            place.api.before = lambda text: None
            wait_until("the other's batch is over", lambda: others[0].status in ("FINISHED", "FAILED"))
            expect_equal([load[1:] for load in loads_of(millrace, "2026-11-20")][turn:][-1], ["succeeded", 1 + (words[0] == "load"), 3],
                         "the load in _runs")
            expect_equal((others[0].status, "by zero" in others[0].error), ("FINISHED", False) if start == "LOCK" else ("FAILED", True),
                         f"the other's batch ({others[0].error})")
            run = place.postgres.psql("SELECT run_id = 'another' FROM sales.millrace_loads")
            # Ours finds its work done; but a load that was asked for by hand is done all the same.
            expect_equal(run, ["t" if start == "LOCK" and words[0] == "run" else "f"], "whether the ledger has the other's run")
            place.expect_the_lake(millrace)
            expect_equal(load_status(millrace), (0, None), "what job list says")
        check_two_at_once(place, millrace)
        millrace.stop()


def check_two_at_once(place, millrace):
    answers = []
    both = [threading.Thread(target=lambda: answers.append(ask(millrace, "job", "load", "daily", "2026-11-20").stdout)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    for answer in answers:
        expect_texts(answer, "daily@reporting 2026-11-20 succeeded, 3 rows")
    place.expect_the_lake(millrace)
