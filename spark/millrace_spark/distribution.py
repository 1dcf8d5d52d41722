"""Whether a job may be computed in parts, where a part has all rows of some values of the key (`distribute_by`).

A relation is *keyed* if each of its rows belongs to one part, and columns of it are known to hold the key. Tables without the
column are *replicated*: every part sees all of them. What mixes rows of several keys is refused, with its place.
"""

from .errors import Refused
from .reads import conjuncts
from .sql_text import children, kind, location, nodes, type_of

FITTING_JOINS = {"left": ("INNER", "LEFT", "SEMI", "ANTI"), "right": ("INNER", "RIGHT")}


class Keyed:
    """`columns`: (relation or None, column), in lower case, that hold the key; one with the same name and no relation stands for all."""

    def __init__(self, columns):
        self.columns = set(columns)

    def holds(self, node):
        if kind(node) != "COLUMN_REF":
            return False
        names = [part.lower() for part in node["column_names"]]
        if len(names) == 1:
            return any(column == names[0] for _, column in self.columns)
        return len(names) == 2 and (names[0], names[1]) in self.columns

    def named(self, alias):
        return Keyed((alias.lower(), column) for _, column in self.columns)


REPLICATED = None
RENAMED = "columns renamed behind an alias are not followed; rename them with AS in the SELECT"


