"""Delta tables read without Spark and without millrace: the log by its letter, the files by DuckDB; and two of them compared."""

import json
import urllib.parse

import duckdb

PARTITION_TYPES = {"date": "DATE", "timestamp": "TIMESTAMPTZ", "string": "VARCHAR", "integer": "INTEGER"}


class DeltaFiles:
    """A table whose log was never cleaned."""

    def __init__(self, path):
        self.path, self.metadata, self.files, self.commits = path, None, {}, []
        for commit in sorted((path / "_delta_log").glob("*.json")):
            actions = [json.loads(line) for line in commit.read_text().splitlines()]
            self.commits.append(actions)
            for action in actions:
                self.metadata = action.get("metaData", self.metadata)
                if "remove" in action:
                    del self.files[action["remove"]["path"]]
                if "add" in action:
                    self.files[action["add"]["path"]] = action["add"]

    @property
    def schema(self):
        """[(name, type)] as the log has them."""
        return [(field["name"], field["type"]) for field in json.loads(self.metadata["schemaString"])["fields"]]

    @property
    def partition_columns(self):
        return self.metadata["partitionColumns"]

    def select(self):
        """SQL of all rows; nothing if there is no file."""
        types = dict(self.schema)
        texts = []
        for path, file in self.files.items():
            where = str(self.path / urllib.parse.unquote(path)).replace("'", "''")
            values = [
                f"CAST({'NULL' if value is None else repr(value)} AS {PARTITION_TYPES[types[name]]}) AS \"{name}\""
                for name, value in file["partitionValues"].items()
            ]
            texts.append(f"SELECT {', '.join([*values, '*'])} FROM read_parquet('{where}', hive_partitioning = false)")
        return " UNION ALL BY NAME ".join(texts)

    def rows_by_partition(self):
        """partition value -> rows, as the files' statistics tell."""
        found = {}
        for file in self.files.values():
            value = "/".join(str(one) for one in file["partitionValues"].values())
            found[value] = found.get(value, 0) + json.loads(file["stats"])["numRecords"]
        return found


def difference(ours, theirs):
    """What two tables do not share: columns, types, places of partitions, rows as values and as texts. Nothing if they are the same."""
    one, other = DeltaFiles(ours), DeltaFiles(theirs)
    if (one.schema, one.partition_columns) != (other.schema, other.partition_columns):
        return f"the columns are {one.schema} by {one.partition_columns}, not {other.schema} by {other.partition_columns}"
    if one.rows_by_partition() != other.rows_by_partition():
        return f"the partitions have {one.rows_by_partition()} rows, not {other.rows_by_partition()}"
    if not one.files:
        return ""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, table in (("one", one), ("other", other)):
        connection.execute(f"CREATE VIEW {name} AS {table.select()}")
        connection.execute(f"CREATE VIEW {name}_shown AS SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {name}")
    types = [sorted(connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {name})").fetchall()) for name in ("one", "other")]
    if types[0] != types[1]:
        return f"the files' types are {types[0]}, not {types[1]}"
    columns = ", ".join('"' + name.replace('"', '""') + '"' for name, _ in one.schema)
    for kind in ("", "_shown"):
        more, fewer = (
            connection.execute(f"SELECT {columns} FROM {a}{kind} EXCEPT ALL SELECT {columns} FROM {b}{kind} LIMIT 3").fetchall()
            for a, b in (("one", "other"), ("other", "one"))
        )
        if more or fewer:
            return f"too many: {more}, missing: {fewer}"
    return ""
