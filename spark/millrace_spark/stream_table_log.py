"""Where a stream's tables stand, and how a micro-batch gets into them: positions, counts and marks beside the rows, as millrace writes
them (docs/formats/lake.md). Rejects are decided by the table's commit, and `_rejects` follows."""

import datetime
import json

from .delta import Conflict, Table
from .errors import Refused
from .runs import said_in
from .stream_task import COUNTS, REJECTS

EPOCH = datetime.datetime(1970, 1, 1)
HISTORY_LOOKED = 200
IDLE_VERSIONS = 50
TRIES_MAX = 10


class Fenced(Exception):
    """Another process writes to the table: it stands elsewhere."""


class StreamTable:
    """One table at work. `positions`: partition -> where it stands, as we know."""

    def __init__(self, lake, pipeline, plan, rejects):
        from .duck import spark_schema

        self.pipeline, self.plan, self.name, self.rejects = pipeline, plan, plan.table.name, rejects
        self.source = plan.source.name
        self.table = lake.table(self.name).create(spark_schema(plan.columns), plan.table.partition_by)
        self.prefix = f"millrace/{pipeline.name}/{self.name}/{self.source}/"
        self.positions, self.newest_events, self.incarnation = {}, {}, ""

    def app_id(self, partition):
        return f"{self.prefix}{self.incarnation}/{partition}"

    def check(self):
        """That the table is ours, and has our columns."""
        from .duck import spark_to_duck

        snapshot = self.table.snapshot()
        there = {field.name: spark_to_duck(field.dataType) for field in snapshot.schema.fields}
        ours = {column.name: plain(column.text) for column in self.plan.columns}
        if there != ours:
            raise Refused(
                f"the columns of table '{self.name}' are {told(there)}, and the SQL gives {told(ours)}; a new column is added by millrace "
                "itself: run it there once",
                self.plan.table.sql.place,
            )
        apps = [app.split("/") for app in snapshot.positions() if app.startswith("millrace/")]
        owners = {parts[1] for parts in apps if parts[2:3] == [self.name]}
        if owners and self.pipeline.name not in owners:
            other = sorted(owners)[0]
            raise Refused(
                f"table '{self.name}' was written by the pipeline '{other}', and this one is '{self.pipeline.name}': it would read its "
                f"sources again from their beginning. Let the file say `pipeline: {other}`"
            )
        return snapshot

    def lives(self, snapshot):
        """The lives of the source that the table has positions of."""
        found = set()
        for app in snapshot.positions():
            parts = app[len(self.prefix) :].split("/") if app.startswith(self.prefix) else []
            if len(parts) == 2 and not parts[0].startswith("replay-") and parts[1].isdigit():
                found.add(parts[0])
        return found

    def resume(self, incarnation):
        """Takes up each partition where the table stands."""
        self.incarnation = incarnation
        snapshot = self.table.snapshot()
        start = f"{self.prefix}{incarnation}/"
        self.positions = {
            int(app[len(start) :]): value
            for app, value in snapshot.positions().items()
            if app.startswith(start) and app[len(start) :].isdigit()
        }
        self.newest_events = self.noted_events()
        return snapshot

    def noted_events(self):
        found = {}
        for at, (_, actions) in enumerate(self.table.history()):
            if at == HISTORY_LOOKED:
                break
            for app, time in (said_in(actions or []).get("newest_events") or {}).items():
                found[app] = max(time, found.get(app, ""))
        return found

    def mark(self, snapshot, partition):
        """(offset, milliseconds, hash, cluster) of the last record before the position; None: there is none."""
        words = [snapshot.position(f"{self.app_id(partition)}/mark.{at}") for at in range(4)]
        return None if None in words else (words[0] - 1, *words[1:])

    def begin_at(self, starts, cluster):
        """Notes where partitions begin of which the table has no position yet."""
        change = self.table.begin()
        for partition, offset in starts.items():
            app = self.app_id(partition)
            if change.position(app) is not None:
                raise Conflict(f"another process began with partition {partition}")
            change.move(app, offset)
            for at, word in enumerate((0, 0, 0, cluster)):
                change.move(f"{app}/mark.{at}", word)
        change.commit("Append", said={"rejects": [], "counts": {}, "newest_events": {}})
        self.positions.update(starts)

    def take(self, ends, summaries, rows, rejects, cluster):
        """One commit: rows, finished reject files, positions, counts and marks. Gives what was said of it, or None: it is there already.
        Errors: Fenced."""
        change = self.table.begin()
        moved = {}
        for partition, until in ends.items():
            stands, ours = change.position(self.app_id(partition)), self.positions.get(partition)
            if stands != ours:
                raise Fenced(
                    f"table '{self.name}' stands at offset {stands} of partition {partition}, and {ours} is what was read from it: another "
                    "process reads this topic into it. Nothing of this micro-batch was committed; let one of them run"
                )
            if ours is None or until > ours:
                moved[partition] = until
        if not moved:
            return None
        totals = {count: sum(one[count] for partition, one in summaries.items() if partition in moved) for count in COUNTS}
        if totals["rows"]:
            change.add(change.write(rows))
        reject_files = self.rejects.write(rejects) if totals["rejected"] else []
        for partition, until in moved.items():
            self.move(change, partition, until, summaries.get(partition), cluster)
        said = {
            "rejects": [json.loads(one.json())["add"] for one in reject_files],
            "counts": {count: totals[count] for count in ("records", "rows", "rejected", "filtered")},
            "newest_events": self.newest_events,
        }
        try:
            change.commit("Append", said=said)
        except Conflict as error:
            raise Fenced(f"{error}. Nothing of this micro-batch was committed; let one of them run") from None
        self.positions.update(moved)
        return said["counts"]

    def move(self, change, partition, until, summary, cluster):
        """A position, with the counts and the mark beside it."""
        app, snapshot = self.app_id(partition), change.snapshot
        stood = self.positions.get(partition, 0)
        change.move(app, until)
        counts = {count: snapshot.position(f"{app}/count.{count}") or 0 for count in COUNTS}
        begun, removed = snapshot.position(f"{app}/count.from"), snapshot.position(f"{app}/count.removed")
        if begun is None or snapshot.position(f"{app}/count.until") != stood:
            counts, begun = dict.fromkeys(COUNTS, 0), stood
            if removed:
                change.move(f"{app}/count.removed", 0)
        for count in COUNTS:
            counts[count] += summary[count] if summary else 0
        for word, value in {"from": begun, "until": until, **counts}.items():
            there = snapshot.position(f"{app}/count.{word}")
            if there != value and (there is not None or value or word == "from"):
                change.move(f"{app}/count.{word}", value)
        if not summary:
            return
        for at, word in enumerate((summary["last_offset"] + 1, summary["last_millis"], summary["last_hash"], cluster)):
            change.move(f"{app}/mark.{at}", word)
        if summary["newest_event"] is not None:
            time = (EPOCH + datetime.timedelta(microseconds=summary["newest_event"])).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            self.newest_events[app] = max(time, self.newest_events.get(app, ""))


