"""Runs the streams of a pipeline file: Spark's Structured Streaming gives micro-batches, and each is one commit of each table.

Where a table stands is known from the table alone. Spark's checkpoint lives as long as the query: a start reads the positions of the
tables and begins there.
"""

import datetime
import json
import pathlib
import shutil
import tempfile
import time

from . import kafka_topic, stream_plan
from .compute import memory_of
from .delta import Conflict
from .errors import Refused
from .job_run import Lake, in_task
from .kafka_topic import Topic, Unreachable, is_unreachable
from .stream_table_log import Fenced, Rejects, StreamTable
from .stream_task import COUNTS, REJECT, ROW, SUMMARY, Decoding, TableWork, Task, spark_schema

RECORDS_MAX = 5_000_000  # of a micro-batch
TRIES_MAX = 20
RETRY_SECONDS = 5
LOOKS_MAX = 3
LOST = ("data may have been lost", "DATA_LOSS", "OffsetOutOfRange", "data loss")


class Streams:
    """The tables of a pipeline file that are made of topics, on one Spark session."""

    def __init__(self, spark, pipeline, data=None, tables=(), tell=print):
        self.spark, self.pipeline, self.tell = spark, pipeline, tell
        kafka_topic.prepare(spark)
        self.lake = Lake(spark, pipeline, data, begins=True)
        self.streams = [Query(self, one) for one in stream_plan.streams(pipeline, spark, tables)]

    def run(self, once=False, patience=600.0):
        """Until it is stopped; `once`: what is there now. Brokers that do not answer are waited for, `patience` seconds long, once all
        has begun. Errors: Refused, Fenced, Unreachable, and what Spark says."""
        for query in self.streams:
            query.begin()
        try:
            for query in self.streams:
                query.start(once)
            waiting = list(self.streams)
            while waiting:
                for query in list(waiting):
                    if query.is_over(once, patience):
                        waiting.remove(query)
        finally:
            for query in self.streams:
                query.stop()


