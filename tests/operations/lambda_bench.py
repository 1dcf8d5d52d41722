"""A pipeline as a function of AWS Lambda: a stream and its API, a lake on a disk or on S3, environments; and what must be true then."""
import json
import pathlib
import re
import shutil

from deltalake import DeltaTable
from harness import lambda_events
from harness.lambda_runtime import Function, Settings
from harness.memory_stream import MemoryStream, StreamApi
from harness.millrace import BINARY, Failure
from judges import delta
from operations import expect, expect_equal

BUCKET = "lake"
PIPELINE = """
pipeline: shop
sources:
  orders:
    from: kinesis
    stream: orders
    schema: {n: bigint, id: varchar, amount: "decimal(12,2)", hidden: boolean}
tables:
  checked:
    from: orders
    expect: {has_amount: {check: amount > 0}}
    sql: SELECT n, id, amount, amount > 1000 AS is_fraud FROM orders WHERE hidden IS NULL
"""
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDMILLRACETEST", "AWS_SECRET_ACCESS_KEY": "secretsecretsecret"}
REASONS = {"bad": "has_amount", "broken": "malformed"}


def fate(n):
    """What becomes of record `n`: a row, a reject, or nothing."""
    return "bad" if n % 10 == 9 else "broken" if n % 25 == 13 else "hidden" if n % 25 == 7 else "good"


def record(n):
    of = fate(n)
    if of == "broken":
        return b'{"n": %d, "id": ' % n
    order = {"n": n, "id": f"o{n}", "amount": -1 if of == "bad" else n + 0.25}
    return json.dumps(order | ({"hidden": True} if of == "hidden" else {})).encode()


def of_fate(wanted, end, begin=0):
    return [n for n in range(begin, end) if fate(n) == wanted]


