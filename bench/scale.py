"""What docs/scaling.md extrapolates from: bytes per order, commits per second on one table, and what a table of many files costs."""
import pathlib
import shutil
import statistics
import sys

import process
from pipelines import LOG, check_totals, fresh, orders, write_pipeline
from process import Failure, Measured

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
from harness.s3_store import S3Store, versitygw  # noqa: E402

RACE = process.PROGRAMS.parent / "src" / "app" / "lake_race"
ORDERS = 500_000
COMMITS = 400
WRITERS = (1, 2, 4, 8)
FILES = (500, 2_000)


def race(place, writers, commits, scratch, environment=None):
    """Commits, each with a file of three rows; who loses one tries again."""
    return process.run(RACE, place, writers, commits, scratch, environment=environment)[1]


def bytes_below(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())


def bytes_per_order(table):
    """Of the log, of the lake, and of what a client sends."""
    folder, truth = orders("scale", ORDERS)
    write_pipeline(folder, source=LOG)
    shutil.rmtree(folder / "data", ignore_errors=True)
    lines = (folder / "orders.ndjson").read_bytes().splitlines(keepends=True)
    with Measured(folder).start() as millrace:
        for first in range(0, len(lines), 5_000):
            millrace.send("orders", b"".join(lines[first:first + 5_000]))
        millrace.wait_number("SELECT (SELECT count(*) FROM checked_orders) + (SELECT count(*) FROM _rejects)",
                             truth["rows"] + truth["rejects"])
        check_totals(millrace, truth)
        millrace.finish()
    sent = sum(map(len, lines)) / len(lines)
    logged = bytes_below(folder / "data" / "log") / len(lines)
    kept = sum(path.stat().st_size for path in (folder / "data/tables/checked_orders").rglob("*.parquet")) / truth["rows"]
    table.add("an order: sent, in the log, in a table", f"{sent:.0f}, {logged:.0f}, {kept:.0f} bytes", "", True)


def commits_of_writers(options, table, where, place, environment=None):
    for writers in WRITERS:
        costs = [race(place(f"{writers}_{number}"), writers, COMMITS, fresh("race"), environment) for number in range(options.rounds)]
        rate = COMMITS / statistics.median(cost.seconds for cost in costs)
        cpu = statistics.median(cost.cpu for cost in costs) / COMMITS * 1000
        table.add(f"commits to one table {where}, {writers} writers", f"{rate:.0f}/s, {cpu:.1f} ms of CPU each", "", True)


def commits_of_many_files(options, table):
    times = {count: statistics.median(race(fresh("raced") / "lake", 1, count, fresh("race")).seconds for _ in range(options.rounds))
             for count in FILES}
    few, many = FILES
    table.add("a commit to a table of many small files", f"{times[few] / few * 1000:.1f} ms with up to {few} files, "
              f"{(times[many] - times[few]) / (many - few) * 1000:.1f} ms from {few} to {many}", "", True)


def scale(options, table):
    if not RACE.exists():
        raise Failure(f"{RACE} is not built: ninja lake_race")
    bytes_per_order(table)
    commits_of_writers(options, table, "in a folder", lambda name: fresh("raced") / name)
    commits_of_many_files(options, table)
    store = S3Store(fresh("s3"), versitygw())
    try:
        store.boto3().create_bucket(Bucket="race")
        commits_of_writers(options, table, f"on S3 ({store.name})", lambda name: f"s3://race/{name}", store.environment())
    finally:
        store.close()
