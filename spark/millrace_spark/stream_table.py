"""One table over some decoded records: lookups, expectations, SQL, rejects and counts, within a task."""

import datetime

from .cells import printable, text_of
from .stream_task import DETAIL_BYTES_MAX, REJECT, ROW, SUMMARIES, SUMMARY

PASSING = ("OutOfMemoryException", "IOException", "InterruptException", "HTTPException", "PermissionException", "FatalException")


class TableRun:
    def __init__(self, connection, work, lookups):
        self.connection, self.work = connection, work
        self.lookups = []
        for column, at in work.lookups:
            key, rows = lookups[at]
            keys = rows.column(key).combine_chunks()
            self.lookups.append((column, keys, rows.to_struct_array().combine_chunks()))

    def lines(self, records, number, lines):
        """Batches of rows, of rejects, and of counts."""
        import pyarrow as pa

        rejects = [(i, "decode", reason, detail) for i, reason, detail in records.bad if self.is_new(records, i)]
        rows = self.new_rows(records)
        rows = self.with_lookups(rows)
        came = rows.column("_index").to_pylist()
        rows = self.check(rows, rejects)
        parts = []
        self.run(self.work.select, rows, lambda _, answer: parts.append(answer), self.failing(rejects, "sql", "sql_failed"))
        rows = pa.concat_tables(parts) if parts else self.work.schema.empty_table()
        rows = numbered(rows)
        if rows.num_rows:
            yield from (lines.batch(number, ROW, part.to_struct_array()) for part in rows.to_batches())
        if rejects:
            rejects.sort()
            yield lines.batch(number, REJECT, self.rejected(records, rejects, lines.rejects))
        yield lines.batch(number, SUMMARY, self.summaries(records, rows, rejects, came, lines.summaries))

    def is_new(self, records, i):
        return records.offsets[i] >= self.work.positions.get(records.shards[i], 0)

    def new_rows(self, records):
        """Those that the table does not have yet."""
        import pyarrow as pa

        rows = records.rows
        if all(records.offsets[i] >= self.work.positions.get(records.shards[i], 0) for i in records.kept):
            return rows
        kept = [self.is_new(records, i) for i in rows.column("_index").to_pylist()]
        return rows.filter(pa.array(kept, pa.bool_()))

    def with_lookups(self, rows):
        import pyarrow.compute as pc

        for at, (column, keys, structs) in enumerate(self.lookups):
            asked = rows.column(column).combine_chunks().cast(keys.type)
            found = structs.take(pc.index_in(asked, value_set=keys))
            rows = rows.append_column(f"_lookup{at}", found)
        return rows

    def show(self, rows):
        """The rows as the relation that the SQL reads."""
        from .sql_text import name

        arrived = [column for column in rows.column_names if column != "_index"]
        selected = ", ".join(
            f"CAST({name(column)} AS {kind}) AS {name(wanted)}" for column, (wanted, kind) in zip(arrived, self.work.input)
        )
        self.connection.register("_arriving", rows)
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name(self.work.relation)} AS SELECT {selected} FROM _arriving")
        self.connection.unregister("_arriving")

    def run(self, sql, rows, result, failed):
        """Runs a SELECT over rows; those over which it cannot be run are found by halves, and `failed` is told."""
        import duckdb

        if rows.num_rows == 0:
            return
        try:
            self.show(rows)
            answer = self.connection.execute(sql).to_arrow_table()
        except duckdb.Error as error:
            if type(error).__name__ in PASSING:
                raise
            if rows.num_rows == 1:
                from .duck import told

                failed(rows, told(error)[0])
                return
            middle = rows.num_rows // 2
            self.run(sql, rows.slice(0, middle), result, failed)
            self.run(sql, rows.slice(middle), result, failed)
            return
        result(rows, self.typed(answer) if sql is self.work.select else answer)

    def typed(self, answer):
        import pyarrow as pa

        arrays = [column.cast(field.type) for column, field in zip(answer.columns, self.work.schema)]
        return pa.Table.from_arrays(arrays, schema=self.work.schema)

    @staticmethod
    def failing(rejects, stage, reason):
        def failed(rows, message):
            rejects.append((rows.column("_index")[0].as_py(), stage, reason, message))

        return failed

    def check(self, rows, rejects):
        """The rows of which every expectation holds, but for those that only warn."""
        import pyarrow as pa

        if not self.work.checks:
            return rows
        lost = set()

        def judge(some, verdicts):
            numbers = some.column("_index").to_pylist()
            for (title, text, otherwise), column in zip(self.work.expectations, verdicts.columns):
                if otherwise == "warn":
                    continue
                for number, holds in zip(numbers, column.to_pylist()):
                    if not holds and number not in lost:
                        lost.add(number)
                        rejects.append((number, "expect", title, f"does not hold: {text}"))

        def failed(some, message):
            number = some.column("_index")[0].as_py()
            lost.add(number)
            rejects.append((number, "expect", "check_failed", message))

        self.run(self.work.checks, rows, judge, failed)
        if not lost:
            return rows
        return rows.filter(pa.array([number not in lost for number in rows.column("_index").to_pylist()], pa.bool_()))

    def rejected(self, records, rejects, kind):
        import pyarrow as pa

        now = datetime.datetime.now(datetime.timezone.utc)
        columns = {field.name: [] for field in kind}
        for i, stage, reason, detail in rejects:
            row = (
                now.date(),
                now,
                self.work.name,
                records.decoding.source,
                records.decoding.incarnation,
                records.shards[i],
                records.offsets[i],
                records.received(i),
                text_of(records.keys[i] or b""),
                stage,
                reason,
                printable(detail.encode(errors="replace"), DETAIL_BYTES_MAX),
                records.values[i] or b"",
                None,
                None,
            )
            for column, value in zip(columns.values(), row):
                column.append(value)
        return pa.StructArray.from_arrays([pa.array(columns[field.name], field.type) for field in kind], fields=list(kind))

    def summaries(self, records, rows, rejects, came, kind):
        """One line for each partition: src/flow/table_counts.cpp."""
        import pyarrow as pa

        taken, rejected, input_of, records_of, rows_of = {}, {}, {}, {}, {}
        shards = rows.column("_shard").to_pylist()
        for shard, offset in zip(shards, rows.column("_offset").to_pylist()):
            taken.setdefault(shard, set()).add(offset)
            rows_of[shard] = rows_of.get(shard, 0) + 1
        for i, *_ in rejects:
            rejected.setdefault(records.shards[i], set()).add(records.offsets[i])
        for i in came:
            input_of.setdefault(records.shards[i], set()).add(records.offsets[i])
        for i in records.kept:
            if self.is_new(records, i):
                records_of[records.shards[i]] = records_of.get(records.shards[i], 0) + 1
        lines = []
        for shard, last in records.last().items():
            has, lost = taken.get(shard, set()), rejected.get(shard, set())
            filtered = len(input_of.get(shard, set()) - has - lost)
            counts = (records_of.get(shard, 0), len(has), rows_of.get(shard, 0), len(lost), len(has & lost), filtered)
            lines.append((shard, *counts, *last, records.newest.get(shard)))
        columns = list(zip(*lines)) or [()] * len(SUMMARIES)
        return pa.StructArray.from_arrays([pa.array(list(column), pa.int64()) for column in columns], fields=list(kind))


def numbered(rows):
    """`_row` counts the rows of one record, which follow each other."""
    import numpy as np
    import pyarrow as pa

    if rows.num_rows == 0:
        return rows
    shards, offsets = (rows.column(name).to_numpy() for name in ("_shard", "_offset"))
    starts = np.ones(len(shards), dtype=bool)
    starts[1:] = (shards[1:] != shards[:-1]) | (offsets[1:] != offsets[:-1])
    index = np.arange(len(shards))
    numbers = index - np.maximum.accumulate(np.where(starts, index, 0))
    at = rows.schema.get_field_index("_row")
    return rows.set_column(at, rows.schema.field(at), pa.array(numbers.astype(np.int32)))
