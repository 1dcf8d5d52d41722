"""The script of a Glue job is `from millrace_spark.glue import main` and `main()`. Millrace gives its arguments, `--millrace_job` and
so on; others are Glue's own and left alone. `--env_NAME VALUE` sets a variable that the pipeline file names."""

import os
import sys
import tempfile

from . import command, order, pipeline
from .delta import spark_path

WANTED = ("job", "run", "partitions", "fingerprint", "file")


def arguments(words):
    """`--name value` and `--name=value`, whatever else stands there."""
    found = {}
    for at, word in enumerate(words):
        if not word.startswith("--"):
            continue
        name, has_value, value = word[2:].partition("=")
        if not has_value and at + 1 < len(words):
            value = words[at + 1]
        found[name] = value
    return found


class Options:
    """What `millrace-spark order` has."""

    def __init__(self, given):
        missing = [f"--millrace_{name}" for name in WANTED if f"millrace_{name}" not in given]
        if missing:
            raise SystemExit(f"millrace-spark: this job is started by millrace (`engine: glue`); it lacks {', '.join(missing)}")
        for name in WANTED:
            setattr(self, name, given[f"millrace_{name}"])
        # Where the file has no `lake:`, as in a test.
        self.fingerprint, self.data = int(self.fingerprint), given.get("millrace_data")


def local(spark, file):
    """A file on S3 as one here."""
    if "://" not in file:
        return file
    path = spark._jvm.org.apache.hadoop.fs.Path(spark_path(file))
    copy = os.path.join(tempfile.mkdtemp(prefix="millrace_"), path.getName())
    system = path.getFileSystem(spark._jsc.hadoopConfiguration())
    system.copyToLocalFile(False, path, spark._jvm.org.apache.hadoop.fs.Path(copy), True)
    return copy


def main(words=None):
    """What fails is raised: Glue shows its text as the run's error, and millrace reads it there."""
    given = arguments(sys.argv[1:] if words is None else words)
    for name, value in given.items():
        if name.startswith("env_"):
            os.environ[name[len("env_") :]] = value
    options = Options(given)
    spark = command.prepared(command.session())
    runs = order.run(spark, pipeline.read(local(spark, options.file)), options)
    failed = [f"{run.partition.label}: {run.error}" for run in runs if run.status != "succeeded"]
    if failed:
        raise RuntimeError(f"millrace: {len(failed)} of {len(runs)} runs failed; {'; '.join(failed[:3])}"[:2000])
