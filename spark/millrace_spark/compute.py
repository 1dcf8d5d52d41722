"""The rows of a job's partitions, as a frame that Spark computes when it is written."""

from . import duck, parts
from .errors import Refused


class Select:
    """A task's work: the job's SELECT for one partition."""

    def __init__(self, selects, schema):
        self.selects, self.schema = selects, schema

    def __call__(self, connection, number):
        yield from duck.to_arrow(connection, self.selects[number], self.schema)


def memory_of(spark):
    return spark.conf.get("spark.millrace.taskMemory", "512MB")


def feeds_of(spark, plan, pinned, partitions):
    """The job's inputs, and the expression by which rows are brought together."""
    key = plan.job.distribute_by.lower()
    feeds, keys = [], []
    for one in plan.inputs:
        frame = pinned[one.table].read()
        columns = plan.columns_read[one.table]
        own_key = next((field.name for field in frame.schema.fields if key and field.name.lower() == key), None)
        if one.demand or own_key:
            if own_key and columns is not None:
                columns = columns | {own_key.lower()}
            made = parts.feed(one.table, frame, one.demand, partitions, columns)
            keys.append(own_key)
        else:
            made = parts.replicated(spark, one.table, frame, columns)
        feeds.append(made)
    if key and any(own is None for own in keys):
        # A table without the key goes to every part.
        feeds = [
            parts.replicated(spark, one.name, one.frame.drop("_p"), None) if one.frame is not None and not _has(one, key) else one
            for one in feeds
        ]
    return feeds


def _has(one, key):
    return any(column.lower() == key for column, _ in one.columns)


def frame_of(spark, plan, pinned, partitions):
    """A frame with the columns of the job's table. `pinned`: table -> Snapshot."""
    feeds = feeds_of(spark, plan, pinned, partitions)
    key = plan.job.distribute_by
    if key and len(partitions) > 1 and any(one.demand is None and _has(made, key.lower()) for one, made in zip(plan.inputs, feeds)):
        raise Refused("these partitions are computed one by one: a table is read beyond them")
    whole = parts.together(spark, feeds, len(partitions))
    if key:
        own = [
            f"_s{at}.{duck.spark_name(column)}"
            for at, one in enumerate(f for f in feeds if f.frame is not None)
            for column, _ in one.columns
            if column.lower() == key.lower()
        ]
        tasks = max(spark.sparkContext.defaultParallelism, 1)
        whole = whole.withColumn("_k", _expr(f"hash(coalesce({', '.join(own)}))")).repartition(tasks, "_p", "_k")
    else:
        tasks = max(len(partitions), 1)
        whole = whole.repartition(tasks, "_p")
    selects = [plan.bound(plan.select, one) for one in partitions]
    task = parts.Task(plan.zone, feeds, memory_of(spark), Select(selects, duck.arrow_schema(plan.columns)))
    return whole.mapInArrow(task, duck.spark_schema(plan.columns))


def _expr(text):
    from pyspark.sql.functions import expr

    return expr(text)


def is_divided_by_partition(plan):
    """Several partitions may be computed at once: what each reads is known."""
    key = plan.job.distribute_by.lower()
    if plan.is_in_order:
        return False
    if key:
        return all(one.demand for one in plan.inputs)
    return any(one.demand for one in plan.inputs)
