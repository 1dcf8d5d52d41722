"""The tables `_runs` and `_checks`: who computes a partition, how it went, and what its judges found. docs/jobs.md, "A run"."""

import datetime
import itertools
import threading
import uuid

from .delta import Conflict, Table
from .errors import Refused
from .partition import UTC, format_time
from .sql_text import string

RUNS = (
    "run_id string, job string, `partition` string, status string, attempt int, rows bigint, started_at timestamp, ended_at timestamp, "
    "duration_ms bigint, error string, trigger string"
)
CHECKS = (
    "run_id string, job string, `partition` string, `check` string, kind string, outcome string, value double, detail string, "
    "checked_at timestamp"
)
CLAIM_TIME = datetime.timedelta(minutes=5)
HISTORY_MAX = 1000
COMMITS_MAX = 200
TRIES_MAX = 30


def now():
    return datetime.datetime.now(UTC)


def micros(time):
    return (time - datetime.datetime(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(microseconds=1)


class Run:
    """One run of a partition, with its claim."""

    def __init__(self, job, partition, trigger):
        self.started_at = now()
        self.run_id = self.started_at.strftime("%Y%m%dT%H%M%SZ-") + uuid.uuid4().hex[:8]
        self.job, self.partition, self.trigger = job, partition, trigger
        self.value = 0  # of the claim
        self.status, self.attempt, self.rows, self.error, self.seconds, self.ended_at = "failed", 1, 0, "", 0.0, None
        self.checks = []

    def row(self):
        is_done = self.status == "succeeded"
        return (
            self.run_id,
            self.job,
            self.partition.label,
            self.status,
            self.attempt,
            self.rows if is_done else None,
            self.started_at,
            self.ended_at or now(),
            int(self.seconds * 1000),
            self.error or None,
            self.trigger,
        )


class Runs:
    """The history and the claims. Claims of this process are renewed by a thread until they are given back."""

    def __init__(self, spark, folder, pipeline):
        self.spark, self.folder, self.pipeline = spark, folder, pipeline
        self.table = Table(spark, folder + "/_runs").create(RUNS, [])
        self.checks = Table(spark, folder + "/_checks").create(CHECKS, [])
        self.lock = threading.Lock()
        self.held = []

    def app_id(self, run):
        return f"millrace/{self.pipeline}/{run.job}/{run.partition.label}/claim"

    def claim(self, runs):
        """Those that it got, and a text for each that somebody else has."""
        for _ in range(TRIES_MAX):
            change, got, taken, ended = self.table.begin(), [], {}, []
            time = now()
            for run in runs:
                before = change.position(self.app_id(run))
                if before is not None and before % 2:
                    until = datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(microseconds=before // 2)
                    if until > time:
                        taken[run] = f"another process runs it, its claim expires at {format_time(until)}"
                        continue
                    ended.append((self.app_id(run), before))
                run.value = self.value_for(time + CLAIM_TIME, before)
                change.move(self.app_id(run), run.value)
                got.append(run)
            if not got:
                return got, taken
            change.add(change.write(self.frame(self.abandoned(ended)))) if ended else None
            try:
                change.commit("Append", said={"claims": [self.told(run) for run in got]})
            except Conflict:
                continue
            with self.lock:
                self.held += got
            return got, taken
        raise Refused("others changed `_runs` again and again while a claim was tried", self.table.root)

    @staticmethod
    def value_for(expiry, before):
        value = micros(expiry) * 2 + 1
        if before is None or before < value:
            return value
        return before + 2 if before % 2 else before + 1

    def told(self, run):
        return {
            "app_id": self.app_id(run),
            "value": run.value,
            "run_id": run.run_id,
            "job": run.job,
            "partition": run.partition.label,
            "trigger": run.trigger,
            "started_at": format_time(run.started_at),
            "engine": "spark",
        }

    def abandoned(self, ended):
        """Rows of runs whose processes ended without writing one; what they committed stands in the history of their tables."""
        told, committed = {}, {}
        for _, actions in itertools.islice(self.table.history(), HISTORY_MAX if ended else 0):
            for claim in said_in(actions or []).get("claims", []):
                told[claim["app_id"], claim["value"]] = claim
            if all(one in told for one in ended):
                break
        return [self.abandoned_row(app_id, value, told.get((app_id, value)), committed) for app_id, value in ended]

    def abandoned_row(self, app_id, value, claim, committed):
        why = "the process ended during the run"
        if claim is None:
            _, _, job, label, _ = app_id.split("/", 4)
            return (f"{value}", job, label, "failed", 1, None, now(), now(), 0, why, "manual")
        job, run_id = claim["job"], claim["run_id"]
        if job not in committed:
            committed[job] = self.committed_runs(job)
        rows, started = committed[job].get(run_id), datetime.datetime.fromisoformat(claim["started_at"].replace("Z", "+00:00"))
        status, error = ("failed", why) if rows is None else ("succeeded", None)
        took = int((now() - started).total_seconds() * 1000)
        return (run_id, job, claim["partition"], status, 1, rows, started, now(), took, error, claim["trigger"])

    def committed_runs(self, job):
        """run id -> rows that it committed, as far as the history of its table tells."""
        table, found = Table(self.spark, f"{self.folder}/{job}"), {}
        for _, actions in itertools.islice(table.history() if table.exists() else (), COMMITS_MAX):
            found.update(said_in(actions or []).get("runs", {}))
        return found

    def frame(self, rows):
        return self.spark.createDataFrame(rows, RUNS).coalesce(1)

    def finish(self, runs, with_rows=True):
        """Gives the claims back, and writes the rows. Claims that went to others are left alone."""
        with self.lock:
            self.held = [run for run in self.held if run not in runs]
        for _ in range(TRIES_MAX):
            change = self.table.begin()
            own = [run for run in runs if change.position(self.app_id(run)) == run.value]
            if not own:
                return
            if with_rows:
                change.add(change.write(self.frame([run.row() for run in own])))
            for run in own:
                change.move(self.app_id(run), run.value + 1)
            try:
                change.commit("Append")
                return
            except Conflict:
                continue

    def renew(self):
        """Claims that are still ours last longer; a run that lost its claim is told by `are_held`."""
        with self.lock:
            change = self.table.begin()
            own = [run for run in self.held if change.position(self.app_id(run)) == run.value]
            self.held = own
            if not own:
                return
            values = {run: self.value_for(now() + CLAIM_TIME, run.value) for run in own}
            for run, value in values.items():
                change.move(self.app_id(run), value)
            told = [{**self.told(run), "value": value} for run, value in values.items()]
            try:
                change.commit("Append", said={"claims": told})
            except Conflict:
                return  # there is still time until they expire
            for run, value in values.items():
                run.value = value

    def are_held(self, runs):
        with self.lock:  # they are not renewed meanwhile
            snapshot = self.table.snapshot()
            return all(snapshot.position(self.app_id(run)) == run.value for run in runs)

    def note_checks(self, runs):
        rows = [
            (run.run_id, run.job, run.partition.label, one["check"], one["kind"], one["outcome"], one["value"], one["detail"], now())
            for run in runs
            for one in run.checks
        ]
        if not rows:
            return
        change = self.checks.begin()
        change.add(change.write(self.spark.createDataFrame(rows, CHECKS).coalesce(1)))
        change.commit("Append")

    def values_before(self, job, check, partition, count):
        """The last values of a check before, of other partitions, newest first."""
        self.checks.snapshot().read().createOrReplaceTempView("_millrace_checks")
        rows = self.spark.sql(
            "SELECT value FROM (SELECT *, row_number() OVER (PARTITION BY `partition` ORDER BY checked_at DESC) AS _n "
            "FROM _millrace_checks "
            f"WHERE job = {string(job)} AND `check` = {string(check)} AND `partition` <> {string(partition.label)}) "
            f"WHERE _n = 1 AND outcome <> 'failed' AND value IS NOT NULL ORDER BY `partition` DESC LIMIT {count}"
        ).collect()
        return [row[0] for row in rows]


class Keeper:
    """Renews the claims while a block runs."""

    def __init__(self, runs):
        self.runs, self.stop = runs, threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        while not self.stop.wait(CLAIM_TIME.total_seconds() / 3):
            try:
                self.runs.renew()
            except Exception as error:  # it is tried again; the claim expires if it stays so
                print(f"millrace: a claim could not be renewed: {error}", flush=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def said_in(actions):
    """What millrace, or this package, says of a commit."""
    import json

    for action in actions:
        info = action.get("commitInfo")
        if info is None:
            continue
        if "millrace" in info:
            return info["millrace"]
        try:
            return json.loads((info.get("tags") or {}).get("millrace") or "{}")
        except ValueError:
            return {}
    return {}
