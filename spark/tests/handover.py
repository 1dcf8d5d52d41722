"""What one of the two wrote is continued by the other: late data, claims, and drivers that are killed."""

import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import bench
import delta_files
import parity_lake

from millrace_spark import pipeline, runs
from millrace_spark.job_run import Jobs

PIPELINE = """\
pipeline: shop
timezone: Europe/Berlin
sources:
  orders: {from: log, schema: {k: varchar, amount: "decimal(12,2)", ts: timestamptz}, event_time: {column: ts, lateness: 10m}}
tables:
  checked:
    from: orders
    sql: SELECT *, CAST(ts AT TIME ZONE 'Europe/Berlin' AS DATE) AS day FROM orders
    partition_by: [day]
jobs:
  daily:
    each: day
    sql: SELECT k, count(*) AS orders, sum(amount) AS total FROM checked WHERE day = $day GROUP BY k
  hourly:
    each: hour
    sql: SELECT k, sum(amount) AS total FROM checked WHERE ts >= $hour AND ts < $hour + INTERVAL 1 HOUR GROUP BY k
  slow:
    each: day
    sql: SELECT count(*) AS n FROM checked, range(20000000000) r WHERE checked.day = $day AND r.range % 7 <> amount
"""
DAYS = ("2025-10-20", "2025-10-31")  # one of them has 25 hours: 289 in all
HOURS = 12 * 24 + 1
# The driver as a process of its own; its claims expire soon, so that nobody waits long for one that was killed.
DRIVER = """\
import datetime, os, sys
import bench
from millrace_spark import command, job_run, runs
runs.CLAIM_TIME = datetime.timedelta(seconds=int(sys.argv[1]))
bench.session()
if sys.argv[2] == "die":
    job_run.Runs.finish = lambda *_, **__: os._exit(9)  # after the commit, before a word of it
sys.exit(command.main(sys.argv[3:]))
"""


def record(day, at, amount="1.00", key=None):
    return {"k": key or f"c{at % 5}", "amount": amount, "ts": f"{day}T{at % 24:02}:{at % 60:02}:00+00:00"}


