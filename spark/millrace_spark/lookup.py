"""Lookups: files whose rows are found by key. They are read once, on the driver, and go to every task."""

import os
import pathlib
import tempfile

import duckdb

from . import duck
from .errors import Refused, did_you_mean
from .sql_text import name, string

KEYS = ("from", "key", "format", "refresh", "region", "anonymous", "columns", "table", "query", "segments", "consistent", "read_units")
SUFFIXES = {".csv": "csv", ".parquet": "parquet", ".json": "json", ".ndjson": "json", ".jsonl": "json"}
KEY_TYPES = ("varchar", "tinyint", "smallint", "integer", "bigint", "date", "timestamp with time zone")
ROWS_MAX = 5_000_000


class Lookup:
    """`kind`: the STRUCT type of its column; `rows`: an Arrow table."""

    def __init__(self, title, key, columns, rows):
        self.name, self.key, self.columns, self.rows = title, key, columns, rows

    @property
    def kind(self):
        return "STRUCT(" + ", ".join(f"{name(column.name)} {column.text}" for column in self.columns) + ")"


def load(spark, pipeline, title, key_type):
    """Reads one. `key_type`: of the records' column, or nothing. Errors: Refused, with the place."""
    value = pipeline.lookups[title]
    entries = value.keys_among(KEYS, "lookup")
    place, key = entries["from"].place, entries["key"].text()

    def refuse(message):
        return Refused(f"lookup '{title}': {message}", place)

    origin = entries["from"].text()
    if origin.startswith(("dynamodb://", "postgres://", "postgresql://")):
        raise refuse(f"{origin.split(':')[0]} is not read on Spark; give it as a file, here or on S3")
    path = local_copy(spark, pipeline, origin, refuse)
    form = entries["format"].text() if "format" in entries else format_of(origin)
    if not form:
        raise refuse("its name does not say how it is written; add `format: csv`, parquet or json")
    connection = duck.connect(pipeline.timezone, "1GB")
    try:
        columns, rows = read(connection, path, form, key, key_type, refuse)
    except duckdb.Error as error:
        raise refuse(duck.told(error)[0].split("\n")[0]) from None
    return Lookup(title, key, columns, rows)


def format_of(origin):
    path = pathlib.PurePath(origin)
    while path.suffix in (".gz", ".zst"):
        path = path.with_suffix("")
    return SUFFIXES.get(path.suffix, "")


def local_copy(spark, pipeline, origin, refuse):
    """The file on this machine."""
    if not origin.startswith(("s3://", "s3a://")):
        path = origin if os.path.isabs(origin) else str(pipeline.file.parent / origin)
        if not os.path.exists(path):
            raise refuse(f"there is no file {path}")
        return path
    if spark is None:
        raise refuse("it is on S3, and is only read within Spark")
    from .delta import spark_path

    make = spark._jvm.org.apache.hadoop.fs.Path
    local = tempfile.mkdtemp(prefix="millrace_lookup_") + "/" + origin.rsplit("/", 1)[-1]
    remote = make(spark_path(origin))
    remote.getFileSystem(spark._jsc.hadoopConfiguration()).copyToLocalFile(False, remote, make("file://" + local), True)
    return local


def reader(path, form, types):
    inner = f", {'types' if form == 'csv' else 'columns'} = {{{types}}}" if types else ""
    if form == "csv":
        return f"read_csv({string(path)}, header = true, strict_mode = true, quote = '\"', escape = '\"'{inner})"
    return f"read_json({string(path)}{inner})" if form == "json" else f"read_parquet({string(path)})"


def read(connection, path, form, key, key_type, refuse):
    found = duck.columns_of(connection, f"SELECT * FROM {reader(path, form, '')}")
    if key not in [column.name for column in found]:
        raise refuse(f"there is no column '{key}' to be the key{did_you_mean(key, [column.name for column in found])}")
    wanted, selects = [], []
    for column in found:
        text = key_type if column.name == key and key_type else column.text
        kind = duck.type_named(connection, text)
        if column.name == key and kind.id not in KEY_TYPES:
            raise refuse(f"the key '{key}' is {text}; text, a whole number, a date or a timestamptz is expected")
        wanted.append(duck.Column(column.name, kind))
        is_cast = form == "parquet" and text != column.text
        selects.append(f"CAST({name(column.name)} AS {text}) AS {name(column.name)}" if is_cast else name(column.name))
    types = ", ".join(f"{string(column.name)}: {string(column.text)}" for column in wanted)
    rows = connection.execute(f"SELECT {', '.join(selects)} FROM {reader(path, form, types)}").to_arrow_table()
    if rows.num_rows > ROWS_MAX:
        raise refuse(f"it has more than {ROWS_MAX} rows, the limit of a lookup, which is held in memory")
    connection.register("_lookup", rows)
    at = connection.execute(f"SELECT row_number() OVER () FROM _lookup QUALIFY {name(key)} IS NULL LIMIT 1").fetchone()
    if at:
        raise refuse(f"row {at[0]} has no key; give it one, or remove it")
    twice = connection.execute(f"SELECT {name(key)} FROM _lookup GROUP BY 1 HAVING count(*) > 1 LIMIT 1").fetchone()
    if twice:
        raise refuse(f"the key '{twice[0]}' occurs twice; a lookup needs one row per key: remove one")
    connection.unregister("_lookup")
    return wanted, rows


def key_type(pipeline, title, sources):
    """The type of the records' column that is looked up, if it is one."""
    kinds = set()
    for table in pipeline.tables.values():
        if table.source in pipeline.tables or title not in table.lookups:
            continue
        kinds.update(kind.sql for column, kind in sources[table.source].schema if column == table.lookups[title])
    return kinds.pop() if len(kinds) == 1 else ""
