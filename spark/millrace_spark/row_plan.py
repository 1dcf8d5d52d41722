"""The tables of a pipeline file that are made of a source's records: checked, with their columns."""

import duckdb

from . import duck, lookup, row_sql
from .errors import Refused, did_you_mean
from .source import Source
from .sql_text import function_names, name

PARTITION_TYPES = ("date", "varchar", "integer", "timestamp with time zone")


class TablePlan:
    """`columns`: of the table; `input`: (name, type) of the relation that its SQL reads, lookups at the end."""

    def __init__(self, table, source):
        self.table, self.source = table, source
        self.input, self.columns, self.select, self.checks, self.lookups = [], [], "", "", []


class Planner:
    def __init__(self, pipeline, spark=None):
        self.pipeline, self.spark, self.errors, self.plans, self.lookups = pipeline, spark, [], {}, {}
        self.sources = {}
        for title, value in pipeline.sources.items():
            self.attempt(lambda title=title, value=value: self.sources.update({title: Source(title, value)}))
        self.connection = duck.connect(pipeline.timezone)
        self.functions = function_names(self.connection)

    def attempt(self, action):
        try:
            action()
        except Refused as error:
            self.errors.append(error)

    def run(self, only=None):
        """table -> TablePlan; what is wrong is in `errors`."""
        for table in self.pipeline.tables.values():
            if only is None or table.name in only:
                self.attempt(lambda table=table: self.plan(table))
        return self.plans

    def plan(self, table):
        columns = self.columns_of(table)
        if columns is None:
            return
        root = self.root(table)
        plan = TablePlan(table, root)
        for title, column in table.lookups.items():
            if title not in self.pipeline.lookups:
                raise Refused(f"there is no lookup '{title}'{did_you_mean(title, self.pipeline.lookups)}", table.place)
            if column not in [known for known, _ in columns]:
                raise Refused(
                    f"'{table.source}' has no column '{column}' to look up{did_you_mean(column, [c for c, _ in columns])}", table.place
                )
            plan.lookups.append((self.lookup(title), column))
        plan.input = columns + [(one.name, one.kind) for one, _ in plan.lookups]
        nulls = ", ".join(f"CAST(NULL AS {text}) AS {name(column)}" for column, text in plan.input)
        self.connection.execute(f"CREATE OR REPLACE TEMP VIEW {name(table.source)} AS SELECT {nulls} WHERE false")
        for one in table.expectations:
            row_sql.check_expression(self.connection, one.check, table.source, self.functions)
        parts = [f"CAST(({one.check.text}\n) AS BOOLEAN)" for one in table.expectations]
        plan.checks = f"SELECT {', '.join(parts)} FROM {name(table.source)}" if parts else ""
        plan.select = row_sql.compile_select(self.connection, table.sql, table.source, self.functions)
        plan.columns = duck.columns_of(self.connection, plan.select)
        self.check_columns(plan)
        self.plans[table.name] = plan

    def root(self, table):
        while table.source in self.pipeline.tables:
            table = self.pipeline.tables[table.source]
        return self.sources.get(table.source)

    def columns_of(self, table):
        """Of what it reads; None if that is wrong itself."""
        if table.source in self.pipeline.tables:
            parent = self.plans.get(table.source)
            if parent is None and not self.errors:
                self.plan(self.pipeline.tables[table.source])
                parent = self.plans.get(table.source)
            return [(column.name, column.text) for column in parent.columns] if parent else None
        if table.source not in self.pipeline.sources:
            known = [*self.pipeline.sources, *self.pipeline.tables]
            raise Refused(f"there is no source or table '{table.source}'{did_you_mean(table.source, known)}", table.place)
        return self.sources[table.source].columns() if table.source in self.sources else None

    def lookup(self, title):
        if title not in self.lookups:
            kind = lookup.key_type(self.pipeline, title, self.sources)
            self.lookups[title] = lookup.load(self.spark, self.pipeline, title, kind)
        return self.lookups[title]

    def check_columns(self, plan):
        seen = set()
        for column in plan.columns:
            if problem := duck.storage_problem(column.name, column.kind):
                raise Refused(problem, plan.table.sql.place)
            if column.name.lower() in seen:
                raise Refused(f"two columns are named '{column.name}'; rename one with AS", plan.table.sql.place)
            seen.add(column.name.lower())
        known = {column.name.lower(): column for column in plan.columns}
        for title in plan.table.partition_by:
            column = known.get(title.lower())
            if column is None:
                raise Refused(f"partition_by: the SQL gives no column '{title}'{did_you_mean(title, known)}", plan.table.place)
            if column.kind.id not in PARTITION_TYPES:
                raise Refused(
                    f"partition_by: '{title}' is {column.text}; a DATE, a TIMESTAMPTZ, a VARCHAR or an INTEGER is expected",
                    plan.table.place,
                )


def plan_tables(pipeline, spark=None, only=None):
    """(plans, errors)"""
    try:
        planner = Planner(pipeline, spark)
        return planner.run(only), planner.errors
    except duckdb.Error as error:
        return {}, [Refused(duck.told(error)[0], str(pipeline.file))]
