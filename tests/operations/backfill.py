"""A year of days, computed anew where late data came, against a sum of our own."""
import collections
import datetime
import decimal
import json
import random
import subprocess
import zoneinfo

from harness.millrace import BINARY, Millrace
from operations import expect, expect_equal

ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
YEAR = 2025
PIPELINE = """
pipeline: year
timezone: Europe/Berlin
sources:
  orders:
    from: log
    schema: {id: varchar, customer: varchar, amount: "decimal(12,2)", ts: timestamptz}
    event_time: {column: ts, lateness: 1s}
tables:
  sales:
    from: orders
    sql: SELECT *, CAST(ts AT TIME ZONE 'Europe/Berlin' AS DATE) AS day FROM orders
    partition_by: [day]
jobs:
  daily:
    each: day
    sql: SELECT customer, count(*) AS orders, sum(amount) AS total FROM sales WHERE day = $day GROUP BY ALL
    reconcile:
      - [SELECT sum(total) FROM daily WHERE day = $day, SELECT sum(amount) FROM sales WHERE day = $day]
"""


class Year:
    """Orders whose truth is known: totals per day of the wall and customer, added up by Python's own calendar and decimals."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.count = 0
        self.totals = collections.defaultdict(lambda: [0, decimal.Decimal(0)])
        self.start = datetime.datetime(YEAR, 1, 1, tzinfo=ZONE).astimezone(datetime.timezone.utc)
        self.seconds = int((datetime.datetime(YEAR + 1, 1, 1, tzinfo=ZONE) - self.start).total_seconds())

    def order(self, moment):
        self.count += 1
        customer = f"c{self.rng.randrange(40)}"
        amount = decimal.Decimal(self.rng.randrange(1, 10**7)) / 100
        day = moment.astimezone(ZONE).date().isoformat()
        entry = self.totals[day, customer]
        entry[0] += 1
        entry[1] += amount
        line = json.dumps({"id": f"o{self.count}", "customer": customer, "amount": str(amount), "ts": moment.isoformat()})
        return day, line

    def anywhere(self):
        return self.order(self.start + datetime.timedelta(microseconds=self.rng.randrange(self.seconds * 10**6)))

    def bounds(self):
        """The first and the last moment of each day."""
        midnight = self.start
        while midnight.astimezone(ZONE).year == YEAR:
            after = (midnight.astimezone(ZONE).replace(tzinfo=None) + datetime.timedelta(days=1)).replace(tzinfo=ZONE)
            after = after.astimezone(datetime.timezone.utc)
            yield self.order(midnight)
            yield self.order(after - datetime.timedelta(microseconds=1))
            midnight = after


def backfill(millrace, *flags):
    done = subprocess.run([BINARY, "job", "backfill", "daily", f"{YEAR}-01-01", f"{YEAR}-12-31", "--data", str(millrace.data), "--output",
                           "json", *flags], capture_output=True, text=True, timeout=300, check=False)
    expect_equal(done.returncode, 0, f"the exit code of a backfill ({done.stderr[-300:]})")
    runs = json.loads(done.stdout)["runs"]
    expect_equal(len(runs), 365, "the days of the year")
    return {run["partition"] for run in runs if run["status"] == ("planned" if flags else "succeeded")}


def check_totals(millrace, year):
    answer = millrace.json("POST", "/v1/query", {"sql": "SELECT day, customer, orders, total FROM daily", "rows_max": 10**6})
    found = {(day, customer): [int(orders), decimal.Decimal(total)] for day, customer, orders, total in answer["rows"]}
    expect_equal(len(answer["rows"]), len(found), "the totals, each once")
    wrong = [key for key in year.totals if found.get(key) != year.totals[key]]
    expect(not wrong and len(found) == len(year.totals), f"totals differ from our own sums, first {sorted(wrong)[:3]}")


def test_a_year_of_days_with_late_data(folder):
    (folder / "pipeline.yaml").write_text(PIPELINE)
    year = Year(seed=folder.name)
    with Millrace(folder) as millrace:
        millrace.start()
        lines = [*year.bounds(), *(year.anywhere() for _ in range(20_000))]
        millrace.send("orders", "\n".join(line for _, line in lines).encode())
        expect_equal(len(backfill(millrace)), 365, "the days that the first backfill ran")
        check_totals(millrace, year)
        expect_equal(backfill(millrace), set(), "the days that run again without new data")
        for _ in range(3):
            late = [year.anywhere() for _ in range(year.rng.randrange(1, 25))]
            millrace.send("orders", "\n".join(line for _, line in late).encode())
            days = {day for day, _ in late}
            millrace.json("POST", "/v1/jobs/daily/runs", {"partition": f"{YEAR}-06-01"})  # takes in what came
            days.discard(f"{YEAR}-06-01")
            expect_equal(backfill(millrace, "--dry-run"), days, "the days that a backfill would run")
            expect_equal(backfill(millrace), days, "the days that late data made stale")
            check_totals(millrace, year)
        millrace.stop()
