"""SQL as text and as DuckDB's own parsed form, `json_serialize_sql`."""

import json
import re

from .errors import Refused

NO_LOCATION = 2**64 - 1
PURE_TABLE_FUNCTIONS = {"range", "generate_series", "unnest", "json_each", "json_tree"}
# What SQL writes without brackets.
VALUE_NAMES = {
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "current_user",
    "session_user",
    "user",
    "current_role",
}
# Functions that DuckDB calls consistent but that answer from their surroundings.
SURROUNDINGS = VALUE_NAMES | {
    "current_database",
    "current_catalog",
    "current_schema",
    "current_schemas",
    "current_setting",
    "getvariable",
    "getenv",
    "version",
    "in_search_path",
    "write_log",
    "pg_backend_pid",
    "txid_current",
    "current_query",
    "today",
    "get_current_time",
}
TAG = re.compile(r"\$\w*\$")


def name(text):
    return '"' + text.replace('"', '""') + '"'


def string(text):
    return "'" + text.replace("'", "''") + "'"


def without_semicolon(text):
    text = text.strip(" \t\r\n")
    while text.endswith(";"):
        text = text[:-1].strip(" \t\r\n")
    return text


def end_of_quoted(text, at):
    """Where the string, quoted name or comment that starts at `at` ends; `at` itself if none does."""

    def after(closing, start):
        found = text.find(closing, start)
        return len(text) if found < 0 else found + len(closing)

    if text[at] == '"':
        return after('"', at + 1)
    if text[at] == "'":
        has_escapes = at > 0 and text[at - 1] in "eE"
        i = at + 1
        while i < len(text):
            if has_escapes and text[i] == "\\":
                i += 1
            elif text[i] == "'":
                return i + 1
            i += 1
        return len(text)
    if text.startswith("--", at):
        return after("\n", at)
    if text.startswith("/*", at):
        return after("*/", at + 2)
    tag = TAG.match(text, at) if text[at] == "$" else None
    return after(tag[0], tag.end()) if tag else at


def with_parameter(text, parameter, literal):
    """`text` with each `$parameter` replaced, wherever it is not within a string, a quoted name or a comment."""
    out, at, mark = [], 0, "$" + parameter
    while at < len(text):
        end = end_of_quoted(text, at)
        if end > at:
            out.append(text[at:end])
            at = end
            continue
        after = at + len(mark)
        if text.startswith(mark, at) and not re.match(r"[A-Za-z0-9_]|[^\x00-\x7f]", text[after : after + 1]):
            out.append(f"({literal})")
            at = after
        else:
            out.append(text[at])
            at += 1
    return "".join(out)


def kind(node):
    return node.get("class", "") if isinstance(node, dict) else ""


def type_of(node):
    found = node.get("type", "") if isinstance(node, dict) else ""
    return found if isinstance(found, str) else ""


def location(node):
    at = node.get("query_location", NO_LOCATION) if isinstance(node, dict) else NO_LOCATION
    return None if at == NO_LOCATION else at


def children(node):
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def nodes(node):
    """All objects of a parsed statement, the outer ones first."""
    if isinstance(node, dict):
        yield node
    for child in children(node):
        yield from nodes(child)


def parse(connection, sql):
    """The one statement of an Sql. Errors: Refused, with its place."""
    parsed = json.loads(connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql.text]).fetchone()[0])
    if parsed.get("error"):
        is_other = parsed.get("error_type") == "not implemented"
        message = "one SELECT is expected, nothing that changes anything" if is_other else parsed.get("error_message")
        raise Refused(message, sql.place_of(int(parsed.get("position") or 0)))
    if len(parsed["statements"]) != 1:
        raise Refused("one SELECT is expected", sql.place)
    return parsed["statements"][0]


