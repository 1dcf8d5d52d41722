"""The wheel in an environment of its own, and spark-submit with the script of docs/how_to/run_on_spark.md."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig

import bench
import delta_files
import handover
import parity_lake

SCRIPT = "from millrace_spark.command import main\nraise SystemExit(main())\n"


def wheel(path):
    # The build leaves folders beside the sources, so it gets a copy of them.
    shutil.copytree(bench.ROOT / "spark", path / "sources")
    words = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(path), str(path / "sources")]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)
    found = list(path.glob("*.whl"))
    bench.expect_equal([one.name for one in found], ["millrace_spark-0.1.0-py3-none-any.whl"], "what was built")
    return found[0]


def environment(path):
    """A Python that has the wheel, and what it depends on from where the tests have it."""
    python = path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", str(path / "venv")], check=True)
    subprocess.run([python, "-m", "pip", "install", "--no-deps", "--no-index", wheel(path)], check=True, capture_output=True)
    packages = next((path / "venv/lib").glob("python*/site-packages"))
    (packages / "depends.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


def variables(python):
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return {**kept, "PYSPARK_PYTHON": str(python), "PYSPARK_DRIVER_PYTHON": str(python)}


def run(path, python, *words):
    done = subprocess.run(
        [str(word) for word in words],
        env=variables(python),
        cwd=path,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout, done.stderr


def submit_words(spark_home):
    """The call of the docs page, with jars that are here in place of those that Spark fetches."""
    page = (bench.ROOT / "docs/how_to/run_on_spark.md").read_text()
    text = re.search(r"    spark-submit(?:.*\\\n)+.*\n", page)[0].replace("\\\n", " ")
    words = text.split()
    at = words.index("--packages")
    words[at : at + 2] = ["--jars", ",".join(bench.jars())]
    words[0] = str(spark_home / "bin/spark-submit")
    return words


def test_the_wheel_runs_by_spark_submit_and_as_a_command():
    path = handover.lake("submit")
    python = environment(path)
    code, output, errors = run(path, python, path / "venv/bin/millrace-spark", "validate", "pipeline.yaml")
    bench.expect_equal((code, errors), (0, ""), "validate")
    bench.expect("fine for Spark: 3 jobs, 1 tables" in output, output)
    import pyspark

    (path / "job.py").write_text(SCRIPT)
    page = (bench.ROOT / "docs/how_to/run_on_spark.md").read_text()
    bench.expect(all(line in page for line in SCRIPT.splitlines()), "the page shows another script")
    words = submit_words(pathlib.Path(pyspark.__file__).parent)
    words[words.index("job.py") :] = ["job.py", "backfill", "pipeline.yaml", "daily", "2025-10-21", "2025-10-22", "--data", "data"]
    words[1:1] = ["--master", "local[2]", "--driver-memory", "1g", "--conf", "spark.ui.enabled=false"]
    code, output, errors = run(path, python, *words)
    bench.expect_equal(code, 0, f"spark-submit's exit code with {output} {errors[-3000:]}")
    bench.expect("daily 2025-10-22: succeeded, 5 rows" in output, output)
    code, output, _ = parity_lake.command(path / "data", "job", "backfill", "daily", "2025-10-21", "2025-10-22")
    bench.expect("fresh" in output, "millrace has nothing to do")
    bench.expect_equal(len(delta_files.DeltaFiles(path / "data/tables/daily").files), 2, "the files of two days")
    words[words.index("daily")] = "dayly"
    code, output, errors = run(path, python, *words)
    bench.expect_equal(code, 2, f"the exit code for a job that is not there: {errors[-2000:]}")
    bench.expect("did you mean 'daily'?" in output + errors, output[-2000:])  # spark-submit puts both together


if __name__ == "__main__":
    bench.main([test_the_wheel_runs_by_spark_submit_and_as_a_command])
