"""365 daily partitions over many orders: a job's backfill against one DuckDB query over all of them."""
import json
import shutil
import statistics
import subprocess
import time

import process
from pipelines import check_totals, orders, write_pipeline
from process import BINARY, Failure, Measured

DAYS = 365
SPAN = 364.98  # records come a little before and after their time
START, FROM, TO = "2025-10-31T23:10:00Z", "2025-11-01", "2026-10-31"  # days of Berlin
LATE_DAYS = ("2025-12-24", "2026-05-01", "2026-10-30")
JOB = """
jobs:
  daily_sales:
    each: day
    sql: |
      SELECT {key}, count(*) AS orders, sum(amount) AS total
      FROM checked_orders WHERE day = $day GROUP BY ALL
"""
RECONCILE = """    reconcile:
      - [SELECT sum(total) FROM daily_sales WHERE day = $day, SELECT sum(amount) FROM checked_orders WHERE day = $day]
"""
VARIANTS = (("by customer", "customer_id", ""), ("by customer, with `reconcile`", "customer_id", RECONCILE),
            ("by currency", "currency", ""))
SUMS = "SELECT count(DISTINCT day), sum(orders), sum(CAST(total * 100 AS BIGINT)) FROM daily_sales"


def make_lake(count, customers):
    """A folder with the orders in its lake, made once, and what is true of them."""
    folder, truth = orders("backfill", count, files=max(1, count // 5_000_000), days=SPAN, customers=customers, start=START)
    stamp = folder / "lake.json"
    if stamp.exists():
        return folder, truth
    write_pipeline(folder, source="files\n    path: orders*.ndjson")
    with Measured(folder).start() as millrace:
        millrace.wait_number("SELECT (SELECT count(*) FROM checked_orders) + (SELECT count(*) FROM _rejects)",
                             truth["rows"] + truth["rejects"], seconds=3000)
        check_totals(millrace, truth)
        millrace.finish()
    stamp.write_text("{}")
    return folder, truth


def files_of(folder):
    """The files of the newest version of the table, as delta-rs finds them."""
    import deltalake
    return [uri.removeprefix("file://") for uri in deltalake.DeltaTable(folder / "data/tables/checked_orders").file_uris()]


def command(data, *words):
    """A companion of the running instance: (runs, seconds)."""
    begin = time.monotonic()
    ran = subprocess.run([BINARY, "job", *words, "--data", data, "--output", "json"], capture_output=True, text=True)
    seconds = time.monotonic() - begin
    if ran.returncode:
        raise Failure(f"job {' '.join(words)} ended with {ran.returncode}: {ran.stdout[:1000]}{ran.stderr[:1000]}")
    return json.loads(ran.stdout)["runs"], seconds


def statuses(runs):
    counts = {}
    for run in runs:
        counts[run["status"]] = counts.get(run["status"], 0) + 1
    return counts


def expect(what, found, wanted):
    if found != wanted:
        raise Failure(f"{what}: {found} instead of {wanted}")


def sums(millrace):
    """Days, orders and cents of the job's table."""
    answer = millrace.json("POST", "/v1/query", {"sql": SUMS, "timeout": "10m"})
    return [int(value) for value in answer["rows"][0]]


def forget_runs(folder):
    for table in ("daily_sales", "_runs", "_checks"):
        shutil.rmtree(folder / "data/tables" / table, ignore_errors=True)


def backfill_ours(folder, truth):
    """(seconds of the command, cost of the instance), after a look at the answers."""
    forget_runs(folder)
    with Measured(folder).start() as millrace:
        before, _ = process.cpu_and_memory(millrace.process.pid)
        runs, seconds = command(folder / "data", "backfill", "daily_sales", FROM, TO)
        after, _ = process.cpu_and_memory(millrace.process.pid)
        peak = process.peak_memory(millrace.process.pid)
        expect("runs", statuses(runs), {"succeeded": DAYS})
        expect("days, orders and cents of the job's table", sums(millrace), [DAYS, truth["rows"], truth["cents"]])
        millrace.finish()
    return process.Cost(seconds, after - before, peak)


def backfill_peer(folder, files, key, truth, threads):
    out = folder / "duckdb"
    shutil.rmtree(out, ignore_errors=True)
    (folder / "files.txt").write_text("".join(f"{path}\n" for path in files))
    cost = process.run("duckdb_backfill", folder / "files.txt", key, out, threads)[1]
    import pyarrow.compute
    import pyarrow.dataset
    days, orders_found, cents = set(), 0, 0
    for batch in pyarrow.dataset.dataset(out, partitioning="hive").to_batches(columns=["orders", "total", "day"]):
        if batch.num_rows == 0:
            continue
        days.update(batch["day"].unique().to_pylist())
        orders_found += pyarrow.compute.sum(batch["orders"]).as_py()
        cents += int(pyarrow.compute.sum(batch["total"]).as_py() * 100)
    expect("DuckDB's days, orders and cents", [len(days), orders_found, cents], [DAYS, truth["rows"], truth["cents"]])
    return cost


def check_late(folder, truth, table):
    """Late orders make exactly their days stale, and a backfill of all runs exactly those."""
    shutil.rmtree(folder / "late", ignore_errors=True)
    shutil.copytree(folder / "data", folder / "late")
    with Measured(folder, data="late").start() as millrace:
        runs, _ = command(folder / "late", "backfill", "daily_sales", FROM, TO)
        expect("runs without new data", statuses(runs), {"skipped": DAYS})
        late = "".join(json.dumps({"order_id": f"late-{day}", "customer_id": "late", "amount": 1.00, "currency": "USD", "country": "US",
                                   "ts": f"{day}T12:00:00Z"}) + "\n" for day in LATE_DAYS)
        (folder / "orders_late.ndjson").write_text(late)
        millrace.wait_number("SELECT count(*) FROM checked_orders WHERE customer_id = 'late'", len(LATE_DAYS))
        runs, seconds = command(folder / "late", "backfill", "daily_sales", FROM, TO)
        expect("days that ran again", sorted(run["partition"] for run in runs if run["status"] == "succeeded"), sorted(LATE_DAYS))
        expect("runs after late data", statuses(runs), {"succeeded": len(LATE_DAYS), "skipped": DAYS - len(LATE_DAYS)})
        expect("days, orders and cents after late data", sums(millrace),
               [DAYS, truth["rows"] + len(LATE_DAYS), truth["cents"] + 100 * len(LATE_DAYS)])
        millrace.finish()
    table.add("backfill again after late orders of 3 days",
              f"{len(LATE_DAYS)} partitions ran, {DAYS - len(LATE_DAYS)} were fresh, {seconds:.2f} s", "3 partitions", True)


def backfill(options, table):
    folder, truth = make_lake(options.backfill_orders, options.backfill_customers)
    files = files_of(folder)
    (folder / "orders_late.ndjson").unlink(missing_ok=True)
    pipeline = (folder / "pipeline.yaml").read_text().partition("\njobs:")[0]
    for name, key, reconcile in VARIANTS:
        (folder / "pipeline.yaml").write_text(pipeline + JOB.format(key=key) + reconcile)
        ours, peer = [], []
        for _ in range(options.rounds):
            ours.append(backfill_ours(folder, truth))
            peer.append(backfill_peer(folder, files, key, truth, options.threads))
        middle = {who: process.Cost(*(statistics.median(getattr(cost, of) for cost in costs) for of in ("seconds", "cpu", "peak")))
                  for who, costs in (("ours", ours), ("peer", peer))}
        ratio = statistics.median(p.seconds / o.seconds for o, p in zip(ours, peer))
        what = f"backfill {name}, {options.backfill_orders:,} orders, {DAYS} days"
        for who, cost in middle.items():
            table.add(f"{what}, {'Millrace' if who == 'ours' else 'one DuckDB query'}",
                      f"{cost.seconds:.2f} s, {cost.cpu:.1f} CPU seconds, {cost.peak / 1e6:,.0f} MB", "", True)
        table.add(f"{what}, speed to one DuckDB query's", f"{ratio:.2f} times", "0.8 times", ratio >= 0.8)
    check_late(folder, truth, table)
    (folder / "orders_late.ndjson").unlink()