def lake(name):
    """Orders of twelve days, one for about each hour."""
    path = bench.folder(name)
    (path / "pipeline.yaml").write_text(PIPELINE)
    first = datetime.date.fromisoformat(DAYS[0])
    send(path, [record(first + datetime.timedelta(days=at // 24), at, f"{at}.25") for at in range(12 * 24 - 1)])
    return path


def send(path, rows):
    """Through millrace, which is started for it and ends."""
    with bench.millrace(path, "pipeline.yaml") as program:
        program.send("orders", "".join(json.dumps(row) + "\n" for row in rows).encode())
        program.catch_up()
        program.stop()


def jobs_of(path, data="data"):
    return Jobs(bench.session(), pipeline.read(path / "pipeline.yaml"), path / data, tell=lambda _: None)


def labels(done):
    return [(run.partition.label, run.status) for run in done]


def millrace_runs(path, data="data"):
    """The history as millrace reads it: [(partition, status, rows, trigger, error)]."""
    code, output, errors = parity_lake.command(
        path / data, "query", 'SELECT job, "partition", status, rows, error FROM _runs ORDER BY started_at, run_id', "--output", "json"
    )
    bench.expect_equal((code, errors), (0, ""), "the query of _runs")
    return [tuple(row) for row in json.loads(output)["rows"]]


def test_late_rows_make_a_day_stale_for_both():
    path = lake("handover_late")
    days = ("2025-10-21", "2025-10-23")
    spark = jobs_of(path)
    bench.expect_equal(len(spark.backfill("daily", *days)), 3, "Spark's runs")
    bench.expect("fresh" in parity_lake.command(path / "data", "job", "backfill", "daily", *days)[1], "nothing is left to millrace")
    send(path, [record("2025-10-22", 3, "100.00")])
    bench.expect_equal(labels(spark.backfill("daily", *days)), [("2025-10-22", "succeeded")], "what Spark finds stale")
    send(path, [record("2025-10-23", 4, "200.00"), record("2025-10-21", 4, "300.00")])
    code, output, errors = parity_lake.command(path / "data", "job", "backfill", "daily", *days)
    bench.expect((code, errors) == (0, "") and "2025-10-22 skipped\n  it is fresh" in output, f"not the two days alone: {output} {errors}")
    bench.expect_equal(output.count("succeeded"), 2, f"the runs in {output}")
    bench.expect_equal(spark.backfill("daily", *days), [], "what is left to Spark")
    shutil.copytree(path / "data", path / "theirs")
    for day in ("2025-10-21", "2025-10-22", "2025-10-23"):
        parity_lake.command(path / "theirs", "job", "run", "daily", day)
    bench.expect_equal(delta_files.difference(path / "data/tables/daily", path / "theirs/tables/daily"), "", "the difference")


def test_a_late_row_makes_its_hour_stale_alone():
    path = lake("handover_hour")
    spark = jobs_of(path)
    spark.backfill("hourly", "2025-10-21", "2025-10-21")
    send(path, [record("2025-10-21", 4, "200.00")])
    bench.expect_equal(labels(spark.backfill("hourly", "2025-10-21", "2025-10-21")), [("2025-10-21T04:00Z", "succeeded")], "Spark's runs")
    send(path, [record("2025-10-21", 5, "200.00")])
    _, output, _ = parity_lake.command(path / "data", "job", "backfill", "hourly", "2025-10-21", "2025-10-21")
    bench.expect("2025-10-21T05:00Z succeeded" in output and output.count("succeeded") == 1, f"millrace runs not the hour alone: {output}")
    bench.expect_equal(spark.backfill("hourly", "2025-10-21", "2025-10-21"), [], "what is left to Spark")


def test_a_claim_of_spark_stops_millrace():
    path = lake("handover_claim")
    spark = jobs_of(path)
    held = runs.Runs(spark.spark, spark.lake.folder, "shop")
    run = runs.Run("daily", spark_partition("2025-10-21"), "manual")
    bench.expect_equal(held.claim([run])[0], [run], "the claim")
    code, output, errors = parity_lake.command(path / "data", "job", "run", "daily", "2025-10-21")
    bench.expect("another process" in output + errors, f"millrace does not skip what Spark runs: {code} {output} {errors}")
    bench.expect(held.are_held([run]), "the claim of a living Spark was taken away")
    run.status, run.rows = "succeeded", 7
    held.finish([run])
    code, output, errors = parity_lake.command(path / "data", "job", "run", "daily", "2025-10-21")
    bench.expect_equal((code, errors), (0, ""), "millrace's run afterwards")


def spark_partition(day):
    from millrace_spark.partition import Zone, parse

    return parse("day", day, Zone("Europe/Berlin"))


def test_a_claim_of_millrace_stops_spark():
    path = lake("handover_their_claim")
    spark = jobs_of(path)
    words = [parity_lake.BINARY, "job", "run", "slow", "2025-10-21", "--data", str(path / "data")]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("millrace's claim", lambda: b"slow/2025-10-21/claim" in logs(path / "data/tables/_runs"))
        done = spark.run("slow", "2025-10-21")
    finally:
        process.kill()
        process.wait()
    bench.expect_equal(labels(done), [("2025-10-21", "skipped")], "Spark's run")
    bench.expect("another process runs it" in done[0].error, done[0].error)


def logs(table):
    return b"".join(one.read_bytes() for one in sorted((table / "_delta_log").glob("*.json"))) if table.exists() else b""


def wait_for(what, holds, seconds=400):
    deadline = time.monotonic() + seconds
    while not holds():
        bench.expect(time.monotonic() < deadline, f"not within {seconds} s: {what}")
        time.sleep(0.02)


def driver(path, how, *words, claim_seconds=3):
    log = open(path / "driver.log", "ab")
    words = [sys.executable, "-c", DRIVER, str(claim_seconds), how, *words, "--data", str(path / "data")]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def kill(process):
    """With all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_killed_driver_is_continued_by_both():
    path = lake("handover_kill")
    shutil.copytree(path / "data", path / "theirs")
    table, file = path / "data/tables/hourly", str(path / "pipeline.yaml")
    # While its files are written, and after the first of its three commits.
    for what, holds in (
        ("files", lambda: any(table.rglob("*.parquet"))),
        ("a commit of a group", lambda: b'"add"' in logs(table)),
    ):
        process = driver(path, "live", "backfill", file, "hourly", *DAYS)
        try:
            wait_for(what, holds)
            bench.expect(process.poll() is None, f"the driver had ended before it was killed: {(path / 'driver.log').read_text()[-2000:]}")
        finally:
            kill(process)
    before = len(delta_files.DeltaFiles(table).files)
    bench.expect(0 < before < HOURS - 1, f"{before} hours stand in the table after the kills")
    time.sleep(3.5)  # until the claims have expired
    middle = ("2025-10-26", "2025-10-27")
    code, output, errors = parity_lake.command(path / "data", "job", "backfill", "hourly", *middle)
    bench.expect_equal((code, errors), (0, ""), f"millrace's part: {output}")
    done = jobs_of(path).backfill("hourly", *DAYS)
    bench.expect({status for _, status in labels(done)} == {"succeeded"}, f"Spark's part: {labels(done)}")
    code, _, errors = parity_lake.command(path / "theirs", "job", "backfill", "hourly", *DAYS)
    bench.expect_equal((code, errors), (0, ""), "millrace's own runs")
    bench.expect_equal(delta_files.difference(table, path / "theirs/tables/hourly"), "", "the difference after kills")
    bench.expect("fresh" in parity_lake.command(path / "data", "job", "backfill", "hourly", *DAYS)[1], "nothing is left to millrace")
    history = millrace_runs(path)
    succeeded = {row[1] for row in history if row[2] == "succeeded"}
    bench.expect_equal(len(succeeded), HOURS, "the hours with a run that succeeded")
    ended = [row for row in history if row[2] == "failed"]
    bench.expect(ended and all("the process ended during the run" in row[4] for row in ended), f"the runs that were killed: {ended[:3]}")


def dead_run(name):
    """A lake with a run of Spark that committed and died before it could say so."""
    path = lake(name)
    process = driver(path, "die", "run", str(path / "pipeline.yaml"), "daily", "2025-10-21", claim_seconds=1)
    bench.expect_equal(process.wait(), 9, f"the driver's end: {(path / 'driver.log').read_text()[-2000:]}")
    bench.expect(b'"add"' in logs(path / "data/tables/daily"), "the run has committed")
    time.sleep(1)
    return path


def test_spark_tells_that_a_dead_run_succeeded():
    path = dead_run("handover_dead_spark")
    jobs_of(path).run("daily", "2025-10-21")
    bench.expect_equal([row[1:] for row in millrace_runs(path)], [("2025-10-21", "succeeded", 5, None)] * 2, "the history")


def test_millrace_tells_that_a_dead_run_of_spark_succeeded():
    path = dead_run("handover_dead_millrace")
    code, _, errors = parity_lake.command(path / "data", "job", "run", "daily", "2025-10-22")
    bench.expect_equal((code, errors), (0, ""), "millrace's run of another day")
    rows = [row[1:] for row in millrace_runs(path) if row[1] == "2025-10-21"]
    bench.expect_equal(rows, [("2025-10-21", "succeeded", 5, None)], "the history")


if __name__ == "__main__":
    bench.main([test for name, test in list(globals().items()) if name.startswith("test_")])
