"""`unique` of `millrace lambda`: keys are claimed in a table of DynamoDB, by any number of environments; killed, repeated, at once."""
import json
import os
import random
import threading
import time

from harness import lambda_events
from harness.lambda_source import EventSourceMapping
from harness.s3_store import REGION, S3Store, versitygw
from operations import expect, expect_equal, expect_texts, slow
from operations.lambda_bench import BUCKET, KEYS, LambdaBench, difference
from operations.lambda_kinesis import run_on

TABLE = "claims"
PIPELINE = """
pipeline: shop
sources:
  orders:
    from: kinesis
    stream: orders
    schema: {id: varchar, n: bigint}
  messages:
    from: log
    schema: {id: varchar, n: bigint}
tables:
  kept:
    from: orders
    unique: {key: id, within: 24h}
    sql: SELECT id, n FROM orders
  seen:
    from: messages
    unique: {key: id, within: 24h}
    sql: SELECT id, n FROM messages
"""
WITHOUT = PIPELINE.replace("    unique: {key: id, within: 24h}\n", "")


class Claims:
    """A DynamoDB: moto, or what DYNAMODB_URL names (DynamoDB Local). Use it in `with`."""

    def __init__(self, folder, keys=None):
        self.keys = keys or KEYS
        self.url = os.environ.get("DYNAMODB_URL")
        self.store = None if self.url else S3Store(folder / "dynamodb", checks_signatures=False)
        self.url = self.url or self.store.url
        self.name = f"{TABLE}-{random.randrange(10**9)}"

    def __enter__(self):
        import boto3
        self.client = boto3.client("dynamodb", endpoint_url=self.url, region_name=REGION,
                                   aws_access_key_id=self.keys["AWS_ACCESS_KEY_ID"],
                                   aws_secret_access_key=self.keys["AWS_SECRET_ACCESS_KEY"])
        self.client.create_table(TableName=self.name, BillingMode="PAY_PER_REQUEST",
                                 AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
                                 KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}])
        return self

    def __exit__(self, *_):
        if self.store:
            self.store.process.kill()       # it keeps nothing, and is slow to end by itself
            self.store.process.wait()

    def environment(self):
        return {"AWS_ENDPOINT_URL_DYNAMODB": self.url, "MILLRACE_CLAIMS_TABLE": self.name}

    def items(self):
        pages = self.client.get_paginator("scan").paginate(TableName=self.name)
        return [item for page in pages for item in page["Items"]]


def bench_of(folder, claims, **more):
    return LambdaBench(folder, pipeline=PIPELINE, environment=claims.environment(), **more)


def check_keys(bench, table, keys, records):
    """Each key has one row, and every other record of it is a reject."""
    rows = bench.rows(table)
    expect_equal(difference([int(row["id"][1:]) for row in rows], range(keys)), "", f"keys of {table}")
    rejects = [row for row in bench.rows("_rejects") if row["table"] == table]
    expect_equal({row["reason"] for row in rejects}, {"duplicate"}, "the reasons of rejects")
    expect_equal(len(rows) + len(rejects), records, f"rows and rejects of {table}")
    expect_equal(bench.function.violations, [], "what the runtime did wrong")


@slow
def test_keys_hold_over_shards_and_environments(folder):
    """The key is not the partition key: its records come in four shards, to any of four environments, which do not live long."""
    with Claims(folder) as claims, bench_of(folder, claims, shards=4, concurrency=4, lifetime=6) as bench:
        for n in range(2000):
            bench.stream.put({"id": f"k{n % 300}", "n": n}, f"key {n}", n % 4)
        mapping = EventSourceMapping(bench.stream, bench.function, batch_size=60, repeats=0.2, regroups=True, seed=5)
        mapping.drain(240)
        expect_equal(mapping.failures, 0, "failures")
        check_keys(bench, "kept", 300, 2000)
        expect_equal(len(claims.items()), 300, "items of claims")


