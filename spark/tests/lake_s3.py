"""A lake on S3 that both write: Spark through S3A, millrace by itself, on a versitygw that checks every signature."""

import json
import os
import pathlib
import sys

import bench
import duckdb
import handover
from harness import s3_store
from harness.millrace import Failure, Millrace

from millrace_spark import pipeline
from millrace_spark.job_run import Jobs

BUCKET = "lake"
LEFT_OUT = 77  # as tests/run.py has it
# docs/how_to/run_on_spark.md, "A lake on S3", and what a store needs that is not AWS's. versitygw has
# folders and refuses to remove one that is not empty, which S3A would ask of it again and again after each file.
S3A = """\
spark.hadoop.fs.s3a.endpoint={url}
spark.hadoop.fs.s3a.endpoint.region={region}
spark.hadoop.fs.s3a.path.style.access=true
spark.hadoop.fs.s3a.connection.ssl.enabled=false
spark.hadoop.fs.s3a.access.key={access_key}
spark.hadoop.fs.s3a.secret.key={secret_key}
spark.hadoop.fs.s3a.aws.credentials.provider=org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider
spark.hadoop.fs.s3a.directory.marker.retention=keep
"""
BY_KEY = """\
  by_customer:
    distribute_by: k
    sql: SELECT k, count(*) AS orders, max(amount) AS most FROM checked GROUP BY k
"""
DAYS = ("2025-10-25", "2025-10-27")  # one of them has 25 hours


def store_of(path):
    """The server with its bucket, which is a folder of it."""
    os.environ.setdefault("VERSITYGW", "install")
    program = s3_store.versitygw()
    if not program:
        raise Failure("versitygw could not be built")
    store = s3_store.S3Store(path / "s3", program)
    (path / "s3" / "data" / BUCKET).mkdir()
    return store


def settings_of(store):
    text = S3A.format(url=store.url, region=s3_store.REGION, access_key=store.access_key, secret_key=store.secret_key)
    return dict(line.split("=", 1) for line in text.splitlines())


class Lake:
    """The orders of handover.py with their tables in the bucket, and millrace on them."""

    def __init__(self, store, path, name):
        self.root, self.path = f"{BUCKET}/{name}", path / name
        self.path.mkdir()
        text = handover.PIPELINE.replace("timezone:", f"lake: s3://{self.root}\ntimezone:", 1) + BY_KEY
        (self.path / "pipeline.yaml").write_text(text)
        self.millrace = Millrace(self.path, environment=store.environment())

    def send(self, rows):
        with self.millrace.start() as program:
            program.send("orders", "".join(json.dumps(row) + "\n" for row in rows).encode())
            program.catch_up()
            program.stop()

    def run(self, *words):
        code, output, errors = self.millrace.command(*words, "--data", "data")
        bench.expect_equal((code, errors), (0, ""), f"millrace {' '.join(words)} with {output}")
        return output

    def jobs(self, spark):
        return Jobs(spark, pipeline.read(self.path / "pipeline.yaml"), tell=lambda _: None)


def compare(spark, ours, theirs, rows_least):
    for table, least in rows_least.items():
        roots = [f"s3a://{lake.root}/{table}" for lake in (ours, theirs)]
        bench.expect_equal(bench.difference(spark, *roots), "", f"the difference of {table}")
        found = spark.read.format("delta").load(roots[0]).count()
        bench.expect(found >= least, f"only {found} rows of {table} are compared")


