"""`millrace lambda` on batches of a Kinesis stream: each is one commit, and what it is answered is what is committed."""
import json
import pathlib

from harness.lambda_source import EventSourceMapping
from harness.millrace import Millrace
from operations import expect, expect_equal, expect_texts
from operations.lambda_bench import PIPELINE, LambdaBench, fate, of_fate, record

THREE_TABLES = PIPELINE + """
  later:
    from: orders
    sql: SELECT n, id FROM orders
  large:
    from: checked
    sql: SELECT n, amount * 2 AS twice FROM checked WHERE amount > 100
"""


def test_a_batch_is_one_commit_and_every_row_is_there_once(folder):
    with LambdaBench(folder) as bench:
        bench.put(1000)
        bench.succeed(bench.batch(0, 100))
        first = bench.version()
        for begin in range(100, 1000, 100):
            bench.succeed(bench.batch(begin, begin + 100))
        expect_equal(bench.version() - first, 9, "commits of nine batches")
        bench.check()
        expect_equal(bench.function.count("starts"), 1, "processes that were started")


def again_and_again(folder, lifetime):
    """Whole, in part, and with more behind it, as Lambda sends it after a failure that it saw and the function did not."""
    with LambdaBench(folder, lifetime=lifetime) as bench:
        bench.put(300)
        bench.succeed(bench.batch(0, 100))
        version = bench.version()
        for _ in range(3):
            bench.succeed(bench.batch(0, 100))
        expect_equal(bench.version(), version, "the version after repeats")
        bench.succeed(bench.batch(50, 150))
        bench.check(150)
        bench.succeed(bench.batch(0, 40))
        bench.check(150)
        bench.succeed(bench.batch(149, 200))
        for begin, end in ((50, 100), (50, 220), (120, 130), (0, 10), (5, 221), (219, 222), (100, 150), (90, 260), (0, 300)):
            bench.succeed(bench.batch(begin, end))
            bench.check(max(200, bench.reached(end)))
        bench.check(300)


def test_a_batch_that_comes_again_changes_nothing(folder):
    again_and_again(folder, None)


def test_a_batch_that_comes_again_to_a_new_process_changes_nothing(folder):
    again_and_again(folder, 1)


def begun_late(folder, lifetime):
    """A mapping begins with the latest records, and is made anew with the oldest: none of those that are there comes twice."""
    with LambdaBench(folder, lifetime=lifetime) as bench:
        bench.put(400)
        for begin in (150, 170):
            bench.succeed(bench.batch(begin, begin + 20))
        for begin in range(0, 400, 40):
            bench.function.invoke(bench.batch(begin, begin + 40))
        rows = sorted(row["n"] for row in bench.rows())
        expect_equal(len(rows), len(set(rows)), "different rows")
        expect_equal([n for n in rows if n >= 150], of_fate("good", 400, 150), "rows from the first record on")


def test_a_mapping_that_begins_late_and_then_early(folder):
    begun_late(folder, None)


def test_a_mapping_that_begins_late_and_then_early_with_new_processes(folder):
    begun_late(folder, 1)


def test_single_records(folder):
    with LambdaBench(folder) as bench:
        bench.put(60)
        for n in range(60):
            bench.succeed(bench.batch(n, n + 1))
        bench.check()


def test_environments_take_turns_on_a_shard(folder):
    """What one has committed another one knows, though it was frozen meanwhile; some are given up, and new ones begin with nothing."""
    with LambdaBench(folder, shards=2, concurrency=3, lifetime=8, freezes=True) as bench:
        bench.put(2000)
        mapping = EventSourceMapping(bench.stream, bench.function, batch_size=23, repeats=0.2, regroups=True, seed=5)
        mapping.drain(120)
        expect_equal((mapping.failures, mapping.partial), (0, 0), "failures")
        expect(bench.function.given_up > 3, f"only {bench.function.given_up} environments were given up")
        bench.check()


def test_two_tables_and_a_chained_one(folder):
    with LambdaBench(folder, pipeline=THREE_TABLES, concurrency=2) as bench:
        bench.put(600)
        mapping = EventSourceMapping(bench.stream, bench.function, batch_size=50, repeats=0.3)
        mapping.drain(120)
        expect_equal(mapping.failures, 0, "failures")
        bench.check_three()
        broken = [row for row in bench.rows("_rejects") if row["reason"] == "malformed"]
        expect_equal({row["table"] for row in broken}, {"checked", "later"}, "the tables of records that are broken")


