"""The engine's own DuckDB, within this process: connections, schemas, Arrow in and out."""

import json
import tempfile

import duckdb
import pyarrow as pa

from .errors import Refused
from .sql_text import name, string

ENGINE = "1.5.5"  # the version that millrace is built with


def connect(zone, memory="512MB"):
    """A connection with the pipeline's zone. It spills to the machine's temporary folder beyond `memory`."""
    if duckdb.__version__ != ENGINE:
        raise Refused(
            f"duckdb {duckdb.__version__} is installed; the pipeline's SQL means what {ENGINE} makes of it: pip install duckdb=={ENGINE}"
        )
    connection = duckdb.connect(":memory:", config={"threads": 1, "autoinstall_known_extensions": False})
    for setting in (
        "errors_as_json = true",
        f"TimeZone = {string(zone)}",
        f"memory_limit = '{memory}'",
        f"temp_directory = {string(tempfile.gettempdir() + '/millrace_spark')}",
    ):
        connection.execute("SET " + setting)
    return connection


def told(error):
    """(message, byte or None) of an error of DuckDB."""
    text = str(error)
    try:
        found = json.loads(text[text.index("{") :])
    except ValueError:
        return text, None
    at = found.get("position")
    return found.get("exception_message", text), int(at) if at not in (None, "") else None


def refused(error, sql, prefix=0):
    """The same with its place in the file; `prefix` bytes stand before the user's text."""
    message, at = told(error)
    at = (at or 0) - prefix
    return Refused(message.split("\n")[0], sql.place_of(max(at, 0)))


def type_text(kind):
    """As the engine writes it."""
    word = kind.id
    if word == "struct":
        return "STRUCT(" + ", ".join(f"{name(field)} {type_text(inner)}" for field, inner in kind.children) + ")"
    if word == "list":
        return type_text(kind.children[0][1]) + "[]"
    if word == "map":
        (_, key), (_, value) = kind.children
        return f"MAP({type_text(key)}, {type_text(value)})"
    if word == "array":
        return f"{type_text(kind.children[0][1])}[{kind.children[1][1]}]"
    return str(kind)


class Column:
    def __init__(self, column, kind):
        self.name, self.kind, self.text = column, kind, type_text(kind)


def columns_of(connection, sql):
    """The columns of a SELECT, without running it."""
    relation = connection.sql(sql)
    return [Column(column, kind) for column, kind in zip(relation.columns, relation.types)]


MENDS = {
    "timestamp": "say its zone: ts AT TIME ZONE 'UTC' gives a TIMESTAMPTZ",
    "utinyint": "cast it to BIGINT",
    "ubigint": "cast it to DECIMAL(38,0)",
    "time": "cast it to VARCHAR",
}
for _same, _words in {
    "timestamp": ("timestamp_s", "timestamp_ms", "timestamp_ns"),
    "utinyint": ("usmallint", "uinteger"),
    "ubigint": ("uhugeint",),
    "time": ("time with time zone", "timetz", "interval", "uuid", "enum", "bit", "union", "sqlnull", "null"),
}.items():
    MENDS.update({_word: MENDS[_same] for _word in _words})


NOT_IN_NAMES = " ,;{}()="


def name_problem(column):
    """Why a column's name is none for Delta's writer; None if it is one."""
    if not set(column) & set(NOT_IN_NAMES + "\n\t"):
        return None
    return f"column '{column}': Delta Lake takes none of '{NOT_IN_NAMES}' in a name; rename it with AS"


def storage_problem(column, kind):
    """Why a table cannot store it; None if it can."""
    word = kind.id
    if word in ("list", "struct"):
        for field, inner in kind.children:
            if found := storage_problem(f"{column} element" if word == "list" else f"{column}.{field}", inner):
                return found
        return None
    if word in ("map", "array"):
        return f"column '{column}' is {type_text(kind)}, which Delta Lake cannot store; cast it"
    mend = MENDS.get(word)
    if str(kind) == '"NULL"':
        mend = MENDS["time"]
    return f"column '{column}' is {type_text(kind)}, which a table cannot store; {mend}" if mend else None


PLAIN_ARROW = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "varchar": pa.string(),
    "blob": pa.binary(),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "json": pa.string(),
}
PLAIN_SPARK = {
    "boolean": "boolean",
    "tinyint": "tinyint",
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "float": "float",
    "double": "double",
    "varchar": "string",
    "blob": "binary",
    "date": "date",
    "timestamp with time zone": "timestamp",
    "timestamptz": "timestamp",
    "json": "string",
}


def arrow_type(kind):
    word = kind.id
    if word == "decimal":
        return pa.decimal128(dict(kind.children)["precision"], dict(kind.children)["scale"])
    if word == "list":
        return pa.list_(pa.field("element", arrow_type(kind.children[0][1])))
    if word == "struct":
        return pa.struct([pa.field(field, arrow_type(inner)) for field, inner in kind.children])
    return PLAIN_ARROW[word]


def spark_type(kind):
    word = kind.id
    if word == "decimal":
        return "decimal({precision},{scale})".format(**dict(kind.children))
    if word == "list":
        return f"array<{spark_type(kind.children[0][1])}>"
    if word == "struct":
        return "struct<" + ",".join(f"{spark_name(field)}:{spark_type(inner)}" for field, inner in kind.children) + ">"
    return PLAIN_SPARK[word]


def spark_name(text):
    return "`" + text.replace("`", "``") + "`"


def spark_schema(columns):
    """As Spark writes it: `a` string, …"""
    return ", ".join(f"{spark_name(column.name)} {spark_type(column.kind)}" for column in columns)


def arrow_schema(columns):
    return pa.schema([pa.field(column.name, arrow_type(column.kind)) for column in columns])


def type_named(connection, text):
    return connection.sql(f"SELECT CAST(NULL AS {text})").types[0]


def spark_to_duck(kind):
    """DuckDB's name of a type of Spark's."""
    word = kind.typeName()
    plain = {
        "string": "VARCHAR",
        "boolean": "BOOLEAN",
        "byte": "TINYINT",
        "short": "SMALLINT",
        "integer": "INTEGER",
        "long": "BIGINT",
        "float": "FLOAT",
        "double": "DOUBLE",
        "date": "DATE",
        "timestamp": "TIMESTAMPTZ",
        "binary": "BLOB",
    }
    if word == "decimal":
        return f"DECIMAL({kind.precision},{kind.scale})"
    if word == "array":
        return spark_to_duck(kind.elementType) + "[]"
    if word == "struct":
        return "STRUCT(" + ", ".join(f"{name(field.name)} {spark_to_duck(field.dataType)}" for field in kind.fields) + ")"
    if word not in plain:
        raise Refused(f"columns of type {kind.simpleString()} are not read")
    return plain[word]


def to_arrow(connection, sql, schema):
    """The rows of a SELECT, as the batches of this schema."""
    table = connection.sql(sql).to_arrow_table()
    arrays = [column.cast(field.type) for column, field in zip(table.columns, schema)]
    return pa.Table.from_arrays(arrays, schema=schema).to_batches()
