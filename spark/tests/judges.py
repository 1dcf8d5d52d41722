"""`reconcile` and `expect` say the same of the same rows in both, and a day that fails stays as it was."""

import json
import shutil

import bench
import delta_files
import handover
import parity_lake

CHECKS = """\
  judged:
    each: day
    retry: {attempts: 1}
    sql: SELECT k, count(*) AS orders, sum(amount) AS total, max(ts) AS newest FROM checked WHERE day = $day GROUP BY k
    reconcile:
      - [SELECT sum(total) FROM judged WHERE day = $day, SELECT sum(amount) FROM checked WHERE day = $day]
      - ["SELECT coalesce(sum(orders), 0) FROM judged WHERE day = $day", SELECT count(*) FROM checked WHERE day = $day]
    expect:
      no_big: {no_rows: "SELECT k, total FROM judged WHERE day = $day AND total > 100000 ORDER BY k"}
      few: {rows: {min: 2, max: 6}, otherwise: warn}
      one_row_a_key: {unique: k}
      known: {references: {column: k, table: checked, key: k}}
      new_enough: {fresh: {column: newest, within: 30m}, otherwise: warn}
      steady: {drift: {of: sum(orders), within: 20%}, otherwise: warn}
  unlike:
    each: day
    retry: {attempts: 1}
    sql: SELECT k, count(*) AS orders FROM checked WHERE day = $day AND k <> 'c3' GROUP BY k
    reconcile:
      - [SELECT sum(orders) FROM unlike WHERE day = $day, SELECT count(*) FROM checked WHERE day = $day]
  doubled:
    each: day
    retry: {attempts: 1}
    sql: SELECT k, amount FROM checked WHERE day = $day
    expect:
      one_row_a_key: {unique: [k]}
      none_from_c1: {no_rows: SELECT k FROM doubled WHERE day = $day AND k = 'c1'}
"""
DAYS = ("2025-10-20", "2025-10-23")


def asked(path, data, sql):
    code, output, errors = parity_lake.command(path / data, "query", sql, "--output", "json")
    bench.expect_equal((code, errors), (0, ""), sql)
    return json.loads(output)["rows"]


def test_judges_say_the_same():
    path = handover.lake("judges")
    (path / "pipeline.yaml").write_text(handover.PIPELINE + CHECKS)
    handover.send(path, [handover.record("2025-10-22", at, "500.00", "big") for at in range(9)])
    shutil.copytree(path / "data", path / "theirs")
    spark = handover.jobs_of(path)
    for job in ("judged", "unlike", "doubled"):
        spark.backfill(job, *DAYS)
        parity_lake.command(path / "theirs", "job", "backfill", job, *DAYS)
    statuses = {(job, status) for job, status in asked(path, "data", "SELECT DISTINCT job, status FROM _runs")}
    bench.expect_equal(statuses, {("judged", "succeeded"), ("unlike", "failed"), ("doubled", "failed")}, "how the jobs end")
    for sql in (
        'SELECT job, "partition", "check", kind, outcome, value, detail FROM _checks ORDER BY ALL',
        'SELECT job, "partition", status, rows, error FROM _runs ORDER BY ALL',
    ):
        ours, theirs = asked(path, "data", sql), asked(path, "theirs", sql)
        bench.expect(len(ours) >= 12, f"there is something to compare: {ours}")
        bench.expect_equal(ours, theirs, sql)
    bench.expect_equal(delta_files.difference(path / "data/tables/judged", path / "theirs/tables/judged"), "", "the difference of judged")
    bench.expect_equal(delta_files.DeltaFiles(path / "data/tables/unlike").files, {}, "what stands of a day that failed")


def test_a_day_that_fails_stays_as_it_was():
    path = handover.lake("judges_again")
    text = handover.PIPELINE.replace("  hourly:", "    expect: {few: {rows: {max: 5}}}\n  hourly:")
    (path / "pipeline.yaml").write_text(text)
    spark = handover.jobs_of(path)
    bench.expect_equal(handover.labels(spark.backfill("daily", *DAYS)), [(f"2025-10-2{n}", "succeeded") for n in range(4)], "the runs")
    before = delta_files.DeltaFiles(path / "data/tables/daily").files
    handover.send(path, [handover.record("2025-10-22", 1, key="sixth")])
    done = spark.backfill("daily", *DAYS)
    bench.expect_equal(handover.labels(done), [("2025-10-22", "failed")], "the run with six customers")
    bench.expect("expect few: 6 rows, more than 5" in done[0].error, done[0].error)
    bench.expect_equal(delta_files.DeltaFiles(path / "data/tables/daily").files, before, "the table")
    left = {one.name for one in (path / "data/tables/daily").rglob("*.parquet")} - {name.rsplit("/", 1)[-1] for name in before}
    bench.expect_equal(left, set(), "files that were not committed")


if __name__ == "__main__":
    bench.main([test_judges_say_the_same, test_a_day_that_fails_stays_as_it_was])
