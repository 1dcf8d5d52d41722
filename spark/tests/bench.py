"""What the tests of Spark share: a session, a lake that millrace made, and tables compared."""

import glob
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

import duckdb
import pyarrow as pa

from harness.millrace import Failure, Millrace

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = pathlib.Path(os.environ.get("SPARK_TEST_FOLDERS", tempfile.gettempdir() + "/millrace_spark_tests"))
# Quick to start, small, nothing beyond the loopback.
SETTINGS = {
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.log.level": "OFF",
}


def folder(name):
    """An empty one."""
    path = FOLDERS / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def jars():
    return sorted(glob.glob(os.environ["SPARK_TEST_JARS"] + "/*.jar"))


def session(**settings):
    from pyspark.sql import SparkSession

    from millrace_spark import command

    builder = SparkSession.builder.master("local[2]").appName("millrace tests").config("spark.jars", ",".join(jars()))
    for key, value in {**SETTINGS, "spark.sql.warehouse.dir": str(FOLDERS / "warehouse"), **settings}.items():
        builder = builder.config(key, value)
    return command.prepared(builder.getOrCreate())


def rows_of(spark, path, leave_out=()):
    """A Delta table as Arrow."""
    frame = spark.read.format("delta").load(str(path)).drop(*leave_out)
    batches = frame._collect_as_arrow()
    from millrace_spark import duck

    columns = [duck.Column(field.name, duckdb.type(duck.spark_to_duck(field.dataType))) for field in frame.schema.fields]
    return frame.schema.simpleString(), pa.Table.from_batches(batches, batches[0].schema if batches else duck.arrow_schema(columns))


def difference(spark, ours, theirs, leave_out=()):
    """What two Delta tables do not share; nothing if they have the same columns, types and rows."""
    (our_types, one), (their_types, other) = rows_of(spark, ours, leave_out), rows_of(spark, theirs, leave_out)
    if our_types != their_types:
        return f"the columns are {our_types}, not {their_types}"
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("one", one)
    connection.register("other", other)
    more = connection.execute("FROM one EXCEPT ALL FROM other LIMIT 3").fetchall()
    fewer = connection.execute("FROM other EXCEPT ALL FROM one LIMIT 3").fetchall()
    return f"too many: {more}, missing: {fewer}" if more or fewer else ""


def expect(holds, text):
    if not holds:
        raise Failure(text)


def expect_equal(actual, expected, what):
    expect(actual == expected, f"{what} is {actual!r}, not {expected!r}")


def millrace(path, pipeline, **options):
    """A millrace on a pipeline file in a folder, running."""
    return Millrace(path, pipeline, **options).start()


def main(tests):
    """Runs functions; exit code 1 if one of them fails. With arguments: those whose name has one of them in it."""
    failed = 0
    for test in tests:
        if sys.argv[1:] and not any(text in test.__name__ for text in sys.argv[1:]):
            continue
        start = time.monotonic()
        try:
            test()
            print(f"passed {test.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
        except Failure as failure:
            print(f"FAILED {test.__name__}: {str(failure)[:3000]}", flush=True)
            failed += 1
        except Exception:
            print(f"FAILED {test.__name__}: {traceback.format_exc()[-4000:]}", flush=True)
            failed += 1
    sys.stdout.flush()
    os._exit(1 if failed else 0)
