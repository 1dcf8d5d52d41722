"""The example of orders: millrace takes them in, Spark computes the day, each goes on where the other stopped."""

import shutil
import subprocess

import bench
import parity
from harness.millrace import BINARY

from millrace_spark import pipeline
from millrace_spark.job_run import Jobs

START = "2026-11-20T20:00:00Z"  # so that some are of the next day in Berlin
DAYS = ("2026-11-20", "2026-11-21")


def lake(path):
    """Orders of two days in millrace's tables, and its own results of them beside."""
    shutil.copytree(bench.ROOT / "examples" / "orders", path / "orders")
    with bench.millrace(path / "orders", "orders.yaml", data="../data") as program:
        subprocess.run(
            [BINARY, "generate", "orders", "--count", "600", "--rate", "0.04", "--start", START, "--to", str(path / "records")],
            check=True,
            capture_output=True,
        )
        program.send("orders", (path / "records").read_bytes())
        program.catch_up()
        program.stop()
    shutil.copytree(path / "data", path / "theirs")
    for day in DAYS:
        code, _, errors = Program(path / "theirs")("job", "run", "daily_sales", day)
        bench.expect_equal((code, errors), (0, ""), f"millrace's run of {day}")


class Program:
    """Commands of millrace on a data folder."""

    def __init__(self, data):
        self.data = data

    def __call__(self, *words):
        done = subprocess.run([BINARY, *words, "--data", str(self.data)], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr


def test_a_day_of_orders_by_spark_is_that_of_millrace():
    path = bench.folder("smoke")
    lake(path)
    spark = bench.session()
    jobs = Jobs(spark, pipeline.read(path / "orders" / "orders.yaml"), path / "data", tell=lambda _: None)
    runs = jobs.backfill("daily_sales", *DAYS)
    bench.expect_equal(
        [(str(run.partition), run.status, run.error) for run in runs], [(day, "succeeded", "") for day in DAYS], "the runs"
    )
    bench.expect(all(run.rows > 10 for run in runs), "there are customers on both days")
    difference = bench.difference(spark, path / "data/tables/daily_sales", path / "theirs/tables/daily_sales")
    bench.expect_equal(difference, "", "the difference of daily_sales")
    bench.expect_equal(jobs.backfill("daily_sales", *DAYS), [], "what is left to do")
    # Millrace finds nothing to do, and its history has Spark's runs.
    program = Program(path / "data")
    code, output, _ = program("job", "backfill", "daily_sales", *DAYS)
    bench.expect("fresh" in output and code == 0, f"millrace runs again what Spark ran: {output}")
    _, output, _ = program("query", "SELECT partition || status || rows FROM _runs ORDER BY ALL")
    bench.expect(all(f"{run.partition}succeeded{run.rows}" in output for run in runs), f"the runs are missing in {output}")
    code, _, errors = program("job", "run", "daily_sales", DAYS[0])
    bench.expect_equal((code, errors), (0, ""), "millrace's run over Spark's")
    bench.expect_equal(
        bench.difference(spark, path / "data/tables/daily_sales", path / "theirs/tables/daily_sales"), "", "the difference then"
    )


if __name__ == "__main__":
    bench.main([parity.test_what_cannot_run_on_spark_is_refused_with_its_place, test_a_day_of_orders_by_spark_is_that_of_millrace])
