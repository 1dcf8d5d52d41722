"""What is wrong with a call, a cluster or a node: one line that says the mend, and exit code 2 (1 if a run failed)."""

import contextlib
import io
import os
import pathlib
import subprocess
import sys

import bench
import handover

from millrace_spark import command, delta
from millrace_spark.errors import Refused

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
}


def called(*words):
    """(exit code, what stands in the errors) of the command line, in this process."""
    errors, output = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(output):
        try:
            code = command.main([str(word) for word in words])
        except SystemExit as end:  # of argparse
            code = end.code
    return code, errors.getvalue()


def expect_refusal(answer, text, code=2):
    """One line, with this text."""
    bench.expect_equal(answer[0], code, f"the exit code with {answer[1]!r}")
    bench.expect(text in answer[1], f"{text!r} is not told: {answer[1]!r}")
    bench.expect(answer[1].startswith("millrace-spark: ") and answer[1].count("\n") == 1, f"not one line: {answer[1]!r}")


def test_a_wrong_call_is_one_line():
    path = handover.lake("bad_input")
    bench.session()
    file, data = path / "pipeline.yaml", path / "data"
    for words, text in (
        (("run", file, "daily", "2025-10-21"), "where are the tables? give --data DIR"),
        (("run", file, "daily", "2025-10-21", "--data", path / "nowhere"), "nowhere is not where millrace keeps them"),
        (("run", file, "daly", "2025-10-21", "--data", data), "there is no job 'daly' in pipeline.yaml; did you mean 'daily'?"),
        (("run", file, "daily", "2025-13-21", "--data", data), "'2025-13-21' is not a day like 2026-11-20"),
        (("run", file, "daily", "yesterday", "--data", data), "'yesterday' is not a day"),
        (("run", file, "hourly", "2025-10-21T02:30", "--data", data), "is not the start of an hour"),
        (("run", file, "daily", "0001-01-01", "--data", data), "'0001-01-01' is not a day"),
        (("run", file, "daily", "--data", data), "which day?"),
        (("backfill", file, "daily", "2025-10-22", "2025-10-21", "--data", data), "swap them"),
        (("backfill", file, "daily", "1700-01-01", "2025-10-21", "--data", data), "more than 100000 partitions"),
        (("run", path / "none.yaml", "daily", "2025-10-21", "--data", data), "the pipeline file cannot be read"),
    ):
        expect_refusal(called(*words), text)
    code, errors = called("run", file)
    bench.expect(code == 2 and "usage:" in errors, "a missing word is told with the usage")


def test_a_table_that_is_not_there_is_told_with_its_place():
    path = handover.lake("bad_tables")
    bench.session()
    text = handover.PIPELINE.replace("FROM checked WHERE day", "FROM daily WHERE day").replace("  daily:\n", "  dayly:\n")
    (path / "other.yaml").write_text(text)
    answer = called("run", path / "other.yaml", "dayly", "2025-10-21", "--data", path / "data")
    expect_refusal(answer, "there is no table 'daily'; did you mean 'dayly'?")
    bench.expect(f"{path / 'other.yaml'}:" in answer[1], answer[1])