def test_jobs_on_s3_are_those_of_millrace():
    """By day, by hour and by key; late rows are found by both, and each goes on with what the other wrote."""
    path = bench.folder("lake-s3")
    store = store_of(path)
    try:
        spark = bench.session(**settings_of(store))
        ours, theirs = Lake(store, path, "ours"), Lake(store, path, "theirs")
        rows = [handover.record(f"2025-10-{24 + at // 48}", at, f"{at}.25") for at in range(5 * 48)]
        ours.send(rows)
        theirs.send(rows)
        jobs = ours.jobs(spark)
        for job in ("daily", "hourly"):
            done = jobs.backfill(job, *DAYS)
            bench.expect_equal({run.status for run in done}, {"succeeded"}, f"Spark's runs of {job}: {[run.error for run in done]}")
            theirs.run("job", "backfill", job, *DAYS)
        bench.expect_equal(handover.labels(jobs.run("by_customer")), [("all", "succeeded")], "Spark's run by key")
        theirs.run("job", "run", "by_customer")
        compare(spark, ours, theirs, {"daily": 15, "hourly": 73, "by_customer": 5})
        bench.expect("fresh" in ours.run("job", "backfill", "daily", *DAYS), "millrace runs again what Spark ran")

        late = [handover.record("2025-10-26", 3, "100.00"), handover.record("2025-10-26", 4, "7.00", "late")]
        ours.send(late)
        theirs.send(late)
        done = handover.labels(jobs.backfill("daily", *DAYS))
        bench.expect_equal(done, [("2025-10-26", "succeeded")], "what Spark finds stale")
        bench.expect_equal(ours.run("job", "backfill", "hourly", *DAYS).count("succeeded"), 2, "the hours that millrace finds stale")
        ours.run("job", "run", "by_customer")
        for words in (("backfill", "daily", *DAYS), ("backfill", "hourly", *DAYS), ("run", "by_customer")):
            theirs.run("job", *words)
        compare(spark, ours, theirs, {"daily": 16, "hourly": 74, "by_customer": 6})
        for job in ("daily", "hourly"):
            bench.expect_equal(jobs.backfill(job, *DAYS), [], f"what is left of {job} to Spark")
        check_files(path / "s3" / "data" / ours.root)
        history = json.loads(ours.run("query", "SELECT job, count(*) FROM _runs WHERE status = 'succeeded' GROUP BY ALL ORDER BY ALL",
                                      "--output", "json"))
        bench.expect_equal(history["rows"], [["by_customer", 2], ["daily", 4], ["hourly", 75]], "the runs that millrace knows")
    finally:
        store.close()


def check_files(lake):
    """Each file that a commit names is there: none was moved away from its name."""
    for table in ("daily", "hourly", "by_customer", "_runs"):
        log = sorted((lake / table / "_delta_log").glob("*.json"))
        bench.expect(len(log) >= 2, f"{table} has {len(log)} commits")
        for line in "".join(one.read_text() for one in log).splitlines():
            added = json.loads(line).get("add")
            bench.expect(not added or (lake / table / duckdb.sql("SELECT url_decode(?)", params=[added["path"]]).fetchone()[0]).exists(),
                         f"a file of {table} is missing: {line}")


def test_millrace_starts_spark_on_its_lake():
    """`engine: spark`: the order, what is told of it and the table all lie in the bucket, and no secret is told."""
    path = bench.folder("lake-s3-started")
    store = store_of(path)
    try:
        lake = Lake(store, path, "shop")
        settings = {**bench.SETTINGS, "spark.jars": ",".join(bench.jars()), **settings_of(store)}
        submit = pathlib.Path(sys.executable).parent / "spark-submit"
        lines = "\n      ".join(f"{key}: {json.dumps(value)}" for key, value in settings.items())
        engine = f"engines:\n  spark:\n    submit: {submit}\n    master: local[2]\n    python: {sys.executable}\n    conf:\n      {lines}\n"
        file = lake.path / "pipeline.yaml"
        text = file.read_text().replace("jobs:\n", engine + "jobs:\n").replace("  daily:\n", "  daily:\n    engine: spark\n")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            text = text.replace(store.environment()[name], "${" + name + "}")
        file.write_text(text)
        lake.send([handover.record(f"2025-10-{24 + at // 48}", at, f"{at}.25") for at in range(5 * 48)])
        with lake.millrace.start() as program:
            told = lake.run("job", "backfill", "daily", *DAYS)
            bench.expect_equal(told.count("succeeded"), 3, f"the runs in {told}")
            found = program.query("SELECT day, sum(orders), sum(total) FROM daily GROUP BY ALL ORDER BY ALL")
            expected = program.query(
                f"SELECT day, count(*), sum(amount) FROM checked WHERE day BETWEEN '{DAYS[0]}' AND '{DAYS[1]}' GROUP BY ALL ORDER BY ALL")
            bench.expect_equal(found, expected, "the table")
            bench.expect_equal(list((path / "s3" / "data" / lake.root / "_engine").glob("*.json")), [], "what is left of the order")
            log = (program.data / "engine" / "daily.log").read_text(errors="replace")
            for shown in (told, log, program.log.read_text()):
                bench.expect(store.secret_key not in shown, "the secret is shown")
            program.stop()
    finally:
        store.close()


if __name__ == "__main__":
    if not any("hadoop-aws" in jar for jar in bench.jars()):
        print("the jars of this Spark are without S3A")
        raise SystemExit(LEFT_OUT)
    bench.main([test_jobs_on_s3_are_those_of_millrace, test_millrace_starts_spark_on_its_lake])
