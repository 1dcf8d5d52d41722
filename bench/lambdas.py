"""What is measured of `millrace lambda`: batches of a Kinesis stream through a function, against a plain Python handler
(bench/peers/lambda_handler.py) that AWS's own runtime client runs. Both get the same events of the same stand-in for Lambda. The peer
leaves one record in a hundred out, which Millrace writes down as rejects, and it makes no commit."""
import json
import statistics
import sys

import process
from harness import lambda_events
from harness.lambda_runtime import Environment, Settings
from harness.memory_stream import MemoryStream, StreamApi
from harness.s3_store import S3Store, versitygw
from pipelines import FOLDER, PIPELINE, fresh, orders
from process import Failure

BATCH = 1000
LARGE_BATCH = 6000  # of 6 MB that Lambda allows
WARM_BATCHES = 10
COLD_STARTS = 20
BUCKET = "lake"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDMILLRACETEST", "AWS_SECRET_ACCESS_KEY": "secretsecretsecret"}
ROWS = ("order_id", "customer_id", "amount", "currency", "country", "ts", "segment", "is_fraud", "day")
PEER = process.SOURCES / "peers" / "lambda_handler.py"


class Runtime:
    """One of the two: how it is started, and what it has written. `store` is None where the target is a folder."""

    def __init__(self, folder, name, job, store=None):
        self.folder, self.name, self.store = folder, name, store
        self.target = f"s3://{BUCKET}/{folder.name}/{name}" if store else str(folder / name)
        environment, files = store.environment() if store else {}, job.files
        if name == "Millrace":
            pipeline = PIPELINE.format(source="kinesis\n    stream: orders", unique="", every="1m")
            (folder / "pipeline.yaml").write_text(f"lake: {self.target}\n{pipeline}")
            command, files = [process.BINARY, "lambda"], (*files, folder / "pipeline.yaml")
            environment = {**KEYS, **environment, "MILLRACE_PIPELINE": "pipeline.yaml", "AWS_ENDPOINT_URL_KINESIS": job.api.url}
        else:
            command, files = [sys.executable, "-m", "awslambdaric", "lambda_handler.handler"], (*files, PEER)
            environment |= {"TARGET": self.target}
        self.settings = Settings(command, folder / f"{name} environments", environment, files)

    def environment(self, number):
        return Environment(self.settings, number)

    def rows(self):
        """What was written, sorted, read by others than whoever wrote it."""
        import pyarrow
        import pyarrow.compute
        import pyarrow.dataset
        place = self.target if self.name != "Millrace" else f"{self.target}/checked_orders"
        if self.store:
            self.store.fetch(BUCKET, place.removeprefix(f"s3://{BUCKET}/"), self.folder / "copy")
            place = str(self.folder / "copy")
        if self.name == "Millrace":
            from deltalake import DeltaTable
            table = DeltaTable(place).to_pyarrow_table()
        else:
            days = pyarrow.dataset.partitioning(pyarrow.schema([("day", pyarrow.date32())]), flavor="hive")
            table = pyarrow.dataset.dataset(place, partitioning=days).to_table()
        return table.select(ROWS).sort_by("order_id")


