"""A job that was checked and can run: its columns, what it reads, and how it is divided."""

import struct

import duckdb

from . import distribution, duck, reads
from .errors import Problems, Refused, did_you_mean
from .sql_text import (
    check_job_sql,
    columns_named,
    function_names,
    name,
    parse,
    reads_all_columns,
    tables_of,
    with_parameter,
    without_semicolon,
)

ONE_DAY = {"day": "DATE '1970-01-01'", "hour": "TIMESTAMPTZ '1970-01-01T00:00:00.000000Z'", "": ""}


class Input:
    """A table that a job reads."""

    def __init__(self, table, demand, is_wide):
        self.table = table
        self.demand = demand  # what the SQL demands of it for the partition; None: all of it is read
        self.is_wide = is_wide  # any change makes every partition stale


class JobPlan:
    def __init__(self, job, zone):
        self.job, self.zone = job, zone
        self.inputs = []
        self.columns = []  # of its table, the partition column first
        self.select = ""
        self.reconcile = []  # both sides, ready for brackets
        self.views = {}  # all tables that its judges name, its own left out: name -> demand or None
        self.columns_read = {}  # table -> names of columns, in lower case; None: all
        self.is_in_order = False
        self.fingerprint = 0

    def bound(self, text, partition):
        return with_parameter(text, self.job.each, partition.literal) if self.job.each else text


