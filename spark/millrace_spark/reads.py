"""Which rows of its tables a run of a job can depend on: for a statement and the job's `$day` or `$hour`.

A table is read *within* the partition where every SELECT that names it demands `column = $day` of it, or
`column >= $hour AND column < $hour + INTERVAL 1 HOUR`: rows that demand does not hold for then take no part in the answer.
"""

from .sql_text import children, kind, type_of

ONE_STEP = {"hour": {("to_hours", "1"), ("to_minutes", "60"), ("", "1 hour")}, "day": {("to_days", "1"), ("", "1"), ("", "1 day")}}


def uncast(node):
    while kind(node) == "CAST":
        node = node["child"]
    return node


def is_parameter(node):
    return kind(uncast(node)) == "PARAMETER"


def constant_of(node):
    """The innermost constant of an interval: INTERVAL 1 HOUR is to_hours(CAST(trunc(CAST(1 AS …))))."""
    inner = uncast(node)
    if kind(inner) == "CONSTANT":
        return str((inner.get("value") or {}).get("value", "")).lower()
    if kind(inner) == "FUNCTION" and len(inner["children"]) == 1:
        return constant_of(inner["children"][0])
    return ""


def is_one_step_on(node, each):
    """`$day + 1`, `$hour + INTERVAL 1 HOUR`"""
    total = uncast(node)
    if total.get("function_name") != "+" or len(total["children"]) != 2 or not is_parameter(total["children"][0]):
        return False
    step = uncast(total["children"][1])
    word = step.get("function_name", "") if kind(step) == "FUNCTION" else ""
    return (word, constant_of(step)) in ONE_STEP[each]


def column_of(node):
    """(table or None, column) in lower case of a plain reference; None if it is none."""
    if kind(node) != "COLUMN_REF" or len(node["column_names"]) > 2:
        return None
    names = [part.lower() for part in node["column_names"]]
    return (names[0] if len(names) == 2 else None, names[-1])


class Demand:
    """What a WHERE demands of a column: `=` the partition, or both bounds of it."""

    def __init__(self, table, column, is_equal):
        self.table, self.column, self.is_equal = table, column, is_equal


def conjuncts(where):
    if type_of(where) == "CONJUNCTION_AND":
        return [part for child in where["children"] for part in conjuncts(child)]
    return [where] if isinstance(where, dict) else []


def demands_of(where, each):
    """The demands of one WHERE."""
    found, lower, upper = [], set(), set()
    for part in conjuncts(where):
        word = type_of(part)
        if word == "COMPARE_EQUAL":
            for one, other in (("left", "right"), ("right", "left")):
                if kind(part[other]) == "PARAMETER" and column_of(part[one]):
                    found.append(Demand(*column_of(part[one]), True))
        elif word.startswith(("COMPARE_GREATER", "COMPARE_LESS")):
            is_less = word.startswith("COMPARE_LESS")
            small, large = (part["left"], part["right"]) if is_less else (part["right"], part["left"])
            is_strict = not word.endswith("EQUALTO")
            if kind(small) == "PARAMETER" and column_of(large) and not is_strict:
                lower.add(column_of(large))
            elif is_one_step_on(large, each) and column_of(small) and is_strict:
                upper.add(column_of(small))
    return found + [Demand(*column, False) for column in sorted(lower & upper, key=str)]


class Reader:
    """Visits each SELECT of a statement; table in lower case -> its demands, one for each place that names it, None for none."""

    def __init__(self, each):
        self.each, self.found = each, {}

    def visit(self, node):
        if not isinstance(node, dict):
            for child in children(node):
                self.visit(child)
            return
        if type_of(node) == "BASE_TABLE":
            self.note(node, None)
        is_select = type_of(node) == "SELECT_NODE" and "from_table" in node
        for key, child in node.items():
            if not is_select or key != "from_table":
                self.visit(child)
        if is_select:
            source = node["from_table"]
            self.visit_from(source, demands_of(node.get("where_clause"), self.each), type_of(source) == "BASE_TABLE")

    def visit_from(self, node, demands, is_only_one):
        """Through these joins a row only comes with a row of each table that is demanded, and others take no part in it."""
        if type_of(node) == "BASE_TABLE":
            alias = (node.get("alias") or node["table_name"]).lower()
            fitting = [one for one in demands if one.table == alias or (one.table is None and is_only_one)]
            self.note(node, fitting[0] if fitting and not node.get("column_name_alias") else None)
            return
        followed = self.followed_sides(node)
        for key, child in node.items():
            if key in followed:
                self.visit_from(child, demands, False)
            else:
                self.visit(child)

    @staticmethod
    def followed_sides(node):
        """The sides of a join of which rows that are not demanded could be left out before it."""
        if type_of(node) != "JOIN" or node.get("ref_type") not in ("REGULAR", "CROSS", "ASOF"):
            return ()
        how, is_nearest = node.get("join_type"), node["ref_type"] == "ASOF"
        if how in ("SEMI", "ANTI") or (is_nearest and how in ("INNER", "LEFT")):
            return ("left",)
        return ("left", "right") if how in ("INNER", "LEFT", "RIGHT") and not is_nearest else ()

    def note(self, table, demand):
        self.found.setdefault(table["table_name"].lower(), []).append(demand)


def within(statement, each):
    """table in lower case -> the one demand that all places of it share; tables read otherwise are left out."""
    if not each:
        return {}
    reader = Reader(each)
    reader.visit(statement)
    shared = {}
    for table, demands in reader.found.items():
        kinds = {(one.column, one.is_equal) if one else None for one in demands}
        if len(kinds) == 1 and None not in kinds:
            shared[table] = demands[0]
    return shared


def both(one, other):
    """What two statements share: `other` may leave tables out, or read them otherwise."""
    return {
        table: demand
        for table, demand in one.items()
        if table in other and (other[table].column, other[table].is_equal) == (demand.column, demand.is_equal)
    }
