"""What `millrace plan` says of a changed file, and what becomes true of it."""
import json

import duckdb

from harness.millrace import Millrace
from operations import expect_equal, expect_texts

PIPELINE = """
pipeline: shop
sources:
  orders: {from: log, schema: {id: varchar, amount: "decimal(12,2)", ts: timestamptz}, event_time: {column: ts}}
tables:
  sales:
    from: orders
    sql: SELECT *, CAST(ts AT TIME ZONE 'UTC' AS DATE) AS day FROM orders
    partition_by: [day]
    commit: {every: 100ms}
jobs:
  daily:
    each: day
    sql: SELECT count(*) AS orders, sum(amount) AS total FROM sales WHERE day = $day GROUP BY ALL
"""
KEEP = PIPELINE.replace("    partition_by: [day]\n", "    partition_by: [day]\n    keep: 1d\n")
LARGEST = KEEP.replace("sum(amount) AS total", "sum(amount) AS total, max(amount) AS largest")
NARROWER = LARGEST.replace("SELECT *, CAST", "SELECT * EXCLUDE (amount), CAST(amount AS DOUBLE) AS amount, CAST")


def plan(millrace, text, *words):
    (millrace.folder / "next.yaml").write_text(text)
    return millrace.command("plan", "next.yaml", "--data", str(millrace.data), *words)


def texts(millrace, sql):
    return [[str(value) for value in row] for row in millrace.query(sql)]


def send(millrace, day, count):
    lines = (json.dumps({"id": f"{day}-{n}", "amount": "1.25", "ts": f"{day}T12:00:00Z"}) for n in range(count))
    millrace.send("orders", "\n".join(lines).encode())


def test_says_what_will_be_and_it_is(folder):
    (folder / "pipeline.yaml").write_text(PIPELINE)
    with Millrace(folder) as millrace:
        code, output, errors = plan(millrace, PIPELINE)
        expect_equal(code, 0, "the exit code on a new folder")
        expect_texts(output + errors, "nothing has run", "+ table sales", "+ job daily")
        millrace.start()
        send(millrace, "2026-01-10", 3)
        send(millrace, "2026-01-11", 4)
        millrace.settle()
        millrace.json("POST", "/v1/jobs/daily/runs", {})
        expect_texts(plan(millrace, PIPELINE)[1], "nothing changes")
        code, output, _ = plan(millrace, KEEP)
        expect_equal(code, 0, "the exit code of a new `keep`")
        expect_texts(output, "~ table sales: keep", "maintenance will remove 7 rows")
        expect_texts(plan(millrace, KEEP.replace("1d", "9000d"))[1], "nothing that is there is older than `keep`")
        expect_texts(plan(millrace, LARGEST)[1], "~ job daily: sql", "+ column largest",
                     "computed anew: 2 partitions, 2026-01-10 to 2026-01-11")
        code, output, _ = plan(millrace, NARROWER)
        expect_equal(code, 1, "the exit code of what is refused")
        expect_texts(output, "! table sales", "refused: ", "amount", "this file would not start here")
        changes = json.loads(plan(millrace, KEEP, "--output", "json")[1])
        expect_equal([(change["name"], change["rows_unkept"]) for change in changes["changes"]], [("sales", 7)], "the changes as JSON")
        expect_equal(plan(millrace, PIPELINE.replace("sales:", "sales: x"))[0], 2, "the exit code of a wrong file")
        millrace.stop()
        (folder / "pipeline.yaml").write_text(LARGEST)
        millrace.start()
        millrace.json("POST", "/v1/jobs/daily/runs", {})
        expect_equal(texts(millrace, "SELECT day, orders, largest FROM daily ORDER BY day"),
                     [["2026-01-10", "3", "1.25"], ["2026-01-11", "4", "1.25"]], "the totals")
        millrace.json("POST", "/v1/maintenance/runs", {"table": "sales"})
        expect_equal(texts(millrace, "SELECT count(*) FROM sales"), [["0"]], "the rows after maintenance")
        millrace.stop()


LOADED = PIPELINE.replace("jobs:", "warehouses:\n  reporting: {kind: duckdb, path: reporting.duckdb}\njobs:") + """\
    load: {to: reporting, table: sales.daily}
"""


def test_says_what_a_warehouse_will_get(folder):
    (folder / "pipeline.yaml").write_text(PIPELINE)
    with Millrace(folder) as millrace:
        millrace.start()
        send(millrace, "2026-01-10", 3)
        send(millrace, "2026-01-11", 4)
        millrace.settle()
        millrace.json("POST", "/v1/jobs/daily/runs", {})
        place = "sales.daily of the warehouse reporting"
        expect_texts(plan(millrace, LOADED)[1], "~ job daily: load", f"+ table {place}",
                     f"to be loaded into {place}: 2 partitions, 2026-01-10 to 2026-01-11")
        expect_equal((folder / "reporting.duckdb").exists(), False, "whether a plan has made the warehouse")
        millrace.stop()
        (folder / "pipeline.yaml").write_text(LOADED)
        millrace.start()
        millrace.json("POST", "/v1/jobs/daily/loads", {})
        expect_texts(plan(millrace, LOADED)[1], "nothing changes")
        more = LOADED.replace("sum(amount) AS total", "sum(amount) AS total, max(amount) AS largest")
        expect_texts(plan(millrace, more)[1], f"+ column largest DECIMAL(12,2) in {place}", f"to be loaded into {place}: 2 partitions")
        elsewhere = LOADED.replace("reporting.duckdb", "other.duckdb")
        expect_texts(plan(millrace, elsewhere)[1], "~ warehouse reporting: path", "~ job daily", f"+ table {place}", "2 partitions")
        code, output, _ = plan(millrace, LOADED.replace("path: reporting.duckdb", 'url: "postgres://x:secret@127.0.0.1:1/x"')
                               .replace("kind: duckdb", "kind: postgres"))
        expect_equal(code, 0, "the exit code with a warehouse that is down")
        expect_texts(output, "the warehouse reporting could not be asked: ", "Connection refused")
        expect_equal("secret" in output, False, "whether the password is shown")
        millrace.stop()
        narrow = LOADED.replace("table: sales.daily", "table: sales.texts")
        with duckdb.connect(folder / "reporting.duckdb") as warehouse:
            warehouse.execute("CREATE TABLE sales.texts (day DATE, orders VARCHAR, total DECIMAL(12,2))")
        code, output, _ = plan(millrace, narrow)
        expect_equal(code, 1, "the exit code of what the warehouse will refuse")
        expect_texts(output, "! job daily: load", "what was loaded before stays where it is", "the loads of 1 job would fail",
                     "loads would fail: column 'orders' is VARCHAR in the warehouse and would be BIGINT now")
        load = json.loads(plan(millrace, narrow, "--output", "json")[1])["changes"][0]["load"]
        expect_equal((load["table"], load["is_new"], load["partitions"]), ("sales.texts", False, ["2026-01-10", "2026-01-11"]), "as JSON")
