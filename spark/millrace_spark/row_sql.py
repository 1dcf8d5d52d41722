"""The SQL of a table: one SELECT that works row by row. What would depend on how the stream was cut, or on when it ran, is refused."""

import json

import duckdb

from . import duck
from .errors import Refused
from .sql_text import NO_LOCATION, SURROUNDINGS, children, kind, location, name, parse, type_of

POSITIONS = ("_shard", "_offset", "_row", "_received_at")
OPERATORS = {"PROJECTION", "FILTER", "UNNEST", "EMPTY_RESULT", "DUMMY_SCAN", "ROOT", "COLUMN_DATA_SCAN", "SEQ_SCAN", "TABLE_SCAN"}
ROLLUP = "use a job for what needs more than one row"


class Checker:
    def __init__(self, sql, relation, functions):
        self.sql, self.relation, (self.aggregates, self.varying) = sql, relation, functions

    def refuse(self, node, what, mend):
        raise Refused(f"{what} not possible row by row; {mend}", self.sql.place_of(location(node) or 0))

    def select(self, node):
        if type_of(node) != "SELECT_NODE":
            self.refuse(node, "UNION, EXCEPT and INTERSECT are", "write one SELECT, or one table for each branch")
        for modifier in node["modifiers"]:
            word = type_of(modifier)
            if word == "DISTINCT_MODIFIER":
                self.refuse(node, "DISTINCT is", "use `unique` to drop repeated records")
            at = modifier["orders"][0]["expression"] if word == "ORDER_MODIFIER" else node
            self.refuse(at, "ORDER BY is" if word == "ORDER_MODIFIER" else "LIMIT is", ROLLUP)
        if node["group_expressions"] or node.get("aggregate_handling") != "STANDARD_HANDLING":
            self.refuse(node, "GROUP BY is", ROLLUP)
        for key, what in (("having", "HAVING is"), ("qualify", "QUALIFY is"), ("sample", "a sample is")):
            if node.get(key) is not None:
                self.refuse(node[key], what, ROLLUP)
        if node["cte_map"]["map"]:
            self.refuse(node, "WITH is", "write the query in FROM (SELECT …) instead")
        self.source(node["from_table"])
        self.expression(node["select_list"])
        self.expression(node["where_clause"])

    def source(self, node):
        word = type_of(node)
        if word == "BASE_TABLE":
            table = node["table_name"]
            if table.lower() != self.relation.lower() or node.get("schema_name"):
                self.refuse(
                    node, f"reading '{table}' is", f"this table reads FROM {self.relation} only; use `lookups` for reference data"
                )
        elif word == "SUBQUERY":
            self.select(node["subquery"]["node"])
        else:
            self.refuse(
                node,
                "a join is" if word == "JOIN" else "this FROM is",
                f"write FROM {self.relation}; use `lookups` for reference data and unnest(…) in the SELECT list for lists",
            )

    def expression(self, node):
        if isinstance(node, dict):
            self.check(node)
        for child in children(node):
            self.expression(child)

    def check(self, node):
        word = kind(node)
        if word == "WINDOW":
            self.refuse(node, "a window function is", ROLLUP)
        if word == "SUBQUERY":
            self.refuse(node, "a subquery is", "use `lookups`, or list functions such as list_sum")
        if word == "PARAMETER":
            self.refuse(node, "a parameter is", "write the value itself")
        if word == "COLUMN_REF" and len(node["column_names"]) == 1 and node["column_names"][0].lower() in SURROUNDINGS:
            self.refuse(
                node, f"{node['column_names'][0]} gives another answer each time and is", "use _received_at for the time of arrival"
            )
        if word != "FUNCTION":
            return
        called = node.get("function_name", "").lower()
        if called in self.aggregates:
            self.refuse(node, f"the aggregate {called}() is", ROLLUP)
        if called in self.varying:
            self.refuse(node, f"{called} gives another answer each time and is", "use _received_at for the time of arrival")


def column_ref(column):
    return {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "query_location": NO_LOCATION, "column_names": [column]}


ZERO_AS_ROW = {
    "class": "CONSTANT",
    "type": "VALUE_CONSTANT",
    "alias": "_row",
    "query_location": NO_LOCATION,
    "value": {"type": {"id": "INTEGER", "type_info": None}, "is_null": False, "value": 0},
}


def is_position(node):
    if kind(node) != "COLUMN_REF":
        return False
    column = node["column_names"][-1].lower()
    return column in POSITIONS and node.get("alias", "").lower() in ("", column)


def add_positions(node, is_outermost):
    """Leaves the position columns out wherever the SELECT would bring them, and puts them at its end."""
    if type_of(node["from_table"]) == "SUBQUERY":
        add_positions(node["from_table"]["subquery"]["node"], False)
    kept = []
    for item in node["select_list"]:
        if is_position(item):
            continue
        if kind(item) == "STAR":
            there = {str(column).lower() for column in item.get("exclude_list") or [] if isinstance(column, str)}
            item["exclude_list"] = [
                *(item.get("exclude_list") or []),
                *(c for c in ("_shard", "_offset", "_received_at") if c not in there),
            ]
        kept.append(item)
    zero = [json.loads(json.dumps(ZERO_AS_ROW))] if is_outermost else []
    node["select_list"] = [*kept, column_ref("_shard"), column_ref("_offset"), *zero, column_ref("_received_at")]


def compile_select(connection, sql, relation, functions):
    """SQL with the position columns at its end, HUGEINT as DECIMAL(38,0); `connection` must know the relation.
    Errors: Refused, with its place."""
    statement = parse(connection, sql)
    Checker(sql, relation, functions).select(statement["node"])
    prepare(connection, sql)
    add_positions(statement["node"], True)
    text = json.dumps({"error": False, "statements": [statement]})
    compiled = connection.execute("SELECT json_deserialize_sql(?::JSON)", [text]).fetchone()[0]
    widened = [
        f"CAST({name(column.name)} AS DECIMAL(38,0)) AS {name(column.name)}"
        for column in duck.columns_of(connection, compiled)
        if column.kind.id == "hugeint"
    ]
    return f"SELECT * REPLACE ({', '.join(widened)}) FROM ({compiled})" if widened else compiled


def prepare(connection, sql):
    prefix = "PREPARE of_table AS "
    try:
        connection.execute(prefix + sql.text)
        connection.execute("DEALLOCATE of_table")
    except duckdb.Error as error:
        raise duck.refused(error, sql, len(prefix)) from None


def check_expression(connection, sql, relation, functions):
    """The same check for one expression over the rows of a relation."""
    prefix = "SELECT "
    whole = _Moved(sql, prefix, f"{prefix}{sql.text}\n FROM {name(relation)}")
    statement = parse(connection, whole)
    if len(statement["node"]["select_list"]) != 1:
        raise Refused("one expression is expected", sql.place)
    Checker(whole, relation, functions).select(statement["node"])
    prepare(connection, whole)


class _Moved:
    """An Sql whose text stands behind a prefix."""

    def __init__(self, sql, prefix, text):
        self.sql, self.prefix, self.text = sql, prefix, text

    def place_of(self, byte=0):
        return self.sql.place_of(max(byte - len(self.prefix), 0))

    @property
    def place(self):
        return self.sql.place