def test_the_first_of_a_shard_is_kept(folder):
    with Claims(folder) as claims, bench_of(folder, claims, lifetime=2) as bench:
        for n in range(400):
            bench.stream.put({"id": f"k{n % 150}", "n": n})
        EventSourceMapping(bench.stream, bench.function, batch_size=40, repeats=0.3).drain(120)
        rows = sorted((row["id"], row["n"]) for row in bench.rows("kept"))
        expect_equal(rows, sorted((f"k{n}", n) for n in range(150)), "the first of each key")
        check_keys(bench, "kept", 150, 400)


@slow
def test_killed_between_claim_and_commit(folder):
    """Kills at random moments, from the event on: Kinesis sends a batch again, with other records behind it."""
    chance, lock = random.Random(random.randrange(10**6)), threading.Lock()

    def plan(step):
        with lock:
            return chance.random() ** 4 * 0.25 if step == "delivered" and chance.random() < 0.5 else None
    with Claims(folder) as claims, bench_of(folder, claims, shards=2, concurrency=2, plan=plan) as bench:
        for n in range(1500):
            bench.stream.put({"id": f"k{n % 400}", "n": n}, f"key {n}", n % 2)
        mapping = EventSourceMapping(bench.stream, bench.function, batch_size=25, regroups=True, repeats=0.1, seed=11)
        mapping.drain(300)
        check_keys(bench, "kept", 400, 1500)
        expect(bench.function.count("kills") >= 10, f"only {bench.function.count('kills')} kills")


