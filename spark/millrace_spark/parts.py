"""Rows of several tables on their way to the tasks: Spark brings together what belongs to one part, DuckDB computes it there.

All tables travel as one frame: `_p` says for which partition a row is, `_t` of which table, and one struct column holds its values.
A part gets a row without values for each partition, so that an answer over no rows is given too.
"""

import dataclasses

MARKER = -1
BROADCAST_BYTES_MAX = 512 << 20


@dataclasses.dataclass
class Feed:
    """A table as the tasks see it."""

    name: str
    columns: list  # (name, type as DuckDB has it)
    frame: object = None  # with `_p`; None: it is replicated
    rows: object = None  # replicated: a broadcast of Arrow's bytes


def partition_number(demand, partitions):
    """SQL of Spark that gives the index of the partition to which a row belongs, NULL for none; and what keeps others away."""
    from .duck import spark_name

    column = spark_name(demand.column)
    if demand.is_equal:
        each = partitions[0].each
        values = [f"DATE'{one.value}'" if each == "day" else f"TIMESTAMP'{one.value}'" for one in partitions]
        branches = "".join(f" WHEN {value} THEN {i}" for i, value in enumerate(values))
        return f"CASE {column}{branches} END", f"{column} IN ({', '.join(values)})"
    from .partition import format_time

    bounds = [(f"TIMESTAMP'{format_time(one.start)}'", f"TIMESTAMP'{format_time(one.end)}'") for one in partitions]
    branches = "".join(f" WHEN {column} >= {start} AND {column} < {end} THEN {i}" for i, (start, end) in enumerate(bounds))
    return f"CASE{branches} END", f"{column} >= {bounds[0][0]} AND {column} < {bounds[-1][1]}"


def feed(name, frame, demand, partitions, columns_read):
    """A Feed with a frame: its rows numbered by partition, of the columns that are read."""
    from .duck import spark_to_duck, spark_name

    fields = [
        field for field in frame.schema.fields if columns_read is None or field.name.lower() in columns_read
    ] or frame.schema.fields[:1]
    number = "0"
    if demand:
        number, kept = partition_number(demand, partitions)
        frame = frame.where(kept)
    frame = frame.selectExpr(f"CAST({number} AS INT) AS _p", *(spark_name(field.name) for field in fields)).where("_p IS NOT NULL")
    return Feed(name, [(field.name, spark_to_duck(field.dataType)) for field in fields], frame)


def replicated(spark, name, frame, columns_read):
    """A Feed that every task sees whole."""
    import pyarrow as pa

    one = feed(name, frame, None, None, columns_read)
    batches = one.frame.drop("_p")._collect_as_arrow()
    size = sum(batch.nbytes for batch in batches)
    if size > BROADCAST_BYTES_MAX:
        from .errors import Refused

        raise Refused(
            f"'{name}' is read whole by every task, and its columns have {size >> 20} MB, more than {BROADCAST_BYTES_MAX >> 20}: "
            "demand the partition of it in WHERE, or name a column with `distribute_by`"
        )
    sink = pa.BufferOutputStream()
    if batches:
        with pa.ipc.new_stream(sink, batches[0].schema) as stream:
            for batch in batches:
                stream.write_batch(batch)
    one.frame, one.rows = None, spark.sparkContext.broadcast(sink.getvalue().to_pybytes())
    return one


def together(spark, feeds, count):
    """One frame of all that travel, with the markers of `count` partitions."""
    from .duck import spark_name

    moved = [one for one in feeds if one.frame is not None]
    kinds = [
        "struct<" + ",".join(f"{spark_name(f.name)}:{f.dataType.simpleString()}" for f in one.frame.schema.fields[1:]) + ">"
        for one in moved
    ]

    def values(at):
        inner = ", ".join(spark_name(f.name) for f in moved[at].frame.schema.fields[1:]) if at >= 0 else ""
        return [f"struct({inner}) AS _s{i}" if i == at else f"CAST(NULL AS {kind}) AS _s{i}" for i, kind in enumerate(kinds)]

    whole = spark.range(count).selectExpr("CAST(id AS INT) AS _p", f"{MARKER} AS _t", *values(-1))
    for at, one in enumerate(moved):
        whole = whole.unionAll(one.frame.selectExpr("_p", f"{at} AS _t", *values(at)))
    return whole


class Task:
    """What runs within a task: takes the rows in, then computes one partition after the other."""

    def __init__(self, zone, feeds, memory, work):
        self.zone, self.memory, self.work = zone, memory, work
        self.moved = [(one.name, one.columns) for one in feeds if one.frame is not None]
        self.whole = [(one.name, one.columns, one.rows) for one in feeds if one.frame is None]

    def __call__(self, batches):
        from . import duck

        connection = duck.connect(self.zone, self.memory)
        try:
            numbers = self.take_in(connection, batches)
            for number in sorted(numbers):
                self.show(connection, number)
                yield from self.work(connection, number)
        finally:
            connection.close()

    def take_in(self, connection, batches):
        import pyarrow as pa
        import pyarrow.compute as pc
        from .sql_text import name

        for at, (_, columns) in enumerate(self.moved):
            inner = ", ".join(f"{name(column)} {kind}" for column, kind in columns)
            connection.execute(f"CREATE TABLE _rows{at} (_p INTEGER, {inner})")
        for at, (_, columns, rows) in enumerate(self.whole):
            inner = ", ".join(f"{name(column)} {kind}" for column, kind in columns)
            connection.execute(f"CREATE TABLE _whole{at} ({inner})")
            if rows.value:
                self.put(connection, f"_whole{at}", pa.ipc.open_stream(rows.value).read_all())
        numbers = set()
        for batch in batches:
            numbers.update(pc.unique(batch.column(0)).to_pylist())
            for at in range(len(self.moved)):
                own = batch.filter(pc.equal(batch.column(1), at))
                if own.num_rows:
                    values = own.column(2 + at)
                    self.put(
                        connection,
                        f"_rows{at}",
                        pa.Table.from_arrays([own.column(0), *values.flatten()], names=["_p", *(f.name for f in values.type)]),
                    )
        return numbers

    @staticmethod
    def put(connection, table, arrow):
        connection.register("_arriving", arrow)
        connection.execute(f"INSERT INTO {table} SELECT * FROM _arriving")
        connection.unregister("_arriving")

    def show(self, connection, number):
        from .sql_text import name

        for at, (table, columns) in enumerate(self.moved):
            inner = ", ".join(name(column) for column, _ in columns)
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {name(table)} AS SELECT {inner} FROM _rows{at} WHERE _p = {number}")
        for at, (table, _, _) in enumerate(self.whole):
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {name(table)} AS SELECT * FROM _whole{at}")
