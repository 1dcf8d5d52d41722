"""Runs of a job: claims partitions, computes them, judges them and replaces them in one commit, as millrace does."""

import os
import re
import time
from collections import Counter

from . import compute, job_plan, judge
from .delta import Conflict, Table, has_folder
from .duck import spark_schema, spark_to_duck
from .errors import Refused, missing_module
from .marks import Marks
from .partition import Partition, parse, parse_range
from .runs import Keeper, Run, Runs, now

GROUP_MAX = 128
CONFLICTS_MAX = 10


class Lake:
    """The tables of a pipeline, in a folder. `begins`: there may be none yet."""

    def __init__(self, spark, pipeline, data=None, begins=False):
        self.spark, self.pipeline = spark, pipeline
        if pipeline.lake:
            self.folder = pipeline.lake if "://" in pipeline.lake else str(pipeline.file.parent / pipeline.lake)
        elif data:
            self.folder = (str(data) if "://" in str(data) else os.path.abspath(data)).rstrip("/") + "/tables"
        else:
            raise Refused("where are the tables? give --data DIR, the data folder of millrace, or write `lake: s3://…` into the file")
        if not begins and not has_folder(spark, self.folder):
            what = "the file's `lake:`" if pipeline.lake else f"--data {data}"
            raise Refused(f"there are no tables at {self.folder}: {what} is not where millrace keeps them, or it never ran there")

    def table(self, name):
        return Table(self.spark, f"{self.folder}/{name}")

    def schemas(self, job):
        """Columns of the tables that are there and that the job can name, those of other jobs included."""
        texts = [job.sql.text, *(side.text for pair in job.reconcile for side in pair)]
        texts += [check.sql.text if check.sql else check.table for check in job.checks]
        words = {word for text in texts for word in re.findall(r"\w+", text.lower())}
        found = {}
        for name in (*self.pipeline.tables, *self.pipeline.jobs):
            table = self.table(name)
            if name in words and name != job.name and table.exists():
                found[name] = [(field.name, spark_to_duck(field.dataType)) for field in table.snapshot().schema.fields]
        return found


class Jobs:
    """The jobs of a pipeline file on one Spark session."""

    def __init__(self, spark, pipeline, data=None, tell=print):
        self.spark, self.pipeline, self.tell = spark, pipeline, tell
        self.lake = Lake(spark, pipeline, data)

    def plan(self, name):
        job = self.pipeline.jobs.get(name)
        if job is None:
            from .errors import did_you_mean

            known = ", ".join(self.pipeline.jobs) or "none"
            raise Refused(
                f"there is no job '{name}' in {self.pipeline.file.name}{did_you_mean(name, self.pipeline.jobs)}; its jobs: {known}"
            )
        return job_plan.plan(self.pipeline, job, self.lake.schemas(job))

    def run(self, name, text=None):
        """One partition, or all of a job without `each`, fresh or not. Gives its run, in a list."""
        plan = self.plan(name)
        if plan.job.each and text is None:
            raise Refused(
                f"which {plan.job.each}? `run {name} {'2026-11-20' if plan.job.each == 'day' else '2026-11-20T02'}`, or a backfill"
            )
        if text is not None and not plan.job.each:
            raise Refused(f"the job '{name}' has no partitions: leave '{text}' out")
        partition = parse(plan.job.each, text, self.pipeline.zone) if plan.job.each else Partition("")
        return Work(self, plan, "manual").run([partition])

    def backfill(self, name, first, last):
        """All stale partitions of a range. Gives their runs."""
        plan = self.plan(name)
        if not plan.job.each:
            raise Refused(f"the job '{name}' has no partitions: `run {name}`")
        partitions = parse_range(plan.job.each, first, last, self.pipeline.zone)
        return Work(self, plan, "backfill").run(partitions, only_stale=True)


