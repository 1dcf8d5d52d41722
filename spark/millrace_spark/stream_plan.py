"""Which tables of the file Spark can make of a stream, and why not the others: each refusal with its place."""

from . import row_plan
from .errors import Problems, Refused, did_you_mean


class Stream:
    """A source with the tables that are made of its records."""

    def __init__(self, source, plans):
        self.source, self.plans, self.options = source, plans, source.of_kafka()

    @property
    def topic(self):
        return self.options["subscribe"]


def refusal(pipeline, table, sources):
    """Why Spark does not make this table; None if it does."""
    if table.source in pipeline.tables:
        return Refused(
            f"table '{table.name}' is made of another table, and millrace makes it: once it runs, it takes the rows of '{table.source}' "
            "that Spark has brought",
            table.place,
        )
    source = sources.get(table.source)
    if source is None:
        return None
    try:
        source.of_kafka()
    except Refused as error:
        return error
    if table.unique is not None:
        return Refused(
            f"table '{table.name}': `unique` must know all earlier keys, which Spark's tasks do not; let millrace make this table, or "
            "drop repeated records in a job (SELECT DISTINCT ON …)",
            table.unique.place,
        )
    for one in table.expectations:
        if one.otherwise == "halt":
            return Refused(
                f"table '{table.name}': `otherwise: halt` stops the table at a record, which Spark cannot; write reject or warn, or let "
                "millrace make this table",
                one.check.place,
            )
    return None


def streams(pipeline, spark=None, names=()):
    """The streams of some tables, or of all that can be made. Errors: Problems; Refused, if there is nothing to do."""
    for name in names:
        if name not in pipeline.tables:
            raise Refused(f"there is no table '{name}'{did_you_mean(name, pipeline.tables)}", str(pipeline.file))
    wanted = set(names) or {name for name, table in pipeline.tables.items() if table.source not in pipeline.tables}
    plans, errors = row_plan.plan_tables(pipeline, spark, wanted)
    sources = {plan.source.name: plan.source for plan in plans.values()}
    for name, value in pipeline.sources.items():
        sources.setdefault(name, _source(name, value))
    for name in pipeline.tables:
        if name in wanted and (error := refusal(pipeline, pipeline.tables[name], sources)):
            errors.append(error)
    if errors:
        raise Problems(errors)
    found = {}
    for name in pipeline.tables:
        if name in wanted:
            found.setdefault(plans[name].source.name, []).append(plans[name])
    if not found:
        raise Refused("the file has no table that is made of a source", str(pipeline.file))
    return [Stream(some[0].source, some) for some in found.values()]


def _source(name, value):
    from .source import Source

    try:
        return Source(name, value)
    except Refused:
        return None  # said by the plans