class Job:
    """Orders in a stream, and the events of it. Use it in `with`."""

    def __init__(self, name, batch, count):
        folder, self.truth = orders(name, batch * count, days=1)
        self.batch = batch
        self.files = folder / "customers.csv", folder / "fraud_rules.csv"
        stream = MemoryStream(1)
        with open(folder / "orders.ndjson", "rb") as file:
            for line in file:
                stream.put(line.rstrip(b"\n"))
        (records,) = stream.records.values()
        self.events = [json.dumps(lambda_events.kinesis(records[start:start + batch])).encode()
                       for start in range(0, len(records), batch)]
        self.api = StreamApi(stream)

    def pair(self, folder, store=None):
        return [Runtime(folder, which, self, store) for which in ("Millrace", "Python")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.api.close()


def invoke(environment, payload):
    outcome = environment.invoke(payload)
    if not outcome.answered or outcome.json()["batchItemFailures"]:
        raise Failure(f"an event was answered with {outcome.kind} {outcome.body[:300]}: {environment.last_errors()}")
    return outcome


def measured(runtime, number, job):
    """(records per CPU second, seconds of the median invocation, peak bytes) of a new environment."""
    events = job.events
    environment = runtime.environment(number)
    try:
        for payload in events[:WARM_BATCHES]:
            invoke(environment, payload)
        before, _ = process.cpu_and_memory(environment.process.pid)
        seconds = [invoke(environment, payload).seconds for payload in events[WARM_BATCHES:]]
        after, _ = process.cpu_and_memory(environment.process.pid)
        if environment.violations:
            raise Failure(f"{runtime.name}: {environment.violations}")
    finally:
        peak = environment.close()
    return job.batch * (len(events) - WARM_BATCHES) / (after - before), statistics.median(seconds), peak


def check_rows(ours, peer, truth):
    mine, other = ours.rows(), peer.rows()
    if mine.num_rows != truth["rows"] or not mine.cast(other.schema).equals(other):
        raise Failure(f"the rows differ: {mine.num_rows} and {other.num_rows}; true are {truth['rows']}\n"
                      f"{mine.slice(0, 2).to_pylist()}\n{other.slice(0, 2).to_pylist()}")


def rounds_of(name, options, store=None, batch=BATCH):
    """Both in turns, each time a new environment on an empty target; the first answers are compared."""
    results = {"Millrace": [], "Python": []}
    with Job(name, batch, max(options.lambda_batches * BATCH // batch, WARM_BATCHES * 2)) as job:
        for turn in range(max(options.rounds, 3)):
            pair = job.pair(fresh(f"{name}_{turn}"), store)
            for runtime in pair if turn % 2 == 0 else reversed(pair):
                results[runtime.name].append(measured(runtime, turn, job))
            if turn == 0:
                check_rows(*pair, job.truth)
    return results


def report(what, results, table):
    for name, found in results.items():
        rate, seconds, peak = (statistics.median(values) for values in zip(*found))
        is_ours = name == "Millrace"
        table.add(f"{what}, {name}", f"{rate:,.0f} records per CPU second, {seconds * 1000:.1f} ms an invocation, "
                  f"{peak / 1e6:,.0f} MB", "256 MB" if is_ours else "", not is_ours or peak < 256e6)
    ratios = [ours[0] / theirs[0] for ours, theirs in zip(*results.values())]
    ratio = statistics.median(ratios)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    table.add(f"{what}, records per CPU second to Python's", f"{ratio:.2f} times ({spread})", "5 times", ratio >= 5)


def cold_starts(options, table):
    """From exec to the first `next`, in turns; each in an empty folder, as a new environment is."""
    with Job("lambda", BATCH, options.lambda_batches) as job:
        pair = job.pair(fresh("lambda_starts"))
        times = {runtime.name: [] for runtime in pair}
        for number in range(COLD_STARTS):
            for runtime in pair:
                environment = runtime.environment(number)
                try:
                    if failed := environment.prepare():
                        raise Failure(f"{runtime.name} does not start: {failed.body} {environment.last_errors()}")
                    times[runtime.name] += environment.init_seconds
                finally:
                    environment.close()
    ours, theirs = (statistics.median(found) for found in times.values())
    table.add(f"function, exec to the first `next`, 100,000 customers, median of {COLD_STARTS}",
              f"{ours * 1000:.0f} ms (at most {max(times['Millrace']) * 1000:.0f}), Python {theirs * 1000:.0f} ms", "150 ms",
              ours < 0.15)


def lambdas(options, table):
    report("function, batches of 1,000 into a folder", rounds_of("lambda", options), table)
    report("function, batches of 6,000 into a folder", rounds_of("lambda_large", options, batch=LARGE_BATCH), table)
    cold_starts(options, table)
    store = S3Store(FOLDER / "s3_store", versitygw())
    try:
        store.boto3().create_bucket(Bucket=BUCKET)
        report(f"function, batches of 1,000 into S3 ({store.name})", rounds_of("lambda_s3", options, store), table)
    finally:
        store.close()