class Work:
    """Runs of one job."""

    def __init__(self, jobs, plan, trigger, runs=None):
        self.spark, self.plan, self.trigger, self.tell = jobs.spark, plan, trigger, jobs.tell
        self.lake, self.pipeline = jobs.lake, jobs.pipeline
        self.marks = Marks(self.pipeline.name, plan)
        each = [plan.job.each] if plan.job.each else []
        self.output = self.lake.table(plan.job.name).create(spark_schema(plan.columns), each)
        self.check_columns()
        self.runs = runs or Runs(self.spark, self.lake.folder, self.pipeline.name)

    def check_columns(self):
        there = [(field.name, spark_to_duck(field.dataType)) for field in self.output.snapshot().schema.fields]
        ours = [
            (column.name, column.text.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ").replace("JSON", "VARCHAR"))
            for column in self.plan.columns
        ]
        if Counter(there) == Counter(ours):
            return
        raise Refused(
            f"the columns of table '{self.plan.job.name}' are {', '.join(map(' '.join, there))}, and the SQL gives "
            f"{', '.join(map(' '.join, ours))}; a new column is added by millrace itself: run the job there once",
            self.plan.job.sql.place,
        )

    def pin(self):
        """All that is read, at one version each."""
        names = {one.table for one in self.plan.inputs} | set(self.plan.views)
        pinned = {name: self.lake.table(name).snapshot() for name in sorted(names)}
        pinned[self.plan.job.name] = self.output.snapshot()
        return pinned

    def run(self, partitions, only_stale=False):
        if only_stale:
            pinned = self.pin()
            output = pinned[self.plan.job.name]
            partitions = [one for one in partitions if self.marks.is_stale(output, one, pinned)]
        size = GROUP_MAX if compute.is_divided_by_partition(self.plan) else 1
        done = []
        with Keeper(self.runs):
            for at in range(0, len(partitions), size):
                done += self.run_group(partitions[at : at + size], only_stale)
        return done

    def run_group(self, partitions, only_stale):
        runs = [Run(self.plan.job.name, one, self.trigger) for one in partitions]
        claimed, taken = self.runs.claim(runs)
        for run, why in taken.items():
            run.status, run.error = "skipped", why
        try:
            pinned = self.pin()
            if only_stale:
                fresh = [run for run in claimed if not self.marks.is_stale(pinned[self.plan.job.name], run.partition, pinned)]
                self.runs.finish(fresh, with_rows=False)
                claimed = [run for run in claimed if run not in fresh]
                runs = [run for run in runs if run not in fresh]
            if claimed:
                self.attempt(claimed)
        finally:
            for run in claimed:
                run.ended_at = now()
            self.runs.note_checks(claimed)
            self.runs.finish(claimed)
        for run in runs:
            self.tell(
                f"{run.job} {run.partition.label}: {run.status}"
                + (f", {run.rows} rows" if run.status == "succeeded" else f": {run.error}")
            )
        return runs

    def attempt(self, runs):
        """Until they are replaced, or failed in a way that stays."""
        attempts, conflicts, pause = 1, 0, self.plan.job.wait
        while True:
            started = time.monotonic()
            try:
                return self.replace(runs)
            except Conflict as conflict:
                conflicts += 1
                if conflicts >= CONFLICTS_MAX:
                    return self.fail(runs, str(conflict))
            except Refused as error:
                return self.fail(runs, str(error))
            except Exception as error:  # of Spark: a disk, an executor, or the SQL within a task
                said = in_task(error)
                if said or attempts >= self.plan.job.attempts:
                    return self.fail(runs, f"{self.plan.job.sql.place}: {said}" if said else str(error)[:2000])
                attempts += 1
                time.sleep(pause)
                pause *= 2
            finally:
                for run in runs:
                    run.seconds += time.monotonic() - started
                    run.attempt = attempts

    @staticmethod
    def fail(runs, why):
        for run in runs:
            run.status, run.error = "failed", why

    def replace(self, runs):
        pinned = self.pin()
        change = self.output.begin()
        partitions = [run.partition for run in runs]
        files = change.write(compute.frame_of(self.spark, self.plan, pinned, partitions))
        good = list(runs)
        try:
            if judge.has_judges(self.plan):
                good = self.judged(runs, change.read_files(files), pinned)
            kept = [one for one in files if self.is_of(one, good)]
            change.discard([one for one in files if one not in kept])
            if not good:
                return
            rows = Counter()
            for one in kept:
                rows[self.value_of(one)] += one.numPhysicalRecords().get() if one.numPhysicalRecords().isDefined() else 0
            each = self.plan.job.each
            change.remove_partitions([{each: run.partition.value} for run in good] if each else None)
            for run in good:
                self.marks.move(change, run.partition, pinned)
                run.rows = rows[run.partition.value]
            if not self.runs.are_held(good):
                raise Refused("the claim of the run expired and was taken by another process")
            change.add(kept)
            change.commit("Overwrite", self.predicate(good), {"runs": {run.run_id: run.rows for run in good}})
        except BaseException:
            change.discard(files)
            raise
        for run in good:
            run.status, run.error = "succeeded", ""

    def value_of(self, file):
        if not self.plan.job.each:
            return ""
        value = file.partitionValues().get(self.plan.job.each)
        return value.get() if value.isDefined() else ""

    def is_of(self, file, runs):
        return self.value_of(file) in {run.partition.value for run in runs}

    def predicate(self, runs):
        from .sql_text import string

        each = self.plan.job.each
        if not each:
            return None
        values = [string(run.partition.value) for run in runs]
        return f"{each} = {values[0]}" if len(values) == 1 else f"{each} IN ({', '.join(values)})"

    def judged(self, runs, fresh, pinned):
        """Those whose judges have passed; the others have failed."""
        plan = self.plan
        partitions = [run.partition for run in runs]
        others = None
        if plan.is_in_order:
            others = pinned[plan.job.name].read()
            if plan.job.each:
                kept = f"{plan.job.each} <> {partitions[0].literal.replace('TIMESTAMPTZ', 'TIMESTAMP')}"
                others = others.where(kept)
            else:
                others = None
        history = [
            {
                check.name: self.runs.values_before(plan.job.name, check.name, run.partition, check.runs)
                for check in plan.job.checks
                if check.kind == "drift"
            }
            for run in runs
        ]
        rows = judge.judge(self.spark, plan, pinned, partitions, fresh, others, history, now())
        good = []
        for at, run in enumerate(runs):
            run.checks = [row for row in rows if row["_p"] == at]
            errors = [row["error"] for row in run.checks if row["error"]]
            if errors:
                run.status, run.error = "failed", errors[0]
            else:
                good.append(run)
        return good


def in_task(error):
    """What was said within a task and stays so: by DuckDB, or of the node's Python. Nothing if it was something else."""
    text = str(error)
    if missing := re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", text):
        return missing_module(missing[1], "for the tasks")
    if refused := re.search(r"millrace_spark\.errors\.Refused: (.*)", text):
        return refused[1]
    found = re.search(r"_?duckdb\.(\w+Exception|\w*Error): (.*)", text)
    if not found or found[1] in ("OutOfMemoryException", "IOException"):
        return ""
    from .duck import told

    return told(found[2])[0]
