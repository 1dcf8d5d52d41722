"""What a task does with the records of a micro-batch: decodes them, and makes rows, rejects and counts of them for each table, as
src/flow/table_flow.cpp does. All of it leaves as one frame: `_t` is the table's number, `_k` what a line is."""

import dataclasses
import datetime

ROW, REJECT, SUMMARY = 0, 1, 2
GROUP_RECORDS = 50_000
GROUP_BYTES = 32 << 20
FUTURE_MICROS = 5 * 60 * 1_000_000
LAST_MILLIS = 253_402_300_799_999  # the year 9999 ends
DETAIL_BYTES_MAX = 2000
REJECTS = (
    "`day` date, `rejected_at` timestamp, `table` string, `source` string, `incarnation` string, `_shard` int, `_offset` bigint, "
    "`_received_at` timestamp, `partition_key` string, `stage` string, `reason` string, `detail` string, `raw` binary, `replay` string, "
    "`outcome` string"
)
COUNTS = ("records", "taken", "rows", "rejected", "partly", "filtered")
# Of one table and partition; what the last record was, and the newest event.
SUMMARIES = ("shard", *COUNTS, "last_offset", "last_millis", "last_hash", "newest_event")


@dataclasses.dataclass
class TableWork:
    """A table's plan on its way to the tasks, as texts and Arrow."""

    name: str
    relation: str
    input: list  # (name, type as DuckDB has it) of what the SQL reads
    select: str
    checks: str
    expectations: list  # (name, text, otherwise)
    lookups: list  # (column, index into the task's lookups)
    schema: object  # of its rows, Arrow
    positions: dict  # partition -> the offset from which on it has no rows yet


@dataclasses.dataclass
class Decoding:
    source: str
    incarnation: str
    schema: list  # (name, ColumnType)
    format: str
    unknown_fields: str
    delimiter: str
    null_text: str
    event_time: str
    skips_tombstones: bool

    def reader(self):
        from .csv_record import CsvReader
        from .json_record import JsonReader

        if self.format == "csv":
            return CsvReader(self.schema, self.unknown_fields, self.delimiter, self.null_text)
        return JsonReader(self.schema, self.unknown_fields)


def kafka_hash(key, value):
    """By which a record is known again: docs/formats/kafka_source.md."""
    import xxhash

    return max(1, xxhash.xxh3_64_intdigest(value or b"", seed=xxhash.xxh3_64_intdigest(key or b"")) >> 1)


def reject_schema():
    import pyarrow as pa

    time, text = pa.timestamp("us", "UTC"), pa.string()
    kinds = [pa.date32(), time, text, text, text, pa.int32(), pa.int64(), time, text, text, text, text, pa.binary(), text, text]
    return pa.struct([pa.field(column.split()[0].strip("`"), kind) for column, kind in zip(REJECTS.split(", "), kinds)])


def summary_schema():
    import pyarrow as pa

    return pa.struct([pa.field(name, pa.int64()) for name in SUMMARIES])


def spark_schema(tables):
    """Of the frame that leaves; `tables`: the schemas of their rows as Spark writes them."""
    summary = ",".join(f"`{name}`:bigint" for name in SUMMARIES)
    rejects = ",".join(part.replace(" ", ":", 1) for part in REJECTS.split(", "))
    rows = [f"_s{at} struct<{text}>" for at, text in enumerate(tables)]
    return ", ".join(["_t int", "_k int", f"_r struct<{rejects}>", f"_c struct<{summary}>", *rows])