class Queue:
    """A queue of SQS: a message is delivered until it was answered for, sometimes twice, and to two environments at once."""

    def __init__(self, bench, bodies, seed):
        self.bench, self.chance, self.lock = bench, random.Random(seed), threading.Lock()
        self.waiting = [lambda_events.sqs_record(body, queue="messages") for body in bodies]
        self.delivered, self.errors = 0, []

    def take(self):
        with self.lock:
            batch, self.waiting = self.waiting[:8], self.waiting[8:]
            again = [one for one in batch if self.chance.random() < 0.15]
            self.waiting += again
            self.chance.shuffle(self.waiting)
            return batch

    def work(self):
        while batch := self.take():
            outcome = self.bench.function.invoke({"Records": batch})
            failed = {one["messageId"] for one in batch}
            if outcome.answered:
                failed = {item["itemIdentifier"] for item in outcome.json()["batchItemFailures"]}
            with self.lock:
                self.delivered += len(batch) - len(failed)
                self.waiting += [one for one in batch if one["messageId"] in failed]
                if failed:
                    self.errors.append(outcome.body[:300])
            if failed:
                time.sleep(0.3)

    def drain(self, threads):
        workers = [threading.Thread(target=self.work, daemon=True) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(300)


@slow
def test_messages_that_come_twice_and_whose_process_is_killed(folder):
    """A message has no position of its own: who holds its key is asked of the table."""
    chance, lock = random.Random(random.randrange(10**6)), threading.Lock()

    def plan(step):
        with lock:
            if step == "response":
                return 0 if chance.random() < 0.1 else None
            return chance.random() ** 2 * 0.25 if step == "delivered" and chance.random() < 0.2 else None
    with Claims(folder) as claims, bench_of(folder, claims, concurrency=3, plan=plan, seconds=3) as bench:
        queue = Queue(bench, [{"id": f"k{n % 250}", "n": n} for n in range(500)], seed=3)
        queue.drain(3)
        expect_equal(len(queue.waiting), 0, f"messages left ({queue.errors[-3:]})")
        rows = bench.rows("seen")
        expect_equal(difference([int(row["id"][1:]) for row in rows], range(250)), "", "keys")
        expect(bench.function.count("kills") >= 5, f"only {bench.function.count('kills')} kills")


def test_messages_that_come_again_with_the_lake_on_s3(folder):
    """A process that is new reads the one file in which the first message stands."""
    store = S3Store(folder / "s3", versitygw())
    try:
        store.boto3().create_bucket(Bucket=BUCKET)
        with Claims(folder, store.environment()) as claims, bench_of(folder, claims, store=store, lifetime=1) as bench:
            events = [lambda_events.sqs([{"id": f"k{n}", "n": n} for n in range(begin, begin + 20)], queue="messages")
                      for begin in (0, 20, 40)]
            for event in [*events, events[1], events[0]]:
                bench.succeed(event)
            rows = bench.rows("seen")
            expect_equal(sorted(row["n"] for row in rows), list(range(60)), "rows")
            expect_equal(len(bench.rows("_rejects")), 40, "duplicates")
    finally:
        store.close()


def test_without_a_table_of_claims_the_start_fails_and_says_why(folder):
    with LambdaBench(folder, pipeline=PIPELINE) as bench:
        outcome = bench.function.invoke(lambda_events.sqs([{"id": "a"}]))
        expect_equal(outcome.kind, "init_error", "how it ended")
        expect_texts(outcome.json()["errorMessage"], "pipeline.yaml:", "table 'kept'", "MILLRACE_CLAIMS_TABLE", "`key`", "`expires`")


def test_a_table_of_claims_that_is_not_there(folder):
    with Claims(folder) as claims:
        environment = claims.environment() | {"MILLRACE_CLAIMS_TABLE": "gone"}
        with LambdaBench(folder, pipeline=PIPELINE, environment=environment) as bench:
            bench.refuse(lambda_events.sqs([{"id": "a"}]), "gone", "ResourceNotFoundException", "make the table", seconds=2)


def test_a_file_without_unique_never_asks(folder):
    """DynamoDB is nowhere, and nobody notices."""
    environment = {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9", "MILLRACE_CLAIMS_TABLE": "gone"}
    with LambdaBench(folder, pipeline=WITHOUT, environment=environment) as bench:
        bench.succeed(lambda_events.sqs([{"id": "a", "n": 1}], queue="messages"))
        expect_equal(len(bench.rows("seen")), 1, "rows")


def test_what_run_and_a_function_know_of_each_other(folder):
    """`run` finds what functions committed; a function does not know the keys of `run`, and still no record twice."""
    with Claims(folder) as claims, bench_of(folder, claims) as bench:
        for n, key in enumerate(["k0", "k1"]):
            bench.stream.put({"id": key, "n": n})
        bench.succeed(bench.batch(0, 2))
        for n, key in enumerate(["k0", "k2"], 2):
            bench.stream.put({"id": key, "n": n})
        for environment in bench.function.environments:
            environment.close()
        with run_on(bench, folder / "run") as millrace:
            millrace.start()
            millrace.wait_for("run has read on", lambda: len(millrace.query("SELECT n FROM kept")) == 3)
            millrace.stop()
        expect_equal(sorted(row["n"] for row in bench.rows("kept")), [0, 1, 3], "rows after run: k0 was a duplicate")
        for n, key in enumerate(["k1", "k2"], 4):
            bench.stream.put({"id": key, "n": n})
        with LambdaBench(folder / "again", pipeline=PIPELINE) as other:
            other.settings.files, other.settings.environment = (bench.pipeline,), bench.variables
            other.succeed(bench.batch(2, 6))
        rows = sorted((row["id"], row["n"]) for row in bench.rows("kept"))
        expect_equal(rows, [("k0", 0), ("k1", 1), ("k2", 3), ("k2", 5)], "rows: the function did not know k2, and knew k1")


def test_metrics_of_claims(folder):
    with Claims(folder) as claims, bench_of(folder, claims) as bench:
        bench.succeed(lambda_events.sqs([{"id": "a", "n": 1}, {"id": "b", "n": 2}], queue="messages"))
        bench.function.environments[0].close()
        documents = [json.loads(line) for line in bench.function.environments[0].lines() if line.startswith("{")]
        asked = [one["millrace_claims_asked_total"] for one in documents if "millrace_claims_asked_total" in one]
        expect_equal(sum(asked), 2, f"keys that were asked for, in {documents}")
