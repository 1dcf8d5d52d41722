#!/usr/bin/env python3
"""Shows that the judges can say no: tables with one thing wrong each, which they have to find."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import pyarrow
from deltalake import write_deltalake

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness.millrace import Failure  # noqa: E402
from judges import delta  # noqa: E402

CHECKER = pathlib.Path(__file__).resolve().parents[1] / "kill_check.py"


def table(rows):
    names = rows[0].keys()
    return pyarrow.table({name: [row[name] for row in rows] for name in names})


def write(root, rows):
    write_deltalake(str(root), table(rows))
    return sorted((root / "_delta_log").glob("*.json"))[-1]


def change_stats(commit, change):
    lines = []
    for line in commit.read_text().splitlines():
        action = json.loads(line)
        if "add" in action:
            stats = json.loads(action["add"]["stats"])
            change(stats)
            action["add"]["stats"] = json.dumps(stats)
        lines.append(json.dumps(action))
    commit.write_text("\n".join(lines) + "\n")


def put(part, name, value):
    return lambda stats: stats[part].__setitem__(name, value)


ROWS = [{"a": n, "s": f"text {n}", "_shard": 0, "_offset": n, "_row": 0} for n in range(10)]
WRONG_STATISTICS = {
    "numRecords": lambda stats: stats.__setitem__("numRecords", 9),
    "min of a": put("minValues", "a", 1),
    "max of a": put("maxValues", "a", 8),
    "nullCount of a": put("nullCount", "a", 1),
    "min of s": put("minValues", "s", "text 1"),
    "max of s": put("maxValues", "s", "zzz"),
}


def expect_refusal(data, text):
    try:
        delta.check_folder(data)
    except Failure as failure:
        if text not in str(failure):
            raise Failure(f"'{text}' is not in the verdict: {failure}") from None
        return
    raise Failure(f"the judge of tables does not see: {text}")


def check_table_judge(folder):
    write(folder / "good/tables/t", ROWS)
    delta.check_folder(folder / "good")
    for number, (text, change) in enumerate(WRONG_STATISTICS.items()):
        change_stats(write(folder / f"{number}/tables/t", ROWS), change)
        expect_refusal(folder / f"{number}", text)
    write(folder / "double/tables/t", [*ROWS, ROWS[3]])
    expect_refusal(folder / "double", "share their position")
    write(folder / "lost/tables/t", ROWS)
    next((folder / "lost/tables/t").glob("*.parquet")).unlink()
    expect_refusal(folder / "lost", "lost")


def sent_record(number, **more):
    return {"n": number, "key": f"k{number}", "fate": "good", "shard": 0, "offset": number, **more}


def row(number, **more):
    return {"n": number, "key": f"k{number}", "_shard": 0, "_offset": number, "_row": 0, **more}


def verdict(folder, sent, rows, positions=(3,)):
    """What kill_check.py says to a table of these rows."""
    tables = folder / "tables"
    for name in ("checked", "chained"):
        write(tables / name, rows)
        for index, position in enumerate(positions):
            action = {"txn": {"appId": "a", "version": position, "lastUpdated": 0}}
            (tables / name / "_delta_log" / f"{index + 1:020}.json").write_text(json.dumps(action) + "\n")
    rejects = {"table": "checked", "reason": "has_amount", "raw": b'{"n": 7}', "_shard": 0, "_offset": 7}
    write(tables / "_rejects", [rejects])
    sent = [*sent, sent_record(7, fate="bad")]
    (folder / "sent").write_text("".join(json.dumps(record) + "\n" for record in sent))
    return subprocess.run([sys.executable, CHECKER, folder / "sent", tables], capture_output=True, text=True, check=False)


def check_kill_judge(folder):
    sent = [sent_record(0), sent_record(1), {"n": 2, "key": "k2", "fate": "good"}, sent_record(3, fate="hidden")]
    good = [row(0), row(1)]
    cases = {
        "good": (0, sent, good, (1, 3)),
        "good, one unacknowledged record kept": (0, sent, [*good, row(2)], (3,)),
        "lost": (1, sent, good[:1], (3,)),
        "doubled": (1, sent, [*good, row(1)], (3,)),
        "unacknowledged record doubled": (1, sent, [*good, row(2), row(2, _offset=9)], (3,)),
        "elsewhere": (1, sent, [row(0), row(1, _offset=5)], (3,)),
        "filtered record kept": (1, sent, [*good, row(3)], (3,)),
        "rejected record kept": (1, sent, [*good, row(7)], (3,)),
        "never sent": (1, sent, [*good, row(99)], (3,)),
        "a position that goes back": (1, sent, good, (3, 2)),
        "one key twice": (1, [sent_record(0), sent_record(1, key="k0")], [row(0), row(1, key="k0")], (3,)),
    }
    for number, (name, (code, *rest)) in enumerate(cases.items()):
        place = folder / f"kill_{number}"
        place.mkdir()
        done = verdict(place, *rest)
        if done.returncode != code:
            raise Failure(f"the judge of kills is wrong about: {name}; exit code {done.returncode}\n{done.stdout}{done.stderr}")


def main():
    with tempfile.TemporaryDirectory(prefix="millrace_judges_") as folder:
        try:
            check_table_judge(pathlib.Path(folder))
            check_kill_judge(pathlib.Path(folder))
        except Failure as failure:
            print(failure)
            return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # delta-rs' threads can abort a gentle end