class Query:
    """One source with its tables."""

    def __init__(self, streams, stream):
        self.streams, self.spark, self.pipeline = streams, streams.spark, streams.pipeline
        self.source, self.plans, self.options = stream.source, stream.plans, stream.options
        self.topic = Topic(self.spark, self.source, self.options)
        self.rejects = Rejects(streams.lake, self.pipeline)
        self.tables = [StreamTable(streams.lake, self.pipeline, plan, self.rejects) for plan in self.plans]
        self.query, self.error, self.trouble_since, self.checkpoint, self.incarnation = None, None, None, None, ""
        self.lookups, self.works = self.prepared()

    def prepared(self):
        """The lookups, each sent once, and what tasks know of the tables."""
        import pyarrow as pa

        from . import duck

        lookups, works, sent = [], [], {}
        for plan in self.plans:
            used = []
            for lookup, column in plan.lookups:
                if lookup.name not in sent:
                    sink = pa.BufferOutputStream()
                    with pa.ipc.new_stream(sink, lookup.rows.schema) as out:
                        out.write_table(lookup.rows)
                    sent[lookup.name] = len(lookups)
                    lookups.append((lookup.key, self.spark.sparkContext.broadcast(sink.getvalue().to_pybytes())))
                used.append((column, sent[lookup.name]))
            expectations = [(one.name, one.check.text, one.otherwise) for one in plan.table.expectations]
            works.append(
                TableWork(
                    plan.table.name,
                    plan.table.source,
                    plan.input,
                    plan.select,
                    plan.checks,
                    expectations,
                    used,
                    duck.arrow_schema(plan.columns),
                    {},
                )
            )
        return lookups, works

    def decoding(self):
        source = self.source
        skips = "tombstones" in source.entries and source.entries["tombstones"].text() == "skip"
        return Decoding(
            source.name,
            self.incarnation,
            source.schema,
            source.format,
            source.unknown_fields,
            source.delimiter,
            source.null_text,
            source.event_time or "",
            skips,
        )

    # Where the tables stand.

    def begin(self):
        """Reads where the tables stand, and notes where they begin."""
        for _ in range(TRIES_MAX):
            try:
                return self.resume()
            except Conflict:
                continue
        raise Refused("others began with this source again and again", self.source.place)

    def resume(self):
        snapshots = [table.check() for table in self.tables]
        self.incarnation = self.life(snapshots)
        for table in self.tables:
            self.rejects.roll_forward(table.name, table.table)
        snapshots = [table.resume(self.incarnation) for table in self.tables]
        cluster, oldest, end = self.look()
        self.check_topic(snapshots, cluster, oldest, end)
        self.cluster, self.starts = cluster, {}
        missing = {partition for partition in oldest for table in self.tables if partition not in table.positions}
        begins = self.begins(missing, oldest, end)
        for table in self.tables:
            starts = {partition: begins[partition] for partition in sorted(missing) if partition not in table.positions}
            if starts:
                table.begin_at(starts, cluster)
        for partition in oldest:
            self.starts[partition] = min(table.positions[partition] for table in self.tables)

    def look(self):
        """As the brokers say, once they say enough: one that has just become a partition's leader may be behind for a moment."""
        for _ in range(LOOKS_MAX):
            found = self.topic.look()
            ends = found[2]
            positions = [one for table in self.tables for one in table.positions.items()]
            if all(partition in ends and position <= ends[partition] for partition, position in positions):
                break
            time.sleep(1)
        return found

    def life(self, snapshots):
        """The topic's life that the tables know, or the first."""
        lives, own = set(), self.topic.topic + "-"
        for table, snapshot in zip(self.tables, snapshots):
            found = table.lives(snapshot)
            mine = {int(one[len(own) :]) for one in found if one.startswith(own) and one[len(own) :].isdigit()}
            if found and not mine:
                raise Refused(
                    f"table '{table.name}' has read another '{self.source.name}' before ({sorted(found)[0]}), not the topic "
                    f"'{self.topic.topic}'. If that is meant, `millrace run --accept-new-source` lets it read the new one",
                    self.source.place,
                )
            lives |= mine
        return f"{own}{max(lives, default=1)}"

    def begins(self, missing, oldest, end):
        """Where partitions begin for a table that has no position there: src/source/kafka_source.cpp, begin_of."""
        if not missing:
            return {}
        start = self.source.entries["start"].text() if "start" in self.source.entries else "earliest"
        stands = {partition: [table.positions[partition] for table in self.tables if partition in table.positions] for partition in missing}
        is_first = not any(table.positions for table in self.tables)
        first = dict(oldest)
        if is_first and start == "latest":
            first = dict(end)
        elif is_first and start != "earliest":
            millis = int(datetime.datetime.fromisoformat(start.replace("Z", "+00:00")).timestamp() * 1000)
            found = self.topic.offsets_at(sorted(missing), millis)
            first = {partition: end[partition] if found.get(partition) is None else found[partition] for partition in missing}
        return {partition: min(stands[partition]) if stands[partition] else first[partition] for partition in missing}

    def check_topic(self, snapshots, cluster, oldest, end):
        """That it is the topic which was read: docs/formats/kafka_source.md, "Marks"."""
        for table, snapshot in zip(self.tables, snapshots):
            for partition, position in table.positions.items():
                if partition not in end:
                    raise self.made_anew(f"it has {len(end)} partitions, and partition {partition} was read")
                if position > end[partition]:
                    raise self.made_anew(f"partition {partition} ends at offset {end[partition]}, and was read up to {position}")
                if position < oldest[partition]:
                    raise self.lost(f"partition {partition} from offset {position} on; it begins at {oldest[partition]} there")
                self.check_mark(table.mark(snapshot, partition), partition, cluster)

    def check_mark(self, mark, partition, cluster):
        if mark is None or mark[0] < 0:
            return
        offset, millis, value, known = mark
        if cluster and known and cluster != known:
            raise self.made_anew("it is a topic of another cluster")
        found = self.topic.record(partition, offset)
        if found is not None and found != (millis, value):
            raise self.made_anew(f"at offset {offset} of partition {partition} is another record than was read there")

    def made_anew(self, why):
        return Refused(
            f"source '{self.source.name}': the topic '{self.topic.topic}' was deleted and made anew, or its brokers lost records: {why}. "
            "`millrace run --accept-new-source` lets the tables keep their rows and read it from its start; Spark goes on from there"
        )

    def lost(self, what):
        return Refused(
            f"source '{self.source.name}': records of the topic '{self.topic.topic}' that were not read are no longer retained: {what}. "
            "`millrace run --accept-lost-records` goes on behind them; Spark goes on from there"
        )

    # Micro-batches.

    def start(self, once):
        self.stop()
        self.checkpoint = pathlib.Path(tempfile.mkdtemp(prefix="millrace_stream_"))
        self.ends = dict(self.starts)
        options = {
            **self.options,
            "startingOffsets": json.dumps({self.topic.topic: {str(partition): offset for partition, offset in self.starts.items()}}),
            "failOnDataLoss": "true",
            "maxOffsetsPerTrigger": self.spark.conf.get("spark.millrace.recordsPerBatch", str(RECORDS_MAX)),
            "kafka.allow.auto.create.topics": "false",
        }
        records = self.spark.readStream.format("kafka").options(**options).load()
        every = min(table.plan.table.commit_seconds for table in self.tables)
        trigger = {"availableNow": True} if once else {"processingTime": f"{max(int(every * 1000), 100)} milliseconds"}
        self.error = None
        self.query = (
            records.select("partition", "offset", "timestamp", "key", "value")
            .writeStream.queryName(f"{self.pipeline.name}/{self.source.name}")
            .option("checkpointLocation", self.checkpoint.as_uri())
            .foreachBatch(self.take)
            .trigger(**trigger)
            .start()
        )

    def stop(self):
        if self.query is not None and self.query.isActive:
            self.query.stop()
        if self.checkpoint:
            shutil.rmtree(self.checkpoint, ignore_errors=True)
        self.query, self.checkpoint = None, None

    def is_over(self, once, patience):
        """Waits a little. Errors: what cannot be mended by waiting."""
        if self.query is None:
            return self.started_again(once, patience)
        try:
            if not self.query.awaitTermination(1):
                return False
            return True
        except Exception as error:
            said = self.error or error
        self.stop()
        text = str(said)
        if isinstance(said, (Refused, Fenced)):
            raise said
        if any(word in text for word in LOST):
            raise self.lost(text.strip().splitlines()[0][:300])
        if not isinstance(said, Unreachable) and not is_unreachable(text):
            if failed := in_task(said):
                raise RuntimeError(f"{self.source.name}: {failed}") from None
            raise said
        self.trouble_since = time.monotonic()
        self.streams.tell(f"{self.source.name}: the brokers do not answer; it is tried again for {patience:.0f} s")
        return False

    def started_again(self, once, patience):
        """After the brokers were away: from where the tables stand."""
        time.sleep(RETRY_SECONDS)
        try:
            self.begin()
        except Unreachable:
            if time.monotonic() - self.trouble_since > patience:
                raise
            return False
        self.streams.tell(f"{self.source.name}: the brokers answer again")
        self.start(once)
        return False

    def take(self, frame, number):
        """One micro-batch, called by Spark."""
        try:
            self.process(frame, number)
        except BaseException as error:
            self.error = error
            raise

    def offsets(self, number):
        """partition -> the offset behind the micro-batch, as Spark noted before it began."""
        lines = (self.checkpoint / "offsets" / str(number)).read_text().splitlines()
        return {int(partition): offset for partition, offset in json.loads(lines[-1])[self.topic.topic].items()}

    def process(self, frame, number):
        ends = self.offsets(number)
        for partition in sorted(set(ends) - set(self.ends)):
            self.add_partition(partition)
        moved = {partition: until for partition, until in ends.items() if until > self.ends[partition]}
        if not moved:
            return
        self.check_proofs(moved)
        for table, work in zip(self.tables, self.works):
            work.positions = dict(table.positions)
        task = Task(self.pipeline.timezone, memory_of(self.spark), self.decoding(), self.works, self.lookups)
        schemas = [self.spark_fields(plan) for plan in self.plans]
        made = frame.mapInArrow(task, spark_schema(schemas)).persist()
        try:
            found = self.summaries(made)
            for at, table in enumerate(self.tables):
                rows = made.where(f"_t = {at} AND _k = {ROW}").select(f"_s{at}.*")
                rejects = made.where(f"_t = {at} AND _k = {REJECT}").select("_r.*")
                counts = table.take(moved, found.get(at, {}), rows, rejects, self.cluster)
                self.rejects.roll_forward(table.name, table.table)
                if counts:
                    self.streams.tell(f"{table.name}: {counts['rows']} rows, {counts['rejected']} rejects of {counts['records']} records")
        finally:
            made.unpersist()
        self.ends.update(moved)

    @staticmethod
    def spark_fields(plan):
        from . import duck

        return ",".join(f"{duck.spark_name(column.name)}:{duck.spark_type(column.kind)}" for column in plan.columns)

    @staticmethod
    def summaries(made):
        """table -> partition -> counts, added up."""
        found = {}
        for line in made.where(f"_k = {SUMMARY}").select("_t", "_c.*").collect():
            one = line.asDict()
            there = found.setdefault(one["_t"], {}).setdefault(one["shard"], dict(one))
            if there == one:
                continue
            for count in COUNTS:
                there[count] += one[count]
            if one["last_offset"] > there["last_offset"]:
                there.update({key: one[key] for key in ("last_offset", "last_millis", "last_hash")})
            events = [event for event in (there["newest_event"], one["newest_event"]) if event is not None]
            there["newest_event"] = max(events, default=None)
        return found

    def check_proofs(self, moved):
        for table in self.tables:
            snapshot = table.table.snapshot()
            for partition in moved:
                self.check_mark(table.mark(snapshot, partition), partition, self.cluster)

    def add_partition(self, partition):
        """It was added while the query runs: read from its start."""
        _, oldest, _ = self.topic.look()
        for table in self.tables:
            if partition not in table.positions:
                table.begin_at({partition: oldest[partition]}, self.cluster)
        self.ends[partition] = oldest[partition]