class Checker:
    def __init__(self, sql, key, keyed_tables, aggregates):
        self.sql, self.key, self.keyed_tables, self.aggregates = sql, key.lower(), keyed_tables, aggregates

    def refuse(self, node, message):
        at = next((location(one) for one in nodes(node) if location(one) is not None), 0)
        raise Refused(f"distribute_by {self.key}: {message}", self.sql.place_of(at))

    def check(self, statement):
        result = self.query(statement["node"], {}, ())
        if result is REPLICATED:
            self.refuse(statement, f"no table that it reads has the column '{self.key}'; leave distribute_by out, or name another column")

    def query(self, node, ctes, outer):
        """Keyed or REPLICATED, with the columns of its result that hold the key."""
        ctes = dict(ctes)
        for entry in (node.get("cte_map") or {}).get("map", []):
            made = self.query(entry["value"]["query"]["node"], ctes, outer)
            if made is not REPLICATED and entry["value"].get("aliases"):
                self.refuse(entry["value"]["query"], RENAMED)
            ctes[entry["key"].lower()] = made
        word = type_of(node)
        if word == "SELECT_NODE":
            return self.select(node, ctes, outer)
        if word == "SET_OPERATION_NODE":
            return self.set_operation(node, ctes, outer)
        if word == "CTE_NODE":
            ctes[node["cte_name"].lower()] = self.query(node["query"], ctes, outer)
            return self.query(node["child"], ctes, outer)
        if any(self.is_keyed_table(one, ctes) for one in nodes(node)):
            self.refuse(node, f"{word.removesuffix('_NODE').replace('_', ' ').lower()} cannot be computed in parts")
        return REPLICATED

    def is_keyed_table(self, node, ctes):
        if type_of(node) != "BASE_TABLE":
            return False
        table = node["table_name"].lower()
        return ctes[table] is not REPLICATED if table in ctes else table in self.keyed_tables

    def set_operation(self, node, ctes, outer):
        sides = node.get("children") or [node["left"], node["right"]]
        found = [self.query(side, ctes, outer) for side in sides]
        if all(one is REPLICATED for one in found):
            return REPLICATED
        if any(one is REPLICATED for one in found):
            self.refuse(node, "one side reads no table with the key, and would come once from each part")
        word = node.get("setop_type")
        if word == "UNION_BY_NAME":
            shared = set.intersection(*({column for _, column in one.columns} for one in found))
        else:
            shared = self.at_one_place(sides, found)
        if not (word.startswith("UNION") and node.get("setop_all")) and not shared:
            self.refuse(node, f"both sides must give '{self.key}' under one name at one place, with all columns named")
        self.modifiers(node, None)
        return Keyed((None, column) for column in shared)

    @staticmethod
    def at_one_place(sides, found):
        """Names of columns that hold the key on all sides and at the same place of each."""
        places = []
        for side, one in zip(sides, found):
            items = side.get("select_list")
            if items is None:  # a set operation itself: what it shares stands where its first side has it
                first = (side.get("children") or [side.get("left")])[0]
                items = (first or {}).get("select_list") or []
            if any(kind(item) == "STAR" for item in items):
                return set()
            names = [(item.get("alias") or (item.get("column_names") or [""])[-1]).lower() for item in items]
            places.append({(at, column) for at, column in enumerate(names) if (None, column) in one.columns})
        return {column for _, column in set.intersection(*places)}

    def select(self, node, ctes, outer):
        where = node.get("where_clause")
        rows = self.source(node["from_table"], ctes, outer, self.equalities(where, ("COMPARE_EQUAL",)))
        self.expressions(node, rows, ctes, outer)
        if rows is REPLICATED:
            return REPLICATED
        self.grouping(node, rows)
        self.windows(node, rows)
        self.modifiers(node, rows)
        return self.result(node["select_list"], rows)

    def equalities(self, condition, words=("COMPARE_EQUAL", "COMPARE_NOT_DISTINCT_FROM")):
        """The pairs of expressions that must be equal."""
        if type_of(condition) == "CONJUNCTION_AND":
            return [pair for child in condition["children"] for pair in self.equalities(child, words)]
        if type_of(condition) in words:
            return [(condition["left"], condition["right"])]
        return []

    def source(self, node, ctes, outer, demanded):
        word = type_of(node)
        if word == "BASE_TABLE":
            table, alias = node["table_name"].lower(), node.get("alias") or node["table_name"]
            rows = ctes[table] if table in ctes else Keyed([(None, self.key)]) if table in self.keyed_tables else REPLICATED
            return self.renamed(node, rows, alias)
        if word == "SUBQUERY":
            return self.renamed(node, self.query(node["subquery"]["node"], ctes, outer), node.get("alias") or "")
        if word == "JOIN":
            return self.join(node, ctes, outer, demanded)
        if any(self.is_keyed_table(one, ctes) for one in nodes(node)):
            self.refuse(node, f"{word.replace('_', ' ').lower()} cannot be computed in parts")
        return REPLICATED

    def renamed(self, node, rows, alias):
        if rows is REPLICATED:
            return REPLICATED
        if node.get("column_name_alias"):
            self.refuse(node, RENAMED)
        return rows.named(alias)

    def join(self, node, ctes, outer, demanded):
        left, right = (self.source(node[side], ctes, outer, demanded) for side in ("left", "right"))
        how, ref = node.get("join_type"), node.get("ref_type")
        if left is REPLICATED and right is REPLICATED:
            return REPLICATED
        if ref in ("POSITIONAL", "NATURAL"):
            self.refuse(node["right"], f"a {ref.lower()} join does not name its columns; use USING or ON")
        if left is REPLICATED or right is REPLICATED:
            side = "left" if right is REPLICATED else "right"
            if how not in FITTING_JOINS[side]:
                self.refuse(
                    node["right"], f"in this {how.lower()} join rows of a table without '{self.key}' would come once from each part"
                )
            return left if side == "left" else right
        using = {column.lower() for column in node.get("using_columns") or []}
        pairs = self.equalities(node.get("condition")) + (demanded if how == "INNER" else [])
        is_equal = any({c for _, c in left.columns} & {c for _, c in right.columns} & {column} for column in using) or any(
            (left.holds(a) and right.holds(b)) or (left.holds(b) and right.holds(a)) for a, b in pairs
        )
        if not is_equal:
            self.refuse(node["right"], f"this join must demand that '{self.key}' is equal on both sides")
        return self.joined(node, how, left, right, using)

    def joined(self, node, how, left, right, using):
        if how in ("LEFT", "SEMI", "ANTI"):
            return left
        if how == "RIGHT":
            return right
        if how == "INNER":
            return Keyed(left.columns | right.columns)
        shared = using & {c for _, c in left.columns} & {c for _, c in right.columns}
        if how not in ("FULL", "OUTER") or not shared:
            self.refuse(node["right"], f"a full join must be USING ({self.key})")
        return Keyed((None, column) for column in shared)

    def expressions(self, node, rows, ctes, outer):
        """Subqueries within expressions may read keyed tables only for the key of the row at hand."""
        demanded = [id(one) for one in conjuncts(node.get("where_clause"))]
        parts = [node.get(part) for part in ("select_list", "where_clause", "group_expressions", "having", "qualify")]
        for one in self.outer_nodes([*parts, *self.conditions(node["from_table"])]):
            if kind(one) == "SUBQUERY":
                self.subquery(one, id(one) in demanded, rows, (ctes, outer))

    def conditions(self, source):
        if type_of(source) != "JOIN":
            return []
        return [source.get("condition"), *self.conditions(source["left"]), *self.conditions(source["right"])]

    def outer_nodes(self, node):
        if isinstance(node, dict):
            yield node
            if kind(node) == "SUBQUERY":
                return
        for child in children(node):
            yield from self.outer_nodes(child)

    def subquery(self, node, is_demanded, rows, scope):
        """`key IN (SELECT key …)` only as a condition of WHERE: elsewhere a NULL anywhere in the list would count."""
        inner, (ctes, outer) = node["subquery"]["node"], scope
        if not any(self.is_keyed_table(one, ctes) for one in nodes(inner)):
            return
        if rows is REPLICATED or type_of(inner) != "SELECT_NODE":
            self.refuse(node, "this subquery reads rows of all keys")
        source = self.source(inner["from_table"], ctes, (*outer, rows), self.equalities(inner.get("where_clause")))
        pairs = self.equalities(inner.get("where_clause"))
        is_bound = source is not REPLICATED and any(
            (self.qualified(a, source) and self.qualified(b, rows)) or (self.qualified(b, source) and self.qualified(a, rows))
            for a, b in pairs
        )
        if is_bound:
            return self.expressions(inner, source, ctes, outer)
        result = self.select(inner, ctes, outer)
        is_member = (
            is_demanded
            and node.get("subquery_type") == "ANY"
            and node.get("comparison_type") == "COMPARE_EQUAL"
            and rows.holds(node["child"])
            and result is not REPLICATED
            and result.holds_first
        )
        if not is_member:
            self.refuse(
                node, f"this subquery reads rows of all keys; demand that its '{self.key}' is that of the row, with both tables named"
            )
        return None

    @staticmethod
    def qualified(node, rows):
        return (
            kind(node) == "COLUMN_REF"
            and len(node["column_names"]) == 2
            and tuple(part.lower() for part in node["column_names"]) in rows.columns
        )

    def grouping(self, node, rows):
        selected = node["select_list"]
        if node.get("aggregate_handling") == "FORCE_AGGREGATES":  # GROUP BY ALL
            if not any(rows.holds(one) for one in selected):
                self.refuse(selected, f"GROUP BY ALL must have '{self.key}' itself among the columns")
            return
        groups = node.get("group_expressions") or []
        if groups:
            held = {i for i, one in enumerate(groups) if self.is_key_group(one, selected, rows)}
            sets = node.get("group_sets") or [list(range(len(groups)))]
            if not all(held & set(one) for one in sets):
                self.refuse(groups, f"'{self.key}' itself must be in every GROUP BY, and in every grouping set")
            return
        if node.get("group_sets") or node.get("having"):
            self.refuse(selected, f"without GROUP BY {self.key} this is one group over rows of all keys")
        for part in ("select_list", "having", "qualify"):
            for one in self.outer_nodes(node.get(part)):
                if kind(one) == "FUNCTION" and one.get("function_name", "").lower() in self.aggregates:
                    called = "count(*)" if one["function_name"] == "count_star" else one["function_name"] + "()"
                    self.refuse(one, f"{called} without GROUP BY {self.key} is over rows of all keys")

    def is_key_group(self, one, selected, rows):
        if kind(one) == "CONSTANT":
            at = (one.get("value") or {}).get("value")
            return isinstance(at, int) and 0 < at <= len(selected) and rows.holds(selected[at - 1])
        if rows.holds(one):
            return True
        return (
            kind(one) == "COLUMN_REF"
            and len(one["column_names"]) == 1
            and any(rows.holds(item) and item.get("alias", "").lower() == one["column_names"][0].lower() for item in selected)
        )

    @staticmethod
    def is_key_target(one, selected, rows):
        """Of DISTINCT ON, where a name is first of all that of a column of the result."""
        if not rows.holds(one):
            return False
        named = [item for item in selected if item.get("alias", "").lower() == one["column_names"][0].lower()]
        return len(one["column_names"]) > 1 or all(rows.holds(item) for item in named)

    def windows(self, node, rows):
        for part in ("select_list", "qualify"):
            for one in self.outer_nodes(node.get(part)):
                if kind(one) == "WINDOW" and not any(rows.holds(by) for by in one.get("partitions") or []):
                    self.refuse(one, f"'{self.key}' must be in the PARTITION BY of every window")

    def modifiers(self, node, rows):
        for one in node.get("modifiers") or []:
            word = type_of(one)
            if word.startswith("LIMIT"):
                self.refuse(node.get("select_list") or node, "LIMIT is over rows of all keys")
            if word != "DISTINCT_MODIFIER":
                continue
            targets = one.get("distinct_on_targets") or []
            is_held = rows is not None and (
                any(self.is_key_target(t, node["select_list"], rows) for t in targets)
                if targets
                else bool(self.result(node["select_list"], rows).columns)
            )
            if not is_held:
                self.refuse(
                    targets or node.get("select_list") or node,
                    f"'{self.key}' must be in every DISTINCT ON, and among the columns of DISTINCT",
                )

    def result(self, selected, rows):
        """The columns of the result that hold the key."""
        columns = set()
        for item in selected:
            if kind(item) == "STAR" and not item.get("columns"):
                gone, of = {str(x).lower() for x in self.star_names(item)}, item.get("relation_name", "").lower()
                columns.update((None, column) for table, column in rows.columns if column not in gone and of in ("", table))
            elif rows.holds(item):
                columns.add((None, (item.get("alias") or item["column_names"][-1]).lower()))
        found = Keyed(columns)
        found.holds_first = len(selected) == 1 and rows.holds(selected[0])
        return found

    @staticmethod
    def star_names(item):
        """Names that a `*` leaves out or gives another value or name."""
        names = []
        for key in ("exclude_list", "qualified_exclude_list", "replace_list", "rename_list"):
            for entry in item.get(key) or []:
                if isinstance(entry, str):
                    names.append(entry)
                elif isinstance(entry, dict):
                    inner = entry.get("key", entry)
                    names.append(inner if isinstance(inner, str) else inner.get("column", inner.get("column_name", "")))
        return names


def check(statement, sql, key, keyed_tables, aggregates):
    """Errors: Refused, with the place of what mixes keys."""
    Checker(sql, key, {table.lower() for table in keyed_tables}, aggregates).check(statement)