class Records:
    """Some records of a micro-batch, decoded."""

    def __init__(self, decoding, reader, batches):
        import pyarrow as pa

        table = pa.Table.from_batches(batches)
        self.shards, self.offsets = table.column(0).to_pylist(), table.column(1).to_pylist()
        self.times = [micros // 1000 for micros in table.column(2).cast(pa.int64()).to_pylist()]
        self.keys, self.values = table.column(3).to_pylist(), table.column(4).to_pylist()
        self.decoding = decoding
        self.bad = []  # (index, reason, detail)
        self.newest = {}  # partition -> micros
        self.kept = [i for i, value in enumerate(self.values) if value is not None or not decoding.skips_tombstones]
        self.rows = self.decode(reader)

    def received(self, i):
        return min(max(self.times[i], 0), LAST_MILLIS) * 1000

    def decode(self, reader):
        """An Arrow table of the good ones: the declared columns and the positions."""
        import pyarrow as pa

        from . import arrow_cells
        from .cells import Misfit

        good, cells = [], []
        names = [column for column, _ in self.decoding.schema]
        event = names.index(self.decoding.event_time) if self.decoding.event_time else None
        for i in self.kept:
            try:
                row = reader.read(self.values[i] or b"")
                if event is not None and row[event] is not None:
                    self.check_event(row[event], i, names[event])
            except Misfit as error:
                self.bad.append((i, error.reason, error.detail))
                continue
            good.append(i)
            cells.append(row)
        kinds = [kind for _, kind in self.decoding.schema]
        columns = list(zip(*cells)) or [()] * (len(kinds) + (self.decoding.unknown_fields == "keep"))
        arrays = [arrow_cells.column(kind, list(values)) for kind, values in zip(kinds, columns)]
        if self.decoding.unknown_fields == "keep":
            names, arrays = [*names, "_extra"], [*arrays, pa.array(list(columns[-1]), pa.string())]
        arrays += [
            pa.array([self.shards[i] for i in good], pa.int32()),
            pa.array([self.offsets[i] for i in good], pa.int64()),
            pa.array([self.received(i) for i in good], pa.timestamp("us", "UTC")),
            pa.array(good, pa.int64()),
        ]
        return pa.Table.from_arrays(arrays, names=[*names, "_shard", "_offset", "_received_at", "_index"])

    def check_event(self, micros, i, column):
        from .cells import Misfit
        from .partition import UTC, format_time

        if micros > self.received(i) + FUTURE_MICROS:
            time = datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(microseconds=micros)
            raise Misfit(
                "from_the_future", f"field '{column}': {format_time(time)} is too long after its arrival; check the sender's clock"
            )
        shard = self.shards[i]
        self.newest[shard] = max(micros, self.newest.get(shard, micros))

    def last(self):
        """partition -> (offset, milliseconds, hash) of its last record."""
        found = {}
        for i, shard in enumerate(self.shards):
            if shard not in found or self.offsets[i] > self.offsets[found[shard]]:
                found[shard] = i
        return {shard: (self.offsets[i], self.times[i], kafka_hash(self.keys[i], self.values[i])) for shard, i in found.items()}


class Task:
    """Gives Spark the lines of all tables for the records of its part."""

    def __init__(self, zone, memory, decoding, tables, lookups):
        self.zone, self.memory, self.decoding, self.tables, self.lookups = zone, memory, decoding, tables, lookups

    def __call__(self, batches):
        import pyarrow as pa

        from . import duck
        from .stream_table import TableRun

        connection = duck.connect(self.zone, self.memory)
        try:
            lookups = [(column, pa.ipc.open_stream(rows.value).read_all()) for column, rows in self.lookups]
            runs = [TableRun(connection, work, lookups) for work in self.tables]
            reader, lines = self.decoding.reader(), Lines([work.schema for work in self.tables])
            for group in grouped(batches):
                records = Records(self.decoding, reader, group)
                for at, run in enumerate(runs):
                    yield from run.lines(records, at, lines)
        finally:
            connection.close()


def grouped(batches):
    """Batches together, until there is enough to do."""
    group, count, size = [], 0, 0
    for batch in batches:
        group.append(batch)
        count, size = count + batch.num_rows, size + batch.nbytes
        if count >= GROUP_RECORDS or size >= GROUP_BYTES:
            yield group
            group, count, size = [], 0, 0
    if count:
        yield group


class Lines:
    """Makes batches of the frame that leaves."""

    def __init__(self, schemas):
        import pyarrow as pa

        self.rejects, self.summaries = reject_schema(), summary_schema()
        kinds = [pa.int32(), pa.int32(), self.rejects, self.summaries, *(pa.struct(list(schema)) for schema in schemas)]
        names = ["_t", "_k", "_r", "_c", *(f"_s{at}" for at in range(len(schemas)))]
        self.schema = pa.schema([pa.field(name, kind) for name, kind in zip(names, kinds)])

    def batch(self, table, kind, structs):
        import pyarrow as pa

        filled = {ROW: 4 + table, REJECT: 2, SUMMARY: 3}[kind]
        count = len(structs)
        columns = [pa.array([table] * count, pa.int32()), pa.array([kind] * count, pa.int32())]
        columns += [structs if at == filled else pa.nulls(count, field.type) for at, field in enumerate(self.schema) if at >= 2]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)