def tables_of(statement):
    """(name, location) of the tables that are read, those left out that WITH defines."""
    found = {}

    def visit(node, scope):
        if isinstance(node, dict):
            if type_of(node) == "BASE_TABLE":
                table = node["table_name"]
                if node.get("schema_name") or table.lower() not in scope:
                    found.setdefault(table.lower(), (table, location(node)))
            if type_of(node) == "RECURSIVE_CTE_NODE":
                scope = scope | {node["cte_name"].lower()}
            for entry in (node.get("cte_map") or {}).get("map", []):
                visit(entry["value"], scope)
                scope = scope | {entry["key"].lower()}
            for key, child in node.items():
                if key != "cte_map":
                    visit(child, scope)
        else:
            for child in children(node):
                visit(child, scope)

    visit(statement, frozenset())
    return sorted(found.values(), key=lambda table: table[1] or 0)


def function_names(connection):
    """(aggregates, functions whose answer varies), in lower case. A macro of an aggregate is one."""
    rows = connection.execute(
        "SELECT DISTINCT lower(function_name), function_type, coalesce(stability, ''), coalesce(macro_definition, '') "
        "FROM duckdb_functions()"
    ).fetchall()
    aggregates = {row[0] for row in rows if row[1] == "aggregate"} - {row[0] for row in rows if row[1] == "scalar"}
    aggregates |= {row[0] for row in rows if row[1] == "macro" and aggregates & set(re.findall(r"(\w+)\(", row[3]))}
    return aggregates, {row[0] for row in rows if row[1] == "scalar" and row[2] != "CONSISTENT"} | SURROUNDINGS


def check_job_sql(statement, sql, each, varying):
    """Refuses what would not depend on the tables alone, and parameters that there are not."""

    def refuse(node, message):
        raise Refused(message, sql.place_of(location(node) or 0))

    for node in nodes(statement):
        if kind(node) == "PARAMETER" and node.get("identifier") != each:
            mend = f"this job has ${each}" if each else "a job has a parameter only with `each: day` or `each: hour`"
            refuse(node, f"there is no ${node.get('identifier')}; {mend}")
        if type_of(node) == "TABLE_FUNCTION" and node["function"].get("function_name", "").lower() not in PURE_TABLE_FUNCTIONS:
            refuse(node, f"a job reads tables only, not {node['function'].get('function_name')}()")
        if node.get("sample") is not None:
            refuse(node, "a sample is another one each time; filter with WHERE")
        called = node.get("function_name", "").lower() if kind(node) == "FUNCTION" else ""
        is_name = kind(node) == "COLUMN_REF" and len(node["column_names"]) == 1
        if called in varying or (is_name and node["column_names"][0].lower() in VALUE_NAMES):
            refuse(
                node, f"{called or node['column_names'][0]} gives another answer each time; a job's result may depend on its tables only"
            )


def reads_all_columns(statement):
    """Its answer may change when a table gets another column."""
    rows = set()
    for node in nodes(statement):
        if type_of(node) == "BASE_TABLE":
            rows.add(node["table_name"].lower())
        if type_of(node) in ("BASE_TABLE", "SUBQUERY") and isinstance(node.get("alias"), str):
            rows.add(node["alias"].lower())
    for node in nodes(statement):
        if kind(node) == "STAR" or node.get("ref_type") == "NATURAL":
            return True
        if kind(node) == "COLUMN_REF" and len(node["column_names"]) == 1 and node["column_names"][0].lower() in rows:
            return True
    return False


def columns_named(statement):
    """The names, in lower case, among which are all columns of tables that the statement can read; None: any."""
    if reads_all_columns(statement):
        return None
    found = set()
    for node in nodes(statement):
        if kind(node) == "COLUMN_REF":
            found.update(part.lower() for part in node["column_names"])
        found.update(column.lower() for column in node.get("using_columns") or [])
        if node.get("column_name_alias") or kind(node) == "POSITIONAL_REFERENCE" or type_of(node) in ("PIVOT", "SHOW_REF"):
            return None
    return found
