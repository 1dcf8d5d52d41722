"""`millrace lambda` killed at each step, at its deadline, and cut off from its lake: what it answered is there, and nothing twice."""
import random
import threading
import time

from harness.fault_proxy import FaultProxy
from harness.lambda_runtime import Environment
from harness.lambda_source import EventSourceMapping
from harness.s3_store import S3Store, versitygw
from operations import expect, expect_equal, expect_texts, slow
from operations.lambda_bench import BUCKET, LambdaBench
from operations.lambda_kinesis import THREE_TABLES

KILLS_MIN = 20
RANDOM_KILLS_MIN = 4             # the faster a batch is done, the fewer fall into it


def killed(folder, plan, kills, records=1500, **more):
    """All records, with kills by `plan(step)`; the number of kills falls on some."""
    with LambdaBench(folder, shards=2, concurrency=2, plan=plan, **more) as bench:
        bench.put(records)
        mapping = EventSourceMapping(bench.stream, bench.function, batch_size=20, regroups=True, repeats=0.1, seed=11)
        mapping.drain(240)
        bench.check()
        expect(bench.function.count("kills") >= kills, f"only {bench.function.count('kills')} kills")


def at(step, probability, seed=3):
    chance, lock = random.Random(seed), threading.Lock()

    def plan(reached):
        with lock:
            return 0 if reached == step and chance.random() < probability else None
    return plan


@slow
def test_killed_before_its_answer_was_taken(folder):
    """All is committed and Lambda does not know it: the batch comes again."""
    killed(folder, at("response", 0.4), KILLS_MIN)


@slow
def test_killed_after_its_answer(folder):
    killed(folder, at("answered", 0.4), KILLS_MIN)