def fresh(code, *words, jars=(), conf=DELTA, environment=None, python=sys.executable):
    """(exit code, our lines among the errors; without one all that was said) of a process of its own, with a Spark of its own."""
    arguments = ["--master local[1]", "--driver-memory 600m", "--conf spark.ui.enabled=false"]
    arguments += [f"--conf {key}={value}" for key, value in conf.items()] + ([f"--jars {','.join(jars)}"] if jars else [])
    environment = {**os.environ, "PYSPARK_SUBMIT_ARGS": " ".join([*arguments, "pyspark-shell"]), **(environment or {})}
    done = subprocess.run(
        [python, "-c", code, *map(str, words)], env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    ours = "".join(line + "\n" for line in done.stderr.splitlines() if line.startswith("millrace-spark: "))
    return done.returncode, ours or done.stdout + done.stderr


MAIN = "import sys; from millrace_spark.command import main; sys.exit(main(sys.argv[1:]))"


def words_of(path):
    return "run", path / "pipeline.yaml", "daily", "2025-10-21", "--data", path / "data"


def test_spark_without_delta_is_told():
    path = handover.lake("bad_spark")
    expect_refusal(fresh(MAIN, *words_of(path), conf={}), "there is no Delta Lake for this Spark ")
    expect_refusal(fresh(MAIN, *words_of(path), conf={}, jars=bench.jars()), "Delta Lake is there, but not switched on")


def test_an_old_spark_is_told():
    class Old:
        version = "3.4.4"

    try:
        delta.prepare(Old())
    except Refused as error:
        bench.expect("this is Spark 3.4.4; Spark 3.5 with Delta Lake 3.3 is the oldest" in str(error), str(error))
    else:
        bench.expect(False, "Spark 3.4.4 is taken")


def without(path, module, version=None):
    """A folder that hides a Python package, or gives it another version; first in PYTHONPATH."""
    folder = path / f"without_{module}_{version}"
    folder.mkdir()
    if version:
        (folder / f"{module}.py").write_text(f"__version__ = '{version}'\nError = Exception\n")
    else:
        text = f"raise ModuleNotFoundError(\"No module named '{module}'\", name='{module}')\n"
        (folder / f"{module}.py").write_text(text)
    return str(folder)


def test_a_driver_without_a_package_is_told():
    path = handover.lake("bad_driver")
    for module, package in (("duckdb", "duckdb==1.5.5"), ("yaml", "pyyaml"), ("xxhash", "xxhash"), ("pyspark", "pip install pyspark")):
        # xxhash is asked for last, by then Spark runs.
        places = os.pathsep.join([without(path, module), os.environ["PYTHONPATH"]])
        answer = fresh(MAIN, *words_of(path), jars=bench.jars(), environment={"PYTHONPATH": places})
        expect_refusal(answer, package)
    places = os.pathsep.join([without(path, "duckdb", "1.4.0"), os.environ["PYTHONPATH"]])
    answer = fresh(MAIN, "validate", path / "pipeline.yaml", environment={"PYTHONPATH": places})
    expect_refusal(answer, "duckdb 1.4.0 is installed; the pipeline's SQL means what 1.5.5 makes of it: pip install duckdb==1.5.5")


def test_a_node_without_duckdb_is_told():
    path = handover.lake("bad_node")
    missing, wrong = "the Python package duckdb==1.5.5 is not installed for the tasks", "duckdb 1.4.0 is installed"
    for version, text in ((None, missing), ("1.4.0", wrong)):
        conf = {**DELTA, "spark.executorEnv.PYTHONPATH": without(path, "duckdb", version)}
        code, said = fresh(MAIN, *words_of(path), conf={**conf, "spark.log.level": "OFF"}, jars=bench.jars())
        bench.expect_equal(code, 1, f"the exit code with {said[-2000:]}")
        bench.expect("daily 2025-10-21: failed: " in said and text in said and "Traceback" not in said, said[-3000:])


def test_a_run_that_fails_ends_with_1():
    path = handover.lake("bad_rows")
    bench.session()
    wrong = "sum(CAST(k AS DECIMAL(12,2))) AS total FROM checked WHERE day"
    text = handover.PIPELINE.replace("sum(amount) AS total FROM checked WHERE day", wrong)
    (path / "other.yaml").write_text(text)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = command.main(["run", str(path / "other.yaml"), "daily", "2025-10-21", "--data", str(path / "data")])
    bench.expect_equal(code, 1, "the exit code")
    bench.expect("2025-10-21: failed: " in output.getvalue() and "Could not convert string" in output.getvalue(), output.getvalue())
    bench.expect(pathlib.Path(path / "other.yaml").name in output.getvalue(), "the place is told")


if __name__ == "__main__":
    bench.main([test for name, test in list(globals().items()) if name.startswith("test_")])
