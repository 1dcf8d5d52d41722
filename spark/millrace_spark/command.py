"""The command line: `millrace-spark validate|run|backfill FILE …`, and the same as arguments of a Glue job."""

import argparse
import json
import os
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
        ("stream", "make tables of topics of Kafka, until it is stopped"),
        ("order", "what millrace starts for `engine: spark`: partitions that it has claimed"),
    ):
        one = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        one.add_argument("file", help="the pipeline file")
        if name == "validate":
            one.add_argument("--stream", action="store_true", help="and what of its tables cannot be made by `stream`")
        if name in ("run", "backfill", "order"):
            one.add_argument("job")
        if name == "stream":
            one.add_argument("table", nargs="*", help="by default all that are made of a topic")
            one.add_argument("--once", action="store_true", help="what is in the topics now, then end")
            patience = "how long brokers that went away are waited for"
            one.add_argument("--patience", type=float, default=600, metavar="SECONDS", help=patience)
        if name == "run":
            one.add_argument("partition", nargs="?", help="2026-11-20, 2026-11-20T02")
        if name == "backfill":
            one.add_argument("first")
            one.add_argument("last")
        if name == "validate":
            one.add_argument("--json", action="store_true", help="what is wrong as a list of {message, place}")
        if name == "order":
            one.add_argument("--run", required=True)
            one.add_argument("--partitions", required=True, help="2026-11-01..2026-11-20,2026-11-22")
            one.add_argument("--fingerprint", required=True, type=int)
        one.add_argument("--data", help="the data folder of millrace, unless the file says `lake:`")
    return top


def session():
    try:
        from pyspark.sql import SparkSession
    except ModuleNotFoundError:
        raise Refused(
            "there is no Spark here: call it with spark-submit, or `pip install pyspark` of the cluster's version"
        ) from None
    builder = SparkSession.builder.appName("millrace")
    # Settings that must not stand on a command line.
    for key, value in json.loads(os.environ.pop("MILLRACE_SPARK_CONF", "{}")).items():
        builder = builder.config(key, value)
    return SparkSession.getActiveSession() or builder.getOrCreate()


def prepared(spark):
    """A session that can do what is needed: Delta is there, and the tasks have this package."""
    from . import delta, ship

    delta.prepare(spark)
    ship.ship(spark)
    return spark


def act(options):
    """Gives the exit code."""
    from . import pipeline

    if options.command == "validate" and options.json:
        return validate_as_json(options.file)
    made = pipeline.read(options.file)
    if options.command == "validate":
        from . import stream_plan, validate

        problems = validate.problems(made)
        if options.stream and not problems:
            stream_plan.streams(made)
        if problems:
            raise Problems(problems)
        print(f"{options.file}: fine for Spark: {len(made.jobs)} jobs, {len(made.tables)} tables")
        return 0
    if options.command == "stream":
        return stream(made, options)
    if options.command == "order":
        from . import order

        runs = order.run(prepared(session()), made, options)
        return 0 if all(run.status == "succeeded" for run in runs) else 1
    from .job_run import Jobs

    jobs = Jobs(prepared(session()), made, options.data)
    if options.command == "run":
        runs = jobs.run(options.job, options.partition)
    else:
        runs = jobs.backfill(options.job, options.first, options.last)
        if not runs:
            print(f"{options.job}: every partition from {options.first} to {options.last} is fresh")
    return 0 if all(run.status == "succeeded" for run in runs) else 1


def stream(made, options):
    from .kafka_topic import Unreachable
    from .stream_run import Streams
    from .stream_table_log import Fenced

    streams = Streams(prepared(session()), made, options.data, options.table, tell=lambda text: print(text, flush=True))
    try:
        streams.run(options.once, options.patience)
    except KeyboardInterrupt:
        return 0
    except (Unreachable, Fenced, RuntimeError) as error:
        print(f"millrace-spark: {error}", file=sys.stderr)
        return 1
    return 0


def validate_as_json(file):
    from . import pipeline, validate

    try:
        problems = validate.problems(pipeline.read(file))
    except Problems as found:
        problems = found.errors
    except Refused as error:
        problems = [error]
    print(json.dumps([{"message": one.message, "place": str(one.place or "")} for one in problems]))
    return 2 if problems else 0


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
