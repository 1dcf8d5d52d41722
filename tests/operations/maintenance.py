"""Upkeep of tables while the stream commits all the time: rows, totals, chained tables and other readers."""
import datetime
import json
import threading
import time

from harness.millrace import Failure, Millrace
from judges import delta
from operations import expect, expect_equal, expect_texts

PIPELINE = """
pipeline: shop
sources:
  orders: {from: log, shards: 2, schema: {id: varchar, amount: "decimal(12,2)", ts: timestamptz}, event_time: {column: ts}}
tables:
  sales:
    from: orders
    unique: {key: id, within: 1h}
    sql: SELECT *, CAST(ts AT TIME ZONE 'UTC' AS DATE) AS day FROM orders
    partition_by: [day]
    keep: 5d
    commit: {every: 100ms}
  copies:
    from: sales
    sql: SELECT id, amount, day FROM sales
    commit: {every: 150ms}
jobs:
  daily:
    each: day
    sql: SELECT count(*) AS orders, sum(amount) AS total FROM sales WHERE day = $day GROUP BY ALL
alerts:
  large: {from: sales, when: amount > 1000, send: {log: info}}
"""
OLD, NEW = 9, 1  # days ago


class Stream(threading.Thread):
    """Sends ten orders again and again, over kills; `sent` are acknowledged, once each by their ids."""

    def __init__(self, millrace):
        super().__init__(daemon=True)
        self.millrace = millrace
        self.sent = 0
        self.is_done = False
        self.failure = None

    def run(self):
        try:
            while not self.is_done:
                self.send_one_body()
                time.sleep(0.02)
        except Exception as error:  # reported by the test
            self.failure = error

    def send_one_body(self):
        body = orders(f"s{self.sent}", 10, NEW)
        try:
            status, _, answer = self.millrace.request("POST", "/v1/streams/orders/records", body, {"Content-Type": "application/x-ndjson"})
        except (OSError, TypeError):  # it is down; whether the body was taken is not known, and its ids are sent again
            return
        if status == 200:
            self.sent += 10
        elif status not in (429, 503):
            raise Failure(f"orders were answered with {status}: {answer[:300]}")

    def stop(self):
        self.is_done = True
        self.join()
        if self.failure:
            raise self.failure


def day(days_ago):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days_ago)).date().isoformat()


def orders(prefix, count, days_ago):
    return "".join(json.dumps({"id": f"{prefix}-{i}", "amount": "1.25", "ts": f"{day(days_ago)}T12:00:00Z"}) + "\n"
                   for i in range(count)).encode()


def totals(millrace):
    return {row[0]: (int(row[1]), str(row[2])) for row in millrace.query("SELECT day, orders, total FROM daily")}


def fill_old_days(millrace):
    """Rows of two days that are kept no longer, and their totals."""
    for days_ago in (OLD, OLD - 1):
        for part in range(4):
            millrace.send("orders", orders(f"old{days_ago}.{part}", 25, days_ago))
            millrace.settle()
    runs = millrace.json("POST", "/v1/jobs/daily/runs", {})["runs"]
    expect_equal([run["status"] for run in runs], ["succeeded", "succeeded"], "the runs of the job")


def counts(millrace, sql):
    return [int(value) for value in millrace.query(sql)[0]]


def maintain(millrace):
    for run in millrace.json("POST", "/v1/maintenance/runs", {})["runs"]:
        expect_equal((run["status"], run["error"]), ("succeeded", None), f"a run of {run['job']}")


def are_old_rows_gone(millrace):
    """They go once the chained table and the alert have committed that they have them."""
    maintain(millrace)
    return counts(millrace, f"SELECT count(*) FROM sales WHERE day < DATE '{day(5)}'") == [0]


def check_in_the_end(millrace, sent):
    millrace.settle()
    millrace.wait_for("old rows are gone", lambda: are_old_rows_gone(millrace))
    for table in ("sales", "copies"):
        rows = counts(millrace, f"SELECT count(*), count(DISTINCT id) FROM {table} WHERE id LIKE 's%'")
        expect_equal(rows, [sent, sent], f"what {table} has of the stream")
    expect_equal(counts(millrace, "SELECT count(*) FROM copies WHERE id LIKE 'old%'"), [200], "the chained table's old rows")
    expect_equal({totals(millrace).get(day(days_ago)) for days_ago in (OLD, OLD - 1)}, {(100, "125.00")}, "the totals of old days")
    delta.compare_running(millrace)


def test_old_rows_go_and_totals_stay(folder):
    (folder / "pipeline.yaml").write_text(PIPELINE)
    with Millrace(folder).start() as millrace:
        fill_old_days(millrace)
        stream = Stream(millrace)
        stream.start()
        millrace.wait_for("the stream has sent something", lambda: stream.sent > 300)
        for _ in range(5):
            maintain(millrace)
        stream.stop()
        check_in_the_end(millrace, stream.sent)
        states = {one["partition"]: one["state"] for one in millrace.json("GET", "/v1/jobs")["jobs"][0]["partitions"]}
        expect_equal((states[day(OLD)], states[day(OLD - 1)]), ("final", "final"), "the states of old days")
        status, _, answer = millrace.request("POST", "/v1/jobs/daily/runs", json.dumps({"partition": day(OLD)}),
                                             {"Content-Type": "application/json"})
        expect_equal(status, 400, "the status of a run of a final day")
        expect_texts(answer.decode(), "is final", "no longer kept")
        code, output, errors = millrace.command("table", "maintain", "sales", "--data", str(millrace.data))
        expect_equal((code, errors), (0, ""), "the outcome of `table maintain`")
        expect_texts(output, "maintenance@sales all succeeded")
        code, output, _ = millrace.command("job", "history", "maintenance@sales", "--data", str(millrace.data))
        expect_texts(output, "maintenance@sales", "succeeded")
        tables = {one["table"]: one for one in millrace.json("GET", "/v1/maintenance")["tables"]}
        expect_equal((tables["sales"]["keep"], tables["sales"]["kept_from"][:10]), ("5d", day(OLD - 2)), "how far back sales go")
        expect(len(millrace.query("SELECT * FROM _runs WHERE job = 'maintenance@_runs'")) >= 5, "no run of _runs' own")
        millrace.stop()
    delta.check_folder(millrace.data)


def test_kills_in_the_midst(folder):
    (folder / "pipeline.yaml").write_text(PIPELINE)
    millrace = Millrace(folder)
    with millrace.start():
        fill_old_days(millrace)
        stream = Stream(millrace)
        stream.start()
        for kill in range(8):
            asking = threading.Thread(target=ask_until_it_dies, args=(millrace,))
            asking.start()
            time.sleep(0.15 + 0.11 * kill)
            port, millrace.port = millrace.port, None
            millrace.kill()
            asking.join()
            expect(port is not None, "it was not ready")
            millrace.start()
        maintain(millrace)
        stream.stop()
        check_in_the_end(millrace, stream.sent)
        millrace.stop()
    delta.check_folder(millrace.data)


def ask_until_it_dies(millrace):
    try:
        while True:
            millrace.json("POST", "/v1/maintenance/runs", {})
    except Exception:  # it is dead
        return