@slow
def test_killed_while_it_starts(folder):
    chance, lock = random.Random(4), threading.Lock()

    def plan(step):
        with lock:
            if step == "answered":
                return 0 if chance.random() < 0.3 else None
            return chance.random() * 0.15 if step == "init" and chance.random() < 0.5 else None
    killed(folder, plan, KILLS_MIN // 2, records=1000)


@slow
def test_killed_at_random_moments(folder):
    """From the event on, within the time that a batch takes, and while it waits."""
    chance, lock = random.Random(random.randrange(10**6)), threading.Lock()

    def plan(step):
        with lock:
            if step == "delivered" and chance.random() < 0.5:
                return chance.random() ** 3 * 0.12
            return chance.random() * 0.02 if step == "answered" and chance.random() < 0.1 else None
    killed(folder, plan, RANDOM_KILLS_MIN)


@slow
def test_killed_at_random_moments_with_three_tables(folder):
    """Each of them commits on its own: a kill falls between two of them."""
    chance, lock = random.Random(random.randrange(10**6)), threading.Lock()

    def plan(step):
        with lock:
            return chance.random() ** 3 * 0.15 if step == "delivered" and chance.random() < 0.5 else None
    with LambdaBench(folder, pipeline=THREE_TABLES, concurrency=2, plan=plan) as bench:
        bench.put(800)
        EventSourceMapping(bench.stream, bench.function, batch_size=20, regroups=True, seed=12).drain(240)
        bench.check_three()
        expect(bench.function.count("kills") >= RANDOM_KILLS_MIN, f"only {bench.function.count('kills')} kills")


def test_a_deadline_that_is_too_near(folder):
    """It says so in time, commits nothing or all, and is not killed for it."""
    with LambdaBench(folder) as bench:
        bench.put(200)
        bench.succeed(bench.batch(0, 50))
        message = bench.refuse(bench.batch(50, 100), "deadline", seconds=0.05)
        expect_texts(message, "timeout")
        expect_equal((bench.function.count("timeouts"), bench.function.count("starts")), (0, 1), "timeouts and starts")
        bench.check(50)
        bench.succeed(bench.batch(50, 200))
        bench.check()


@slow
def test_a_deadline_that_comes_while_it_commits(folder):
    """The store hangs: the answer that not all is committed is given before Lambda ends the process, and it comes again."""
    with S3Bench(folder) as (bench, faults):
        bench.put(300)
        bench.succeed(bench.batch(0, 100))
        faults["plan"] = lambda method, target: "hang" if method == "PUT" and "_delta_log" in target else "pass"
        begin = time.monotonic()
        outcome = bench.function.invoke(bench.batch(100, 200), seconds=2)
        took = time.monotonic() - begin
        expect_equal(outcome.kind, "error", f"how it ended after {took:.2f} s ({outcome.body[:300]}; {bench.errors()})")
        expect(took < 2, f"it took {took:.2f} s")
        faults["plan"] = lambda method, target: "pass"
        bench.succeed(bench.batch(100, 300))
        bench.check()
        expect_equal(bench.function.count("timeouts"), 0, "timeouts")


class S3Bench:
    """A LambdaBench on S3 behind a proxy; `faults["plan"]` says what becomes of requests. Use it in `with`."""

    def __init__(self, folder, **more):
        self.folder, self.more = folder, more
        self.faults = {"plan": lambda method, target: "pass"}

    def __enter__(self):
        self.store = S3Store(self.folder / "s3", versitygw())
        self.store.boto3().create_bucket(Bucket=BUCKET)
        self.proxy = FaultProxy(self.store.address, lambda method, target: self.faults["plan"](method, target))
        self.bench = LambdaBench(self.folder, store=self.store, url=self.proxy.url, **self.more)
        return self.bench, self.faults

    def __exit__(self, *_):
        self.bench.__exit__()
        self.proxy.close()
        self.store.close()


@slow
def test_commits_that_are_throttled_lost_and_late(folder):
    chance, lock = random.Random(8), threading.Lock()

    def plan(method, target):
        with lock:
            if "_probe" in target:
                return "pass"
            if method == "PUT" and "_delta_log" in target:
                return chance.choice(["pass", "pass", "lose", "drop", "late 500", 409, 500, 503])
            return chance.choice(["pass"] * 12 + ["lose", 500, 503])
    with S3Bench(folder, shards=2, concurrency=2, seconds=30) as (bench, faults):
        bench.put(400)
        faults["plan"] = plan
        mapping = EventSourceMapping(bench.stream, bench.function, batch_size=20, repeats=0.1, regroups=True)
        mapping.drain(240)
        faults["plan"] = lambda method, target: "pass"
        bench.check()
        expect_equal(bench.function.count("timeouts"), 0, "timeouts")


@slow
def test_a_bucket_that_is_gone_and_comes_back(folder):
    with S3Bench(folder, seconds=4) as (bench, faults):
        bench.put(200)
        bench.succeed(bench.batch(0, 50))
        for status in (403, 404, 503):
            faults["plan"] = lambda method, target, status=status: status
            bench.refuse(bench.batch(50, 100))
            expect_equal(bench.function.count("timeouts"), 0, "timeouts")
        faults["plan"] = lambda method, target: "pass"
        bench.succeed(bench.batch(50, 200))
        bench.check()


def test_no_bucket_at_the_start(folder):
    with S3Bench(folder) as (bench, faults):
        bench.put(10)
        faults["plan"] = lambda method, target: 404
        outcome = bench.function.invoke(bench.batch(0, 10))
        expect_equal((outcome.kind, bool(outcome.body)), ("init_error", True), f"how it ended: {outcome.body} {bench.errors()}")
        faults["plan"] = lambda method, target: "pass"
        bench.succeed(bench.batch(0, 10))
        bench.check()


@slow
def test_eight_shards_at_once_on_a_lake_on_s3(folder):
    """Eight environments commit to one table at once, any of them any shard; some processes are killed."""
    chance, lock = random.Random(21), threading.Lock()

    def plan(step):
        with lock:
            return chance.random() ** 2 * 0.2 if step == "delivered" and chance.random() < 0.2 else None
    with S3Bench(folder, shards=8, concurrency=8, plan=plan, lifetime=12, freezes=True) as (bench, _):
        bench.put(4000)
        mapping = EventSourceMapping(bench.stream, bench.function, batch_size=50, repeats=0.05, regroups=True)
        mapping.drain(400)
        bench.check()
        expect_equal(len({environment.number for environment in bench.function.environments}) >= 8, True, "eight environments")
        expect(bench.function.count("kills") >= 3, f"only {bench.function.count('kills')} kills")


@slow
def test_commits_that_arrive_after_their_process_is_dead(folder):
    """A PUT is on its way for longer than the function may take: another process does the batch anew, and then it arrives."""
    chance, lock, late = random.Random(9), threading.Lock(), []

    def plan(method, target):
        with lock:
            is_late = method == "PUT" and "/checked/_delta_log/" in target and chance.random() < 0.3
            pause = 0.5 + chance.random() * 2.5
        if is_late:
            late.append(pause)
            time.sleep(pause)
        return "pass"

    killed_in_time = random.Random(10)

    def kills(step):
        with lock:
            return 1 if step == "delivered" and killed_in_time.random() < 0.8 else None
    with S3Bench(folder, shards=2, concurrency=4, plan=kills) as (bench, faults):
        bench.put(600)
        bench.function.invoke(bench.batch(0, 1))
        faults["plan"] = plan
        EventSourceMapping(bench.stream, bench.function, batch_size=20, repeats=0.1, regroups=True).drain(240)
        time.sleep(max(late))
        bench.check()
        expect(len(late) >= 5 and bench.function.count("kills") >= 3, f"{len(late)} late commits, {bench.function.count('kills')} kills")


def kill_at_the_commit(bench, environment, batch):
    """Kills the process when its commit of the table is there, before that of the rejects."""
    log = bench.tables / "checked" / "_delta_log"
    before = len(list(log.glob("*.json")))

    def watch():
        while len(list(log.glob("*.json"))) == before:
            time.sleep(0)
        environment.kill_process(environment.process)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    outcome = environment.invoke(batch)
    watcher.join(30)
    return outcome.kind == "crash"


def test_rejects_of_a_batch_that_another_process_committed(folder):
    """One commits the table and dies; who gets the batch again, and has lived all the while, sees to the rejects before it answers."""
    with LambdaBench(folder) as bench:
        bench.put(240)
        one, other = (Environment(bench.settings, number) for number in range(2))
        bench.function.environments += [one, other]
        one.invoke(bench.batch(0, 20))
        other.invoke(bench.batch(20, 40))
        crashes = 0
        for begin in range(40, 240, 20):
            crashes += kill_at_the_commit(bench, one, bench.batch(begin, begin + 20))
            answer = other.invoke(bench.batch(begin, begin + 20))
            expect_equal(answer.json(), {"batchItemFailures": []}, "the answer")
            bench.check(begin + 20)
        expect(crashes > 3, f"only {crashes} crashes fell between the commits")
