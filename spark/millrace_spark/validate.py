"""Everything of a pipeline file that cannot run on Spark, at once, each with its place."""

from . import job_plan, row_plan
from .errors import Problems, Refused


def problems(pipeline, spark=None):
    plans, errors = row_plan.plan_tables(pipeline, spark)
    errors = list(errors)
    schemas = {table: [(column.name, plain(column.text)) for column in plan.columns] for table, plan in plans.items()}
    gaps = set(pipeline.tables) - set(plans)
    try:
        ordered = job_plan.in_order(pipeline)
    except Problems as found:
        return errors + found.errors
    for job in ordered:
        try:
            plan = job_plan.plan(pipeline, job, schemas)
        except Refused as error:
            # What is wrong with a table is said once, not again by each job that reads it.
            if not any(f"'{gap}'" in error.message for gap in gaps):
                errors.append(error)
            gaps.add(job.name)
        else:
            schemas[job.name] = [(column.name, plain(column.text)) for column in plan.columns]
    return errors


def plain(text):
    """As it is once stored: Delta has no JSON type."""
    return text.replace("JSON", "VARCHAR")