def plain(text):
    return text.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ").replace("JSON", "VARCHAR")


def told(columns):
    return ", ".join(f"{column} {kind}" for column, kind in columns.items())


class Rejects:
    """The table `_rejects`. Files are written into it before anybody names them; it takes in those that the tables' commits name."""

    def __init__(self, lake, pipeline):
        self.pipeline = pipeline
        self.table = lake.table("_rejects").create(REJECTS + ", `headers` string", ["day"])

    def write(self, frame):
        """`headers` are never read here; a table of before has no such column."""
        from pyspark.sql.functions import lit

        change = self.table.begin()
        if "headers" in change.snapshot.schema.fieldNames():
            frame = frame.withColumn("headers", lit(None).cast("string"))
        return change.write(frame)

    def roll_forward(self, name, table):
        """Takes in what the commits of `table` name."""
        for _ in range(TRIES_MAX):
            try:
                return self._follow(f"millrace/{self.pipeline.name}/_rejects/{name}", table)
            except Conflict:
                continue
        raise Refused(f"others changed `_rejects` again and again: {self.table.root}")

    def _follow(self, app, table):
        change = self.table.begin()
        after = change.position(app)
        after, newest = -1 if after is None else after, table.snapshot().version
        files = []
        for version in range(after + 1, newest + 1):
            actions = table.actions(version)
            if actions is None:
                raise Refused(f"commits after version {after} of {table.root} are gone, and rejects with them")
            files += said_in(actions).get("rejects") or []
        if newest == after or (not files and newest - after < IDLE_VERSIONS):
            return
        change.add([change.delta.actions.Action.fromJson(json.dumps({"add": one})) for one in files])
        change.move(app, newest)
        change.commit("Append")
