"""Measures reports while orders arrive: how long an answer takes, and how long an order takes to be visible meanwhile. The
clients that ask are in a process of their own."""
import http.client
import json
import multiprocessing
import threading
import time

import process
from pipelines import LOG, check_totals, orders, write_pipeline
from process import Failure, Measured

# Those of examples/orders, and one of a day: of one that is over, and of the one whose orders arrive.
REPORTS = """
  top_customers:
    sql: |
      SELECT customer_id, sum(orders) AS orders, sum(total) AS total
      FROM daily_sales GROUP BY ALL ORDER BY total DESC, customer_id LIMIT $limit
    parameters: {limit: 20}
  fraud_by_currency:
    sql: |
      SELECT currency, count(*) AS orders, count(*) FILTER (is_fraud) AS flagged
      FROM checked_orders WHERE day >= $since GROUP BY ALL ORDER BY flagged DESC, currency
    parameters: {since: 2026-01-01}
    max_age: 5s
  of_today:
    sql: |
      SELECT currency, count(*) AS orders, sum(amount) AS total
      FROM checked_orders WHERE day = $day GROUP BY ALL ORDER BY ALL
    parameters: {day: {type: date, default: 2026-11-20}}
jobs:
  daily_sales:
    each: day
    sql: SELECT customer_id, count(*) AS orders, sum(amount) AS total FROM checked_orders WHERE day = $day GROUP BY ALL
"""
ASKED = ("top_customers", "fraud_by_currency", "of_a_day", "of_today", "top_customers?limit=5")
CLIENTS = 4
RATE, RECORDS = 10_000, 10
LIVE_DAY = "2026-11-20"  # of the orders that visible_client sends


def ask(port, seconds, pause, times):
    """Each client asks one report after the other; `times` gets (report, seconds, rows) of all."""
    lock, found, end = threading.Lock(), [], time.monotonic() + seconds

    def client(number):
        line, turn = http.client.HTTPConnection("127.0.0.1", port, timeout=60), number
        while time.monotonic() < end:
            name, turn = ASKED[turn % len(ASKED)], turn + 1
            start = time.monotonic()
            line.request("GET", f"/v1/reports/{name}")
            answer = line.getresponse()
            body = answer.read()
            took = time.monotonic() - start
            with lock:
                found.append((name, took, body.decode() if answer.status == 200 else f"{answer.status} {body[:200]!r}"))
            time.sleep(pause)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.put(found)


def quantile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1000


def check_answers(found, truth_orders):
    """No answer fails, none misses what an older one of the same client had, and all have what was there before."""
    for name, _, body in found:
        if not body.startswith("{"):
            raise Failure(f"report {name} was answered with {body}")
    counts = [sum(int(row[1]) for row in json.loads(body)["rows"]) for name, _, body in found if name == "fraud_by_currency"]
    if min(counts) < truth_orders:
        raise Failure(f"fraud_by_currency counts {min(counts)} orders; {truth_orders} were there before")


def check_settled(millrace):
    """When nothing comes any more, the reports say what a query says that is not kept."""
    time.sleep(5.2)  # fraud_by_currency may be that old
    for name, sql in (("fraud_by_currency", "SELECT currency, count(*), count(*) FILTER (is_fraud) FROM checked_orders GROUP BY ALL "
                       "ORDER BY 3 DESC, 1"),
                      ("of_a_day", "SELECT currency, count(*), sum(amount) FROM checked_orders WHERE day = DATE '2026-09-03' "
                       "GROUP BY ALL ORDER BY ALL"),
                      ("of_today", "SELECT currency, count(*), sum(amount) FROM checked_orders WHERE day = DATE '2026-11-20' "
                       "GROUP BY ALL ORDER BY ALL")):
        reported = millrace.json("GET", f"/v1/reports/{name}")["rows"]
        asked = millrace.query(sql)
        if reported != asked:
            raise Failure(f"report {name} says {reported}, a query {asked}")


def prepare(folder, truth):
    """The lake: loaded from files, with the job's table. Then the same tables read the embedded stream."""
    for source, flags in (("files\n    path: orders*.ndjson", ()), (LOG, ("--accept-new-source",))):
        write_pipeline(folder, source=source, every="10s")
        path = folder / "pipeline.yaml"
        path.write_text(path.read_text() + REPORTS[1:])
        millrace = Measured(folder, flags=flags).start()
        if flags:
            return millrace
        millrace.wait_number("SELECT (SELECT count(*) FROM checked_orders) + (SELECT count(*) FROM _rejects)",
                             truth["rows"] + truth["rejects"], seconds=3000)
        check_totals(millrace, truth)
        code, output, errors = millrace.command("job", "run", "daily_sales", "--data", str(millrace.data), timeout=1200)
        if code != 0:
            raise Failure(f"the job failed: {output}{errors}")
        millrace.finish()
    return None


def under_load(millrace, seconds, pause, asks):
    """(what visible_client found, the answers)."""
    context = multiprocessing.get_context("spawn")
    times = context.Queue()
    clients = context.Process(target=ask, args=(millrace.port, seconds + 1, pause, times), daemon=True)
    if asks:
        clients.start()
        time.sleep(1)
    words = {"port": millrace.port, "rate": RATE, "seconds": seconds, "records": RECORDS, "only": f"day = DATE '{LIVE_DAY}'"}
    output, _ = process.run("visible_client", *(word for name, value in words.items() for word in (f"--{name}", value)))
    visible = json.loads(output)
    if visible["missing"] or visible["failed"]:
        raise Failure(f"records were not seen: {visible}")
    found = times.get(timeout=120) if asks else []
    if asks:
        clients.join()
    return visible, found


def answered(millrace):
    """How many answers were computed, shared, or from memory."""
    lines = millrace.request("GET", "/metrics")[2].decode().splitlines()
    return {line.split('"')[1]: int(float(line.split()[-1])) for line in lines if line.startswith("millrace_report_answers_total{")}


def reports(options, table):
    count = options.report_orders
    folder, truth = orders("report", count, files=max(1, count // 5_000_000), days=30)
    with prepare(folder, truth) as millrace:
        under_load(millrace, 3, options.pause, asks=True)
        alone, _ = under_load(millrace, options.seconds, options.pause, asks=False)
        visible, found = under_load(millrace, options.seconds, options.pause, asks=True)
        check_answers(found, truth["rows"])
        check_settled(millrace)
        how = answered(millrace)
        cost = millrace.finish()
    for name in ASKED:
        times = [took for one, took, _ in found if one == name]
        table.add(f"report `{name}`, {CLIENTS} clients, {RATE:,} orders/s arrive",
                  f"p50 {quantile(times, 0.5):.1f} ms, p99 {quantile(times, 0.99):.1f} ms, max {max(times) * 1000:.0f} ms of "
                  f"{len(times):,}", "", True)
    p99 = quantile([took for _, took, _ in found], 0.99)
    table.add(f"reports over {count:,} orders while {RATE:,}/s arrive, all answers", f"p99 {p99:.1f} ms of {len(found):,} ({how})",
              "p99 200 ms", p99 < 200)
    for which, one in (("without reports", alone), ("meanwhile", visible)):
        table.add(f"send to visible {which}", f"p50 {one['p50_ms']:.1f} ms, p99 {one['p99_ms']:.1f} ms, max {one['max_ms']:.1f} ms",
                  "p99 100 ms", one["p99_ms"] < 100)
    table.add("peak memory meanwhile", f"{cost.peak / 1e6:,.0f} MB", "", True)
