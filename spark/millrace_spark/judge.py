"""Everything that must hold before a partition is replaced: `reconcile` and `expect`, judged in one task per partition."""

import math

import duckdb

from . import compute, duck, parts
from .sql_text import name, without_semicolon

SCHEMA = "_p int, `check` string, kind string, outcome string, value double, detail string, error string"
SAMPLE_MAX = 300


def plain_duration(seconds):
    """`1h30m`, as messages have it."""
    whole, found = int(seconds), ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if whole >= size:
            found += f"{whole // size}{unit}"
            whole %= size
    return found or "0s"


class Judge:
    """A task's work: rows of what was found for one partition."""

    def __init__(self, plan, partitions, history, now):
        job = plan.job
        self.result = job.name
        self.reconcile = [[(plan.bound(left, one), plan.bound(right, one)) for left, right in plan.reconcile] for one in partitions]
        self.sql = [
            [plan.bound(without_semicolon(check.sql.text), one) if check.sql else "" for check in job.checks] for one in partitions
        ]
        self.checks = [
            (
                check.name,
                check.kind,
                check.is_warning,
                check.columns,
                check.table,
                check.key,
                check.least,
                check.most,
                check.within,
                check.place,
            )
            for check in job.checks
        ]
        self.places = [left.place for left, _ in job.reconcile]
        self.shown = [(" ".join(left.split()), " ".join(right.split())) for left, right in plan.reconcile]
        self.history = history  # of each partition: check -> values of the runs before
        self.until = [(one.end.timestamp() if one.each and one.end < now else now.timestamp()) for one in partitions]

    def __call__(self, connection, number):
        import pyarrow as pa

        rows = [*self.sides(connection, number), *self.expected(connection, number)]
        if rows:
            columns = list(zip(*[(number, *row) for row in rows]))
            kinds = [pa.int32(), pa.string(), pa.string(), pa.string(), pa.float64(), pa.string(), pa.string()]
            yield pa.RecordBatch.from_arrays(
                [pa.array(values, kind) for values, kind in zip(columns, kinds)],
                names=["_p", "check", "kind", "outcome", "value", "detail", "error"],
            )

    def sides(self, connection, number):
        for at, (left, right) in enumerate(self.reconcile[number]):
            label, place = f"reconcile {at + 1}", self.places[at]
            try:
                same, one, other = connection.execute(
                    "SELECT l IS NOT DISTINCT FROM r, coalesce(CAST(l AS VARCHAR), 'NULL'), coalesce(CAST(r AS VARCHAR), 'NULL') "
                    f"FROM (SELECT ({left}\n) AS l, ({right}\n) AS r)"
                ).fetchone()
            except duckdb.Error as error:
                yield label, "reconcile", "failed", None, None, f"{place}: reconcile: {duck.told(error)[0]}"
                return
            if same:
                yield label, "reconcile", "passed", None, None, None
                continue
            detail = f"{one} is not {other}"
            yield (
                label,
                "reconcile",
                "failed",
                None,
                detail,
                f"{place}: reconcile: {detail}\n  {self.shown[at][0]}  gives {one}\n  {self.shown[at][1]}  gives {other}",
            )
            return

    def expected(self, connection, number):
        for at, (label, kind, is_warning, *rest, place) in enumerate(self.checks):
            try:
                value, detail = getattr(self, "judge_" + kind)(connection, number, self.sql[number][at], label, rest)
            except duckdb.Error as error:
                yield label, kind, "failed", None, None, f"{place}: expect {label}: {duck.told(error)[0]}"
                return
            outcome = "passed" if not detail else "warned" if is_warning else "failed"
            yield label, kind, outcome, value, detail or None, f"{place}: expect {label}: {detail}" if outcome == "failed" else None

    def judge_no_rows(self, connection, number, sql, label, rest):
        wrong = connection.execute(f"SELECT count(*) FROM ({sql}\n)").fetchone()[0]
        if not wrong:
            return 0.0, ""
        first = connection.execute(f"SELECT CAST(one AS VARCHAR) FROM ({sql}\n) AS one LIMIT 1").fetchone()[0]
        return float(wrong), f"{wrong} rows, the first: {(first or 'NULL')[:SAMPLE_MAX]}"

    def judge_rows(self, connection, number, sql, label, rest):
        _, _, _, least, most, _ = rest
        there = connection.execute("SELECT count(*) FROM _new").fetchone()[0]
        if there < least:
            return float(there), f"{there} rows, fewer than {least}"
        return float(there), f"{there} rows, more than {most}" if most is not None and there > most else ""

    def judge_unique(self, connection, number, sql, label, rest):
        key = ", ".join(name(column) for column in rest[0])
        return self.judge_no_rows(
            connection, number, f"SELECT {key}, count(*) AS rows FROM _new GROUP BY {key} HAVING count(*) > 1 ORDER BY {key}", label, rest
        )

    def judge_references(self, connection, number, sql, label, rest):
        (column,), table, key = rest[:3]
        column = name(column)
        return self.judge_no_rows(
            connection,
            number,
            f"SELECT DISTINCT {column} FROM _new AS r WHERE {column} IS NOT NULL AND NOT EXISTS "
            f"(SELECT 1 FROM {name(table)} AS t WHERE t.{name(key)} = r.{column}) ORDER BY {column}",
            label,
            rest,
        )

    def judge_fresh(self, connection, number, sql, label, rest):
        newest = connection.execute(f"SELECT epoch(max({name(rest[0][0])})) FROM _new").fetchone()[0]
        if newest is None:
            return None, "there is no value"
        age, within = self.until[number] - newest, rest[5]
        return age, f"the newest value is {plain_duration(age)} old, more than {plain_duration(within)}" if age > within else ""

    def judge_drift(self, connection, number, sql, label, rest):
        value = connection.execute(f"SELECT CAST(({sql}\n) AS DOUBLE) FROM _new").fetchone()[0]
        if value is None:
            return None, "the value is NULL"
        before, ratio = self.history[number].get(label, []), rest[5]
        if len(before) < 3:
            return value, ""
        mean = math.fsum(before) / len(before)
        if abs(value - mean) <= abs(mean) * ratio:
            return value, ""
        return value, f"{value:g} is farther than {ratio * 100:g}% from {mean:g}, the mean of {len(before)} runs before"


