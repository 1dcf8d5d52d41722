"""Runs that millrace asked for. It has claimed the partitions and writes `_runs` and `_checks` itself, so that one process writes
them; here the partitions are computed and committed. How each run went is told in `_engine/TOKEN.json` beside the tables."""

import json
import os

from .delta import spark_path
from .errors import Refused
from .job_run import Jobs, Work
from .partition import Partition, parse_range
from .runs import Runs, micros, now


class Told:
    """The file that millrace reads and removes."""

    def __init__(self, spark, folder, token):
        self.spark, self.path = spark, f"{folder}/_engine/{token}.json"

    def write(self, said):
        text = json.dumps(said).encode()
        if "://" not in self.path:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            with open(self.path + ".new", "wb") as file:
                file.write(text)
            os.replace(self.path + ".new", self.path)
            return
        path = self.spark._jvm.org.apache.hadoop.fs.Path(spark_path(self.path))
        stream = path.getFileSystem(self.spark._jsc.hadoopConfiguration()).create(path, True)
        try:
            stream.write(text)
        finally:
            stream.close()


class OrderedRuns(Runs):
    """Claims are held, and rows written, by who gave the order."""

    def __init__(self, spark, folder, pipeline, token):
        super().__init__(spark, folder, pipeline)
        self.token, self.told = token, Told(spark, folder, token)
        self.done = []

    def claim(self, runs):
        for run in runs:
            run.run_id = f"{self.token}-{run.partition.label}"
        return runs, {}

    def are_held(self, runs):
        snapshot = self.table.snapshot()
        values = [snapshot.position(self.app_id(run)) for run in runs]
        return all(value is not None and value % 2 == 1 and value // 2 > micros(now()) for value in values)

    def renew(self):
        pass

    def note_checks(self, runs):
        pass

    def finish(self, runs, with_rows=True):
        self.done += runs
        self.told.write({"runs": [said_of(run) for run in self.done]})


def said_of(run):
    keys = ("check", "kind", "outcome", "value", "detail")
    return {
        "run_id": run.run_id,
        "partition": run.partition.label,
        "status": run.status,
        "attempt": run.attempt,
        "duration_ms": int(run.seconds * 1000),
        "error": run.error,
        "checks": [{key: one[key] for key in keys} for one in run.checks],
    }


def partitions_of(each, text, zone):
    """`2026-11-01..2026-11-20,2026-11-22`"""
    if not each:
        return [Partition("")]
    found = []
    for part in text.split(","):
        first, _, last = part.partition("..")
        found += parse_range(each, first, last or first, zone)
    return found


def run(spark, pipeline, options):
    """Gives the runs. Errors: Refused, which is told too."""
    jobs = Jobs(spark, pipeline, options.data)
    token = options.run.partition("/")[0]
    try:
        plan = jobs.plan(options.job)
        if plan.fingerprint != options.fingerprint:
            raise Refused(
                f"the job '{options.job}' in {pipeline.file} is not the one that millrace runs: the file was changed on one side; "
                "restart millrace, or bring the file here"
            )
        work = Work(jobs, plan, "manual", OrderedRuns(spark, jobs.lake.folder, pipeline.name, token))
        return work.run(partitions_of(plan.job.each, options.partitions, pipeline.zone))
    except Refused as error:
        Told(spark, jobs.lake.folder, token).write({"error": str(error)})
        raise
