"""Runs that millrace starts with a real spark-submit: one for a whole backfill, recorded once; killed and refused ones; Glue's script."""

import json
import os
import pathlib
import subprocess
import sys
import time

import bench
from harness.millrace import BINARY, Millrace

from millrace_spark import command, glue, pipeline
from millrace_spark.delta import Table
from millrace_spark.partition import parse
from millrace_spark.runs import Run, Runs

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
    commit: {every: 100ms}
engines:
  spark:
    submit: ./submit
    master: local[2]
    python: PYTHON
    conf:
      SETTINGS
      spark.hadoop.test.password: "${TEST_PASSWORD}"
jobs:
  daily:
    each: day
    engine: spark
    sql: SELECT customer, count(*) AS orders, sum(amount) AS total FROM sales WHERE day = $day GROUP BY ALL
    expect:
      few: {rows: {max: 3}}
    retry: {attempts: 2, wait: 0s}
  by_customer:
    engine: spark
    distribute_by: customer
    sql: SELECT customer, max(amount) AS most FROM sales GROUP BY customer
"""
DAYS = [f"2026-11-{day}" for day in range(10, 15)]
PASSWORD = "hunter2 and more"


def write_pipeline(path, text=PIPELINE):
    settings = {**bench.SETTINGS, "spark.jars": ",".join(bench.jars())}
    lines = "\n      ".join(f"{key}: {json.dumps(value)}" for key, value in settings.items())
    (path / "shop.yaml").write_text(text.replace("SETTINGS", lines).replace("PYTHON", sys.executable))


def shop(path, text=PIPELINE, before=""):
    """Millrace with orders of some days; each start of Spark is a line of `path/starts`."""
    write_pipeline(path, text)
    submit = pathlib.Path(sys.executable).parent / "spark-submit"
    (path / "submit").write_text(f'#!/bin/sh\necho "$$ $@" >> {path}/starts\n{before}\nexec {submit} "$@"\n')
    (path / "submit").chmod(0o755)
    program = Millrace(path, "shop.yaml", environment={"TEST_PASSWORD": PASSWORD}).start()
    lines = [
        json.dumps({"id": f"{day}-{n}", "customer": f"c{n}", "amount": f"{n}.50", "ts": f"{day}T12:00:00Z"})
        for at, day in enumerate(DAYS)
        for n in range(4 if at == 2 else 3)
    ]
    program.send("orders", "\n".join(lines).encode())
    program.settle()
    return program


def starts(path):
    return (path / "starts").read_text().splitlines() if (path / "starts").exists() else []


def ask(program, *words):
    done = subprocess.run(
        [BINARY, *words, "--data", str(program.data)], env=program.environment, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout + done.stderr


def history(program, job="daily"):
    rows = program.query(
        "SELECT \"partition\", status, \"trigger\", rows, coalesce(error, '') "
        f"FROM _runs WHERE job = '{job}' ORDER BY started_at, \"partition\", ended_at"
    )
    return [tuple(map(str, row)) for row in rows]


def test_a_backfill_is_one_run_of_spark():
    path = bench.folder("started")
    with shop(path) as program:
        code, told = ask(program, "job", "backfill", "daily", DAYS[0], DAYS[-1])
        bench.expect_equal(len(starts(path)), 1, f"the starts of Spark ({told})")
        bench.expect("--partitions 2026-11-10..2026-11-14 " in starts(path)[0], starts(path)[0])
        log = (program.data / "engine" / "daily.log").read_text(errors="replace")
        for text in (starts(path)[0], told, log, program.log.read_text()):
            bench.expect(PASSWORD not in text, "the password is shown")
        # One day has a row too many, and only that one fails.
        runs = history(program)
        bench.expect_equal([run[:3] for run in runs], [(day, "failed" if day == DAYS[2] else "succeeded", "backfill") for day in DAYS],
                           f"the runs ({told}\n{log[-3000:]})")
        bench.expect("few" in runs[2][4] and code == 1, f"the reason: {runs[2]}, exit code {code}")
        checks = program.query("SELECT \"partition\", outcome FROM _checks ORDER BY ALL")
        bench.expect_equal([tuple(row) for row in checks], [(day, "failed" if day == DAYS[2] else "passed") for day in DAYS], "the checks")
        rows = program.query("SELECT day, count(*), sum(orders), sum(total) FROM daily GROUP BY ALL ORDER BY ALL")
        theirs = program.query("SELECT day, count(DISTINCT customer), count(*), sum(amount) FROM sales WHERE day <> '2026-11-12' "
                               "GROUP BY ALL ORDER BY ALL")
        bench.expect_equal(rows, theirs, "the table")
        # Millrace finds the others fresh.
        states = {one["partition"]: one["state"] for one in program.json("GET", "/v1/jobs?job=daily")["jobs"][0]["partitions"]}
        bench.expect_equal(states, {day: "failed" if day == DAYS[2] else "fresh" for day in DAYS}, "the partitions")
        code, told = ask(program, "job", "run", "by_customer")
        bench.expect_equal(code, 0, f"the run by customer ({told})")
        bench.expect_equal(len(program.query("SELECT * FROM by_customer")), 4, "its rows")
        bench.expect_equal([run[:4] for run in history(program, "by_customer")], [("all", "succeeded", "manual", "4")], "its run")
        ask(program, "job", "run", "by_customer")
        bench.expect_equal(len(starts(path)), 3, "the starts of Spark: a run that is asked for is one more")
        program.stop()


def test_a_changed_file_and_a_kill_are_told():
    path = bench.folder("started_changed")
    with shop(path) as program:
        write_pipeline(path, PIPELINE.replace("count(*) AS orders", "2 * count(*) AS orders"))
        code, told = ask(program, "job", "run", "daily", DAYS[0])
        bench.expect(code == 1 and "is not the one that millrace runs" in told, f"the file was changed: {code} {told}")
        write_pipeline(path)
        begun = subprocess.Popen([BINARY, "job", "run", "daily", DAYS[1], "--data", str(program.data)], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        program.wait_for("Spark is started once more", lambda: len(starts(path)) == 2)
        process = int(starts(path)[1].split()[0])
        time.sleep(3)
        program.kill()
        begun.wait(60)
        deadline = time.monotonic() + 20
        while pathlib.Path(f"/proc/{process}/fd").exists() and os.access(f"/proc/{process}/exe", os.R_OK):
            bench.expect(time.monotonic() < deadline, "Spark outlived millrace")
            time.sleep(0.1)
        program.start()
        runs = history(program)
        bench.expect_equal(runs[1][:2] + runs[1][4:], (DAYS[1], "failed", "the process ended during the run"), "the run that was killed")
        code, told = ask(program, "job", "run", "daily", DAYS[1])
        bench.expect_equal(code, 0, f"the run after it ({told})")
        bench.expect_equal([run[:2] for run in history(program)], [(DAYS[0], "failed"), (DAYS[1], "failed"), (DAYS[1], "succeeded")],
                           "the runs")
        bench.expect_equal(str(program.query("SELECT count(*) FROM daily")[0][0]), "3", "the rows")
        program.stop()


def test_validate_says_what_spark_cannot_run():
    path = bench.folder("started_validate")
    for sql, message in (
        ("SELECT customer, max(amount) AS most FROM sales GROUP BY customer", ""),
        ("SELECT max(amount) AS most FROM sales", "distribute_by"),
        ("SELECT customer, count(*) AS n FROM sales GROUP BY customer ORDER BY n LIMIT 3", "distribute_by"),
    ):
        text = PIPELINE.replace("SELECT customer, max(amount) AS most FROM sales GROUP BY customer", sql)
        write_pipeline(path, text)
        environment = {**os.environ, "TEST_PASSWORD": PASSWORD}
        words = [BINARY, "validate", "--engine", "spark", str(path / "shop.yaml"), "--output", "json"]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
        errors = json.loads(done.stdout)["errors"]
        os.environ["TEST_PASSWORD"] = PASSWORD
        from millrace_spark import validate

        theirs = [(one.message, str(one.place)) for one in validate.problems(pipeline.read(path / "shop.yaml"))]
        bench.expect_equal([(one["message"], one["place"]) for one in errors], theirs, f"what is wrong with {sql}")
        bench.expect_equal((done.returncode, bool(errors)), (2, True) if message else (0, False), f"the verdict of {sql}")
        bench.expect(message in str(errors), f"{message} is missing in {errors}")
        bench.expect(all(one["place"].startswith(f"{path}/shop.yaml:") for one in errors), f"the places: {errors}")


def test_the_script_of_a_glue_job():
    """As Glue calls it, among arguments of its own, on claims that millrace would hold."""
    path = bench.folder("started_glue")
    with shop(path) as program:
        program.stop()
    os.environ.pop("TEST_PASSWORD", None)
    spark = command.prepared(bench.session())
    made = pipeline.read(path / "shop.yaml")
    from millrace_spark.job_run import Jobs

    jobs = Jobs(spark, made, path / "data")
    fingerprint = str(jobs.plan("daily").fingerprint)
    runs = Runs(spark, str(path / "data" / "tables"), "shop")
    claimed, _ = runs.claim([Run("daily", parse("day", day, made.zone), "manual") for day in DAYS])
    bench.expect_equal(len(claimed), len(DAYS), "the claims")
    order = ["job.py", "--JOB_NAME", "nightly", "--millrace_job", "daily", "--millrace_run", "t1/2", "--enable-metrics",
             "--millrace_partitions", "2026-11-10..2026-11-12,2026-11-14", "--millrace_file", str(path / "shop.yaml"),
             "--env_TEST_PASSWORD=x", "--TempDir", "s3://t/", "--millrace_data", str(path / "data"), "--millrace_fingerprint"]
    for given, message in ((fingerprint, "1 of 4 runs failed; 2026-11-12: "), ("1", "is not the one that millrace runs")):
        try:
            glue.main([*order, given])
            bench.expect(False, "it did not fail")
        except Exception as error:
            bench.expect(message in str(error), f"{message!r} is missing in {error!r}")
        told = json.loads((path / "data" / "tables" / "_engine" / "t1.json").read_text())
        if "runs" in told:
            bench.expect_equal([(run["run_id"], run["status"]) for run in told["runs"]],
                               [(f"t1-{day}", "failed" if day == DAYS[2] else "succeeded") for day in (*DAYS[:3], DAYS[4])], "what is told")
    bench.expect("is not the one" in told["error"], str(told))
    table = Table(spark, str(path / "data" / "tables" / "daily"))
    said = [action["commitInfo"]["tags"]["millrace"] for _, actions in table.history() for action in actions
            if "millrace" in (action.get("commitInfo", {}).get("tags") or {})]
    bench.expect_equal(json.loads(said[0])["runs"], {f"t1-{day}": 3 for day in (DAYS[0], DAYS[1], DAYS[4])}, "the runs of the commit")
    try:
        glue.main(["job.py", "--JOB_NAME", "nightly"])
        bench.expect(False, "it did not refuse a call without an order")
    except SystemExit as refused:
        bench.expect("it lacks --millrace_job" in str(refused), str(refused))


if __name__ == "__main__":
    bench.main(
        [
            test_a_backfill_is_one_run_of_spark,
            test_a_changed_file_and_a_kill_are_told,
            test_validate_says_what_spark_cannot_run,
            test_the_script_of_a_glue_job,
        ]
    )
