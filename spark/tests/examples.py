"""The three examples: millrace takes the records in, each of the two computes the job, and their tables are the same."""

import shutil
import subprocess

import bench
import delta_files
import parity_lake
from harness.millrace import BINARY

from millrace_spark import pipeline
from millrace_spark.job_run import Jobs

# START: so that some records are of the next day in the pipeline's zone.
START = "2025-11-20T20:00:00Z"
EXAMPLES = {
    "orders": ("orders.yaml", "daily_sales", "application/x-ndjson", ("2025-11-20", "2025-11-21")),
    "sensors": ("sensors.yaml", "hourly_averages", "application/x-ndjson", ("2025-11-20T20", "2025-11-21T03")),
    "payments": ("payments.yaml", "daily_balances", "text/csv", ("2025-11-20", "2025-11-21")),
}


def lake(path, name, count="900", rate="0.04"):
    """An example's folder, its tables with records of some hours, and the same with millrace's results beside."""
    file, job, kind, days = EXAMPLES[name]
    shutil.copytree(bench.ROOT / "examples" / name, path / name)
    with bench.millrace(path / name, file, data="../data") as program:
        subprocess.run(
            [BINARY, "generate", name, "--count", count, "--rate", rate, "--start", START, "--to", str(path / "records")],
            check=True,
            capture_output=True,
        )
        program.send(name, (path / "records").read_bytes(), content_type=kind)
        program.catch_up()
        program.stop()
    shutil.copytree(path / "data", path / "theirs")
    code, _, errors = parity_lake.command(path / "theirs", "job", "backfill", job, *days)
    bench.expect_equal((code, errors), (0, ""), f"millrace's runs of {job}")
    return path / name / file, job, days


def same_tables(name):
    path = bench.folder("example_" + name)
    file, job, days = lake(path, name)
    jobs = Jobs(bench.session(), pipeline.read(file), path / "data", tell=lambda _: None)
    runs = jobs.backfill(job, *days)
    bench.expect(all(run.status == "succeeded" for run in runs), f"{[run.error for run in runs]}")
    bench.expect(sum(run.rows for run in runs) > 100, "there is something to compare")
    bench.expect_equal(delta_files.difference(path / "data/tables" / job, path / "theirs/tables" / job), "", f"the difference of {job}")
    # As Spark reads both: folders and types are for other readers too.
    bench.expect_equal(bench.difference(bench.session(), path / "data/tables" / job, path / "theirs/tables" / job), "", "and by Spark")
    code, output, _ = parity_lake.command(path / "data", "job", "backfill", job, *days)
    bench.expect("fresh" in output and code == 0, f"millrace runs again what Spark ran: {output}")


def test_orders_by_day():
    same_tables("orders")


def test_sensors_by_hour():
    same_tables("sensors")


def test_payments_from_csv_by_day():
    same_tables("payments")


if __name__ == "__main__":
    bench.main([test_orders_by_day, test_sensors_by_hour, test_payments_from_csv_by_day])
