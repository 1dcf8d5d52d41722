#!/usr/bin/env python3
"""Judges what a pipeline kept, knowing only what was acknowledged and the final table files (read by delta-rs).

    kill_check.py SENT TABLES

SENT has a JSON object per line and record: n (unique), key (the unique column), fate (good, bad, broken, hidden), and if it was
acknowledged shard and offset. The pipeline is tests/kill_test.py's. Checked, for each table that reads the source:
  each acknowledged record exactly once in the table, in the rejects, or nowhere if its fate is hidden (the SQL's WHERE);
  at its acknowledged position; one record of each key in the table, the others rejected as duplicates;
  each unacknowledged record at most once; positions that never move backwards from one table version to the next.
"""
import collections
import json
import os
import pathlib
import re
import sys

from deltalake import DeltaTable

REASON = {"bad": {"has_amount"}, "broken": {"malformed"}}
NUMBER = re.compile(rb'"n": ?(\d+)')


class Ledger:
    """Where each record was found: by its number, a list of (place, shard, offset)."""

    def __init__(self):
        self.found = collections.defaultdict(list)
        self.problems = []

    def wrong(self, text):
        self.problems.append(text)


def read_table(ledger, root):
    for row in DeltaTable(str(root)).to_pyarrow_table(columns=["n", "key", "_shard", "_offset"]).to_pylist():
        ledger.found[row["n"]].append(("table", row["_shard"], row["_offset"]))


def read_rejects(ledger, tables, name):
    for row in DeltaTable(str(tables / "_rejects")).to_pyarrow_table().to_pylist():
        if row["table"] != name:
            continue
        number = NUMBER.search(row["raw"] if isinstance(row["raw"], bytes) else row["raw"].encode())
        if not number:
            ledger.wrong(f"{name}: a reject without its raw bytes: {row}")
            continue
        ledger.found[int(number[1])].append((row["reason"], row["_shard"], row["_offset"]))


def check_record(ledger, name, record):
    found = ledger.found.pop(record["n"], [])
    if "offset" not in record:
        if len(found) > 1:
            ledger.wrong(f"{name}: record {record['n']} was never acknowledged and is there {len(found)} times")
        return [place for place, _, _ in found]
    if record["fate"] == "hidden":
        # A key that is taken makes it a duplicate before the SQL could filter it.
        if [place for place, _, _ in found] not in ([], ["duplicate"]):
            ledger.wrong(f"{name}: record {record['n']} should be filtered, but was found: {found}")
        return []
    if len(found) != 1:
        ledger.wrong(f"{name}: record {record['n']} ({record['fate']}) was acknowledged and is there {len(found)} times: {found}")
        return []
    place, shard, offset = found[0]
    if (shard, offset) != (record["shard"], record["offset"]):
        ledger.wrong(f"{name}: record {record['n']} is at {shard}/{offset}, acknowledged {record['shard']}/{record['offset']}")
    if place not in REASON.get(record["fate"], {"table", "duplicate"}):
        ledger.wrong(f"{name}: record {record['n']} ({record['fate']}) ended as {place}")
    return [place]


def check_keys(ledger, name, records, places):
    """One record of each key reached the table, if any good one of it was acknowledged."""
    taken, wanted = collections.Counter(), set()
    for record in records:
        if "table" in places[record["n"]]:
            taken[record["key"]] += 1
        if record["fate"] == "good" and "offset" in record:
            wanted.add(record["key"])
    for key, count in taken.items():
        if count > 1:
            ledger.wrong(f"{name}: key {key} is in the table {count} times")
    for key in wanted - set(taken):
        ledger.wrong(f"{name}: no record of key {key} is in the table")


def check_positions(ledger, root):
    """Reads the commit files themselves: each position grows from version to version."""
    positions, versions = {}, 0
    for path in sorted((root / "_delta_log").glob("[0-9]*.json")):
        versions += 1
        for line in path.read_text().splitlines():
            action = json.loads(line).get("txn")
            if not action:
                continue
            before = positions.get(action["appId"], -1)
            if action["version"] < before:
                ledger.wrong(f"{root.name}: {action['appId']} went back from {before} to {action['version']} in {path.name}")
            positions[action["appId"]] = action["version"]
    return versions


def main():
    sent, tables = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    records = [json.loads(line) for line in sent.read_text().splitlines()]
    problems, versions = [], 0
    for name in ("checked", "chained"):
        ledger = Ledger()
        read_table(ledger, tables / name)
        if name == "checked":
            read_rejects(ledger, tables, name)
            places = {record["n"]: check_record(ledger, name, record) for record in records}
            check_keys(ledger, name, records, places)
            for number, found in ledger.found.items():
                ledger.wrong(f"{name}: record {number} was never sent and is there: {found}")
            in_parent = {number for number, found in places.items() if "table" in found}
        else:
            counts = {number: len(found) for number, found in ledger.found.items()}
            for number in in_parent ^ set(counts):
                ledger.wrong(f"{name}: record {number} is in one of parent and child only")
            for number, count in counts.items():
                if count != 1:
                    ledger.wrong(f"{name}: record {number} is there {count} times")
        versions += check_positions(ledger, tables / name)
        problems += ledger.problems
    check_positions_of_rejects = Ledger()
    versions += check_positions(check_positions_of_rejects, tables / "_rejects")
    problems += check_positions_of_rejects.problems
    acknowledged = sum("offset" in record for record in records)
    print(f"{len(records)} records sent, {acknowledged} acknowledged, {len(in_parent)} in the table, {versions} versions, "
          f"{len(problems)} problems")
    for problem in problems[:40]:
        print("  " + problem)
    return 1 if problems or acknowledged == 0 or not in_parent else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # delta-rs' threads can abort a gentle end
