"""The command line: `millrace-spark validate|run|backfill FILE …`, and the same as arguments of a Glue job."""

import argparse
import sys

from . import __version__
from .errors import Problems, Refused, missing_module


def parser():
    top = argparse.ArgumentParser(
        prog="millrace-spark", description="Runs the jobs of a Millrace pipeline file on Spark.", allow_abbrev=False
    )
    top.add_argument("--version", action="version", version=f"millrace-spark {__version__}")
    commands = top.add_subparsers(dest="command", required=True)
    for name, text in (
        ("validate", "say what of the file cannot run on Spark"),
        ("run", "run one partition of a job, fresh or not"),
        ("backfill", "run the stale partitions of a range"),
    ):
        one = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        one.add_argument("file", help="the pipeline file")
        if name != "validate":
            one.add_argument("job")
        if name == "run":
            one.add_argument("partition", nargs="?", help="2026-11-20, 2026-11-20T02")
        if name == "backfill":
            one.add_argument("first")
            one.add_argument("last")
        one.add_argument("--data", help="the data folder of millrace, unless the file says `lake:`")
    return top


def session():
    try:
        from pyspark.sql import SparkSession
    except ModuleNotFoundError:
        raise Refused(
            "there is no Spark here: call it with spark-submit, or `pip install pyspark` of the cluster's version"
        ) from None
    return SparkSession.getActiveSession() or SparkSession.builder.appName("millrace").getOrCreate()


def prepared(spark):
    """A session that can do what is needed: Delta is there, and the tasks have this package."""
    from . import delta, ship

    delta.prepare(spark)
    ship.ship(spark)
    return spark


def act(options):
    """Gives the exit code."""
    from . import pipeline

    made = pipeline.read(options.file)
    if options.command == "validate":
        from . import validate

        problems = validate.problems(made)
        if problems:
            raise Problems(problems)
        print(f"{options.file}: fine for Spark: {len(made.jobs)} jobs, {len(made.tables)} tables")
        return 0
    from .job_run import Jobs

    jobs = Jobs(prepared(session()), made, options.data)
    if options.command == "run":
        runs = jobs.run(options.job, options.partition)
    else:
        runs = jobs.backfill(options.job, options.first, options.last)
        if not runs:
            print(f"{options.job}: every partition from {options.first} to {options.last} is fresh")
    return 0 if all(run.status == "succeeded" for run in runs) else 1


def main(arguments=None):
    options = parser().parse_args(arguments)
    try:
        return act(options)
    except (Refused, Problems) as error:
        print(f"millrace-spark: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"millrace-spark: {missing_module(error.name, 'here')}", file=sys.stderr)
        return 2
    except Exception as error:
        if type(error).__name__ != "Py4JJavaError":
            raise
        print(f"millrace-spark: Spark: {error.java_exception.toString().splitlines()[0]}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