class Planner:
    """`schemas`: table -> [(column, type as DuckDB has it)], of all tables that the job may read."""

    def __init__(self, pipeline, job, schemas):
        self.pipeline, self.job, self.schemas = pipeline, job, schemas
        self.plan = JobPlan(job, pipeline.timezone)
        self.connection = duck.connect(pipeline.timezone)
        self.aggregates, self.varying = function_names(self.connection)
        for table, columns in schemas.items():
            self.show(table, columns)

    def show(self, table, columns):
        nulls = ", ".join(f"CAST(NULL AS {text}) AS {name(column)}" for column, text in columns)
        self.connection.execute(f"CREATE OR REPLACE TEMP VIEW {name(table)} AS SELECT {nulls} WHERE false")

    def run(self):
        statement = self.parsed(self.job.sql)
        self.read_inputs(statement)
        self.find_columns()
        self.check_distribution(statement)
        self.show(self.job.name, [(column.name, column.text) for column in self.plan.columns])
        for left, right in self.job.reconcile:
            for side in (left, right):
                self.judge(side)
            self.plan.reconcile.append((without_semicolon(left.text), without_semicolon(right.text)))
        for check in self.job.checks:
            self.read_check(check)
        self.set_fingerprint(reads_all_columns(statement))
        return self.plan

    def parsed(self, sql):
        statement = parse(self.connection, sql)
        check_job_sql(statement, sql, self.job.each, self.varying)
        return statement

    def known(self, table, sql, at):
        for known in self.schemas:
            if known.lower() == table.lower():
                return known
        in_file = [*self.pipeline.tables, *self.pipeline.jobs]
        if table.lower() == self.job.name:
            message = f"a job cannot read its own table '{self.job.name}'"
        elif table.lower() in in_file:
            message = f"the table '{table.lower()}' is not there yet: millrace, or its job, must have run"
        else:
            mend = did_you_mean(table, in_file)
            message = f"there is no table '{table}'{mend}; a job reads tables of the pipeline and those of other jobs"
        raise Refused(message, sql.place_of(at or 0))

    def read_inputs(self, statement):
        job = self.job
        found = tables_of(statement)
        if not found:
            raise Refused("the SQL of a job reads a table at least", job.sql.place)
        demands = reads.within(statement, job.each)
        for table, at in found:
            known = self.known(table, job.sql, at)
            self.plan.inputs.append(Input(known, self.usable(known, demands.get(known.lower())), known in job.reads))
            self.plan.columns_read[known] = columns_named(statement)

    def usable(self, table, demand):
        """A demand of a column that says by itself to which partition a row belongs: a date or a moment."""
        if demand is None:
            return None
        text = next((text for column, text in self.schemas[table] if column.lower() == demand.column), "")
        wanted = {"day": ("DATE",), "hour": ("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE")}[self.job.each]
        times = ("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE")
        return demand if text in (wanted if demand.is_equal else times) else None

    def find_columns(self):
        job, connection = self.job, self.connection
        inner = f"({without_semicolon(job.sql.text)}\n)"
        columns = self.columns_of(job.sql.text)
        widened, seen = [], set()
        for column in columns:
            lower = column.name.lower()
            if lower == job.each:
                raise Refused(f"the column '{job.each}' is added by `each: {job.each}`; leave it out of the SELECT", job.sql.place)
            if lower in seen:
                raise Refused(f"two columns are named '{column.name}'; rename one with AS", job.sql.place)
            seen.add(lower)
            if column.kind.id == "hugeint":
                widened.append(f"CAST({name(column.name)} AS DECIMAL(38,0)) AS {name(column.name)}")
            elif problem := duck.name_problem(column.name) or duck.storage_problem(column.name, column.kind):
                raise Refused(problem, job.sql.place)
        replace = f" REPLACE ({', '.join(widened)})" if widened else ""
        each = f"${job.each} AS {name(job.each)}, " if job.each else ""
        self.plan.select = f"SELECT {each}*{replace} FROM {inner}"
        self.plan.columns = duck.columns_of(
            connection, with_parameter(self.plan.select, job.each, ONE_DAY[job.each]) if job.each else self.plan.select
        )

    def columns_of(self, text):
        """Of the SQL itself: what is wrong with it has its place there."""
        try:
            self.connection.execute("PREPARE of_job AS " + text)
        except duckdb.Error as error:
            raise duck.refused(error, self.job.sql, len("PREPARE of_job AS ")) from None
        self.connection.execute("DEALLOCATE of_job")
        try:
            return duck.columns_of(
                self.connection, with_parameter(text, self.job.each, ONE_DAY[self.job.each]) if self.job.each else text
            )
        except duckdb.Error as error:
            raise Refused(duck.told(error)[0].split("\n")[0], self.job.sql.place) from None

    def check_distribution(self, statement):
        job = self.job
        if job.distribute_by:
            keyed = [one.table for one in self.plan.inputs if self.has_column(one.table, job.distribute_by)]
            if not keyed:
                columns = {column for one in self.plan.inputs for column, _ in self.schemas[one.table]}
                raise Refused(
                    f"distribute_by: no table that the job reads has the column '{job.distribute_by}'"
                    f"{did_you_mean(job.distribute_by, columns)}",
                    job.distribute_place,
                )
            kinds = {text for one in keyed for column, text in self.schemas[one] if column.lower() == job.distribute_by.lower()}
            if len(kinds) > 1:
                raise Refused(
                    f"distribute_by: '{job.distribute_by}' is {' in one table and '.join(sorted(kinds))} in another; equal values "
                    "would go to different parts",
                    job.distribute_place,
                )
            if kinds & {"FLOAT", "DOUBLE"}:
                raise Refused(
                    f"distribute_by: '{job.distribute_by}' is {kinds.pop()}, of which equal values may differ in their bits",
                    job.distribute_place,
                )
            distribution.check(statement, job.sql, job.distribute_by, keyed, self.aggregates)
        elif not any(one.demand for one in self.plan.inputs):
            asked = f"demand `{job.each} = ${job.each}` of a table in WHERE, or " if job.each else ""
            raise Refused(
                f"nothing says how this job is divided on Spark, all rows would go through one task: {asked}name a column that is "
                "in every GROUP BY, PARTITION BY, DISTINCT ON and join: `distribute_by: customer_id`",
                job.sql.place,
            )

    def has_column(self, table, wanted):
        return any(column.lower() == wanted.lower() for column, _ in self.schemas[table])

    def judge(self, sql):
        """Notes what a judge's SQL reads."""
        statement = self.parsed(sql)
        demands = reads.within(statement, self.job.each)
        for table, at in tables_of(statement):
            if table.lower() == self.job.name:
                self.plan.is_in_order = self.plan.is_in_order or not self.is_own(demands.get(self.job.name))
                continue
            known = self.known(table, sql, at)
            self.add_view(known, self.usable(known, demands.get(known.lower())), columns_named(statement))

    def is_own(self, demand):
        return demand is not None and demand.column == self.job.each and demand.is_equal

    def add_view(self, table, demand, columns):
        plan = self.plan
        if table in plan.views:
            before = plan.views[table]
            is_same = before and demand and (before.column, before.is_equal) == (demand.column, demand.is_equal)
            plan.views[table] = before if is_same else None
        else:
            plan.views[table] = demand
        key = ("judge", table)
        if key in plan.columns_read and None in (plan.columns_read[key], columns):
            plan.columns_read[key] = None
        else:
            plan.columns_read[key] = None if columns is None else plan.columns_read.get(key, set()) | columns

    def read_check(self, check):
        job = self.job
        if check.kind == "no_rows":
            self.judge(check.sql)
        elif check.kind == "drift":
            self.plan.is_in_order = True
        elif check.kind == "references" and check.table in self.schemas:
            self.add_view(check.table, None, {check.key.lower()})
        for column in check.columns:
            if not any(known.name.lower() == column.lower() for known in self.plan.columns):
                raise Refused(
                    f"expect {check.name}: the result of '{job.name}' has no column '{column}'"
                    f"{did_you_mean(column, [known.name for known in self.plan.columns])}",
                    check.place,
                )

    def set_fingerprint(self, is_of_all_columns):
        import xxhash

        parts = [self.plan.select, self.pipeline.timezone, *(f"{column.name} {column.text}" for column in self.plan.columns)]
        for one in self.plan.inputs if is_of_all_columns else ():
            parts += [f"{column} {self.engine_text(text)}" for column, text in self.schemas[one.table]]
        digest = xxhash.xxh3_64_intdigest("\0".join(parts).encode())
        self.plan.fingerprint = struct.unpack("<I", struct.pack("<Q", digest)[:4])[0]

    def engine_text(self, text):
        return duck.type_text(duck.type_named(self.connection, text))


def plan(pipeline, job, schemas):
    return Planner(pipeline, job, schemas).run()


def in_order(pipeline):
    """The jobs, each after those whose tables it reads. Errors: Problems, of a circle."""
    connection = duck.connect(pipeline.timezone)
    needs = {}
    for job in pipeline.jobs.values():
        try:
            found = {table.lower() for table, _ in tables_of(parse(connection, job.sql))} | set(job.reads)
        except Refused:  # told when it is planned
            found = set()
        needs[job.name] = {other for other in pipeline.jobs if other.lower() in found and other != job.name}
    ordered = []
    while len(ordered) < len(needs):
        ready = [one for one in needs if one not in ordered and needs[one] <= set(ordered)]
        if not ready:
            raise Problems(
                [
                    Refused("these jobs read each other's tables in a circle", job.place)
                    for job in pipeline.jobs.values()
                    if job.name not in ordered
                ]
            )
        ordered += ready
    return [pipeline.jobs[one] for one in ordered]