class LambdaBench:
    """Use it in `with`. `store` is an S3Store with the bucket; `url` stands before it."""

    def __init__(self, folder, shards=1, pipeline=PIPELINE, store=None, url=None, concurrency=1, lifetime=None, **settings):
        self.folder, self.store = pathlib.Path(folder), store
        self.folder.mkdir(exist_ok=True)
        self.stream = MemoryStream(shards)
        self.api = StreamApi(self.stream)
        self.tables = self.folder / "data" / "tables"
        self.prefix = f"{self.folder.name}/tables"
        self.lake = f"s3://{BUCKET}/{self.prefix}" if store else str(self.tables)
        self.pipeline = self.folder / "pipeline.yaml"
        self.pipeline.write_text(f"lake: {self.lake}\n{pipeline.lstrip()}")
        self.variables = {**KEYS, **(store.environment(url) if store else {}), "AWS_ENDPOINT_URL_KINESIS": self.api.url,
                          "MILLRACE_PIPELINE": "pipeline.yaml", **settings.pop("environment", {})}
        self.settings = Settings([BINARY, "lambda"], self.folder / "lambda", self.variables, (self.pipeline,), **settings)
        self.function = Function(self.settings, concurrency, lifetime)
        self.done = self.farthest = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.function.__exit__()
        self.api.close()

    def put(self, count, shard=None):
        """`count` more records, spread over the shards."""
        shards = len(self.stream.records)
        for n in range(self.done, self.done + count):
            self.stream.put(record(n), f"key {n}", n % shards if shard is None else shard)
        self.done += count

    def reached(self, end):
        """The farthest record that was handed in by now, `end` included."""
        self.farthest = max(self.farthest, end)
        return self.farthest

    def batch(self, begin, end, shard=0):
        """The event of some records of a shard, counted from its oldest."""
        records = self.stream.records[f"shardId-{shard:012d}"][begin:end]
        return lambda_events.kinesis(records, self.stream.name)

    def succeed(self, event, **more):
        """Invokes, and wants an answer that names nothing as failed."""
        outcome = self.function.invoke(event, **more)
        if not outcome.answered:
            raise Failure(f"an event ended as {outcome.kind} {outcome.error_type}: {outcome.body[:500]}\n{self.errors()}")
        expect_equal(outcome.json(), {"batchItemFailures": []}, "the answer")

    def refuse(self, event, *parts, **more):
        """Invokes, and wants an error whose message has these parts. Returns the message."""
        outcome = self.function.invoke(event, **more)
        expect_equal(outcome.kind, "error", f"how it ended ({outcome.body[:500]}; {self.errors()})")
        expect(outcome.error_type.startswith("Millrace."), f"the type of the error is {outcome.error_type}")
        message = outcome.json()["errorMessage"]
        for part in parts:
            expect(part in message, f"{part!r} is missing in: {message}")
        return message

    def errors(self):
        return "\n".join(environment.last_errors() + "\n".join(environment.lines()[-15:]) for environment in self.function.environments)

    def local(self):
        """The folder whose `tables` are those of the lake."""
        if not self.store:
            return self.folder / "data"
        shutil.rmtree(self.folder / "copy", ignore_errors=True)
        self.store.fetch(BUCKET, self.prefix, self.folder / "copy" / "tables")
        return self.folder / "copy"

    def rows(self, name="checked"):
        return DeltaTable(str(self.local() / "tables" / name)).to_pyarrow_table().to_pylist()

    def version(self, name="checked"):
        return DeltaTable(str(self.local() / "tables" / name)).version()

    def check(self, end=None):
        """Each record up to `end` once: in the table, in the rejects with its reason and bytes, or nowhere if the SQL leaves it out."""
        end = self.done if end is None else end
        data = self.local()
        rows = DeltaTable(str(data / "tables" / "checked")).to_pyarrow_table().to_pylist()
        expect_equal(difference((row["n"] for row in rows), of_fate("good", end)), "", "rows of the table")
        rejects = DeltaTable(str(data / "tables" / "_rejects")).to_pyarrow_table().to_pylist() if end > 9 else []
        for of, reason in REASONS.items():
            found = [int(re.search(rb'"n": (\d+)', row["raw"])[1]) for row in rejects
                     if row["reason"] == reason and row["table"] == "checked"]
            expect_equal(difference(found, of_fate(of, end)), "", f"rejects that are {of}")
        expect_equal({row["reason"] for row in rejects} - set(REASONS.values()), set(), "other reasons")
        check_positions(data / "tables" / "checked")
        delta.check_folder(data)
        expect_equal(self.function.violations, [], "what the runtime did wrong")

    def check_three(self):
        """The tables `later`, which takes all that can be read, and `large`, which reads `checked` (lambda_kinesis.THREE_TABLES), too."""
        self.check()
        readable = [n for n in range(self.done) if fate(n) != "broken"]
        expect_equal(difference((row["n"] for row in self.rows("later")), readable), "", "rows of the second table")
        large = [n for n in of_fate("good", self.done) if n >= 100]
        expect_equal(difference((row["n"] for row in self.rows("large")), large), "", "rows of the chained table")


def difference(found, wanted):
    """Empty if both are the same, as often; else what is lost, doubled or strange."""
    found, texts = sorted(found), []
    counts = {n: found.count(n) for n in set(found)} if len(found) != len(set(found)) else {}
    for what, numbers in (("lost", set(wanted) - set(found)), ("never sent", set(found) - set(wanted)),
                          ("doubled", {n for n, count in counts.items() if count > 1})):
        if numbers:
            texts.append(f"{what} {len(numbers)}: {sorted(numbers)[:20]}")
    return "; ".join(texts)


def check_positions(root):
    """Reads the commits: the position of a shard only grows, and each commit of the stream moves one."""
    positions = {}
    for path in sorted((root / "_delta_log").glob("[0-9]*.json")):
        for line in path.read_text().splitlines():
            action = json.loads(line).get("txn")
            if not action or not re.search(r"/\d+$", action["appId"]):
                continue
            before = positions.get(action["appId"], -1)
            expect(action["version"] >= before, f"{action['appId']} went from {before} back to {action['version']} in {path.name}")
            positions[action["appId"]] = action["version"]
    expect(positions, f"{root} has no positions")
    return positions
