#!/usr/bin/env python3
"""Judges Delta tables with delta-rs and pyarrow, which know nothing of ours.

    delta.py DATA..    checks every table below DATA/tables; prints what is wrong, exit code 1 then

check_folder: each table opens, its rows are those of its files, and each file's statistics are true of what is in it.
compare_running: rows, version and positions that a running millrace tells are those that delta-rs reads.
"""
import datetime
import decimal
import os
import pathlib
import sys
import urllib.parse

import pyarrow
import pyarrow.ipc
import pyarrow.parquet
from deltalake import DeltaTable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness.millrace import Failure  # noqa: E402

TEXT_CHARACTERS_MAX = 32
POSITION = ["_shard", "_offset", "_row"]


def tables_of(data):
    return sorted(path.parent for path in (pathlib.Path(data) / "tables").glob("*/_delta_log"))


def leaves(columns, prefix=""):
    """Name and array of each leaf below the structs of a table or struct array; lists and maps are no leaves with bounds."""
    for name, array in columns:
        if pyarrow.types.is_struct(array.type):
            fields = array.flatten()
            yield from leaves([(field.name, fields[i]) for i, field in enumerate(array.type)], f"{prefix}{name}.")
        else:
            yield prefix + name, array


def bound(stats, kind, name):
    value = stats.get(kind)
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def is_below(low, high):
    """low <= high, where times may have been cut to milliseconds and floats are compared as such."""
    if isinstance(low, datetime.datetime):
        return low <= high
    if isinstance(low, float) or isinstance(high, float):
        return float(low) <= float(high)
    return low <= high


def is_tight(value, stat):
    """A bound is the value itself, but for what a cut text or a time in milliseconds loses."""
    if isinstance(value, datetime.datetime):
        return abs(value - stat) < datetime.timedelta(milliseconds=1)
    if isinstance(value, str):
        return value == stat or (len(value) > TEXT_CHARACTERS_MAX and stat[:TEXT_CHARACTERS_MAX] == value[:TEXT_CHARACTERS_MAX])
    if isinstance(value, (float, decimal.Decimal)):
        return float(value) == float(stat)
    return value == stat


def plain_values(array):
    values = [value for value in array.to_pylist() if value is not None]
    if values and isinstance(values[0], (bool, bytes, list)):
        return []
    return values


def check_leaf(name, array, add):
    nulls = bound(add, "null_count", name)
    if nulls is not None and nulls != array.null_count:
        yield f"nullCount of {name} is {nulls}, the file has {array.null_count}"
    low, high = bound(add, "min", name), bound(add, "max", name)
    values = plain_values(array)
    if not values:
        if low is not None or high is not None:
            yield f"{name} has bounds {low}, {high} but no values"
        return
    smallest, largest = min(values), max(values)
    if low is not None and not (is_below(low, smallest) and is_tight(smallest, low)):
        yield f"min of {name} is {low!r}, the file has {smallest!r}"
    if high is not None and not (is_below(largest, high) and is_tight(largest, high)):
        yield f"max of {name} is {high!r}, the file has {largest!r}"


def check_file(root, add):
    path = root / urllib.parse.unquote(add["path"])
    if path.stat().st_size != add["size_bytes"]:
        yield f"{path}: size {add['size_bytes']} in the log, {path.stat().st_size} on the disk"
    table = pyarrow.parquet.ParquetFile(path).read()
    if add["num_records"] != table.num_rows:
        yield f"{path}: numRecords {add['num_records']}, the file has {table.num_rows}"
    for name, array in leaves([(name, table[name].combine_chunks()) for name in table.column_names]):
        for problem in check_leaf(name, array, add):
            yield f"{path}: {problem}"


def check_table(root):
    table = DeltaTable(str(root))
    adds = pyarrow.table(table.get_add_actions(flatten=False)).to_pylist() if table.file_uris() else []
    total = 0
    for add in adds:
        yield from check_file(root, add)
        total += add["num_records"]
    rows = table.to_pyarrow_table() if adds else None
    if rows is not None and rows.num_rows != total:
        yield f"{root}: delta-rs reads {rows.num_rows} rows, the statistics say {total}"
    if rows is not None and set(POSITION) <= set(rows.column_names):
        positions = rows.group_by(POSITION).aggregate([([], "count_all")])
        if positions.num_rows != rows.num_rows:
            yield f"{root}: {rows.num_rows - positions.num_rows} rows share their position with another"


def check_folder(data):
    """Raises a Failure that names everything wrong with the tables of a data folder."""
    problems = []
    for root in tables_of(data):
        try:
            problems += check_table(root)
        except Exception as error:  # whatever delta-rs or pyarrow throws is the verdict
            problems.append(f"{root}: {type(error).__name__}: {error}")
    if problems:
        raise Failure("delta-rs judges:\n" + "\n".join(problems))
    return len(tables_of(data))


def rows_of_ours(millrace, name):
    headers = {"Content-Type": "application/json", "Accept": "application/vnd.apache.arrow.stream"}
    body = '{"sql": "SELECT * FROM \\"%s\\"", "rows_max": 1000000}' % name
    status, _, answer = millrace.request("POST", "/v1/query", body, headers)
    if status != 200:
        raise Failure(f"SELECT * FROM {name} answered {status}: {answer[:500].decode(errors='replace')}")
    return pyarrow.ipc.open_stream(answer).read_all()


def plain(value):
    """Moments in UTC, whatever zone they are shown in."""
    if isinstance(value, datetime.datetime) and value.tzinfo:
        return value.astimezone(datetime.timezone.utc)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def comparable(table, names):
    return sorted(repr([plain(row[name]) for name in names]) for row in table.select(names).to_pylist())


def first_difference(ours, theirs):
    return next((f"  ours      {mine}\n  delta-rs  {other}" for mine, other in zip(ours, theirs) if mine != other), "")


def compare_running(millrace):
    """All rows are committed: ours and delta-rs' view of each table must agree."""
    told = millrace.tables()
    for root in tables_of(millrace.data):
        if root.name not in told:
            raise Failure(f"{root.name} has a table on the disk that GET /v1/tables does not name")
        table = DeltaTable(str(root))
        said = told[root.name]
        if table.version() != int(said["version"]):
            raise Failure(f"{root.name}: version {said['version']}, delta-rs reads {table.version()}")
        mine = rows_of_ours(millrace, root.name)
        names = [field.name for field in table.schema().fields]
        theirs = table.to_pyarrow_table() if table.file_uris() else None
        count = theirs.num_rows if theirs is not None else 0
        if mine.num_rows != count or int(said["rows"]) != count:
            raise Failure(f"{root.name}: {mine.num_rows} rows queried, {said['rows']} told, delta-rs reads {count}")
        ours_read, theirs_read = (comparable(rows, names) if count else [] for rows in (mine, theirs))
        if ours_read != theirs_read:
            raise Failure(f"{root.name}: the rows differ from those that delta-rs reads\n{first_difference(ours_read, theirs_read)}")
        if "source" in said and not said["positions"]:
            raise Failure(f"{root.name}: no positions are told")
        for position in said.get("positions", []):
            read = table.transaction_version(position["app_id"])
            committed = None if position["committed"] is None else int(position["committed"])
            if read != committed:
                raise Failure(f"{root.name}: {position['app_id']} is at {committed}, delta-rs reads {read}")


def main():
    try:
        for data in sys.argv[1:]:
            print(f"{data}: {check_folder(data)} tables are in order")
    except Failure as failure:
        print(failure)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # delta-rs' threads can abort a gentle end