def test_a_large_batch(folder):
    """10,000 records of half a kilobyte are more than Lambda sends at once: the mapping cuts them at 6 MiB."""
    with LambdaBench(folder) as bench:
        for n in range(10_000):
            bench.stream.put(record(n)[:-1] + b', "more": "%s"}' % (b"x" * 500) if fate(n) != "broken" else record(n), f"key {n}")
        bench.done = 10_000
        mapping = EventSourceMapping(bench.stream, bench.function, batch_size=10_000)
        mapping.drain(60)
        expect(mapping.invocations > 1, "it was not cut")
        bench.check()


def metrics_of(lines):
    """The embedded metrics: (names, the document) of each line that is one."""
    found = []
    for line in lines:
        document = json.loads(line) if line.startswith("{") else {}
        for group in document.get("_aws", {}).get("CloudWatchMetrics", []):
            found.append(({metric["Name"] for metric in group["Metrics"]}, group["Namespace"], document))
    return found


def test_metrics_are_lines_of_its_log(folder):
    with LambdaBench(folder) as bench:
        bench.put(100)
        bench.succeed(bench.batch(0, 100))
        environment = bench.function.environments[0]
        found = metrics_of(environment.lines())
        expect(found, f"no embedded metrics in {environment.lines()}")
        names = set().union(*(names for names, _, _ in found))
        expect("millrace_lambda_records_total" in names, f"the metrics are {sorted(names)}")
        for line in environment.lines():
            expect(not line.strip() or line.startswith("{"), f"a line of the log that is no JSON: {line}")


def test_it_writes_nowhere_but_to_its_data_folder(folder):
    """A function's own files are read-only, and there is no HOME."""
    with LambdaBench(folder) as bench:
        bench.put(50)
        bench.succeed(bench.batch(0, 50))
        environment = bench.function.environments[0]
        expect_equal(sorted(path.name for path in environment.task_root.iterdir()), ["pipeline.yaml"], "files of the function")
        expect_equal([path.name for path in environment.tmp.iterdir()], ["millrace"], "what is in /tmp")


def test_a_wrong_file_fails_the_start_and_says_why(folder):
    broken = PIPELINE.replace("amount > 0", "amout > 0")
    with LambdaBench(folder, pipeline=broken) as bench:
        bench.put(1)
        outcome = bench.function.invoke(bench.batch(0, 1))
        expect_equal(outcome.kind, "init_error", "how it ended")
        expect(outcome.body, f"no error was sent to /runtime/init/error\n{bench.errors()}")
        expect_texts(outcome.json()["errorMessage"], "amout")
    with LambdaBench(folder / "missing", environment={"MILLRACE_PIPELINE": "nowhere.yaml"}) as bench:
        bench.put(1)
        outcome = bench.function.invoke(bench.batch(0, 1))
        expect_equal((outcome.kind, b"nowhere.yaml" in outcome.body), ("init_error", True), f"how it ended: {outcome.body}")


def run_on(bench, folder):
    """`millrace run` of the same file on the same stream."""
    folder.mkdir(exist_ok=True)
    (folder / "pipeline.yaml").write_text(bench.pipeline.read_text())
    return Millrace(folder, environment={**bench.variables, "AWS_REGION": "us-east-1"})


def test_a_table_goes_on_in_run_and_back(folder):
    """A function begins a table, `millrace run` reads on from the same stream, and a function goes on behind it."""
    with LambdaBench(folder, shards=2) as bench:
        bench.put(400)
        mapping = EventSourceMapping(bench.stream, bench.function, batch_size=30)
        mapping.drain(60)
        bench.put(400)
        for environment in bench.function.environments:
            environment.close()
        with run_on(bench, folder / "run") as millrace:
            millrace.start()
            millrace.wait_for("the table has what came meanwhile",
                              lambda: int(str(millrace.query("SELECT count(*) FROM checked")[0][0])) >= len(of_fate("good", 800)))
            millrace.stop()
        bench.check(800)
        bench.put(400)
        with LambdaBench(pathlib.Path(folder, "again"), shards=2) as other:
            other.settings.files = (bench.pipeline,)
            other.settings.environment = bench.variables
            again = EventSourceMapping(bench.stream, other.function, batch_size=30, repeats=0.3)
            again.positions = dict(mapping.positions)    # the mapping itself never saw what `millrace run` did
            again.drain(60)
            expect_equal(again.failures, 0, "failures")
        bench.check(1200)