def has_judges(plan):
    return bool(plan.reconcile or plan.job.checks)


def judge(spark, plan, pinned, partitions, fresh, others, history, now):
    """Rows as of SCHEMA. `fresh`: the new rows, with the partition column; `others`: of other partitions, if they are read, or None."""
    job = plan.job
    feeds = []
    for table, demand in plan.views.items():
        frame = pinned[table].read()
        columns = plan.columns_read["judge", table]
        feeds.append(parts.feed(table, frame, demand, partitions, columns) if demand else parts.replicated(spark, table, frame, columns))
    own = _Own(job.each) if job.each else None
    new = parts.feed("_new", fresh, own, partitions, None)
    feeds.append(new)
    if others is not None:
        before = parts.feed("_before", others, None, None, None)
        feeds.append(before)
    whole = parts.together(spark, feeds, len(partitions)).repartition(len(partitions), "_p")
    work = Judge(plan, partitions, history, now)
    columns = ", ".join(name(column.name) for column in plan.columns)
    union = f" UNION ALL SELECT {columns} FROM _before" if others is not None else ""
    task = parts.Task(
        plan.zone,
        feeds,
        compute.memory_of(spark),
        _Shown(work, f"CREATE OR REPLACE TEMP VIEW {name(job.name)} AS SELECT {columns} FROM _new{union}"),
    )
    return [row.asDict() for row in whole.mapInArrow(task, SCHEMA).collect()]


class _Own:
    """The partition column of the job's own table."""

    def __init__(self, column):
        self.column, self.is_equal = column, True


class _Shown:
    def __init__(self, work, view):
        self.work, self.view = work, view

    def __call__(self, connection, number):
        connection.execute(self.view)
        yield from self.work(connection, number)
