"""Results of jobs in what stands in for Redshift, and everything that can go wrong on the way there."""
import os
import random
import time

from harness import postgres_server
from harness.millrace import Millrace
from harness.postgres_server import PostgresServer
from harness.redshift import DataApi, Redshift, Wire
from harness.s3_store import S3Store, versitygw
from operations import LeftOut, expect, expect_equal, expect_texts
from operations.warehouse import ask, check_catching_up, load_status, restart, restart_after_a_kill, send, told, wait_out_the_pause

ROLE = "arn:aws:iam::123456789012:role/copy"
PIPELINE = """
pipeline: shop
timezone: Europe/Berlin
sources:
  orders: {from: log, schema: {id: varchar, customer: varchar, amount: "decimal(12,2)", ts: timestamptz}, event_time: {column: ts}}
tables:
  sales:
    from: orders
    sql: SELECT *, CAST(ts AT TIME ZONE 'Europe/Berlin' AS DATE) AS day FROM orders
    partition_by: [day]
warehouses:
  reporting: {kind: redshift, ACCESS, staging: "s3://staging/st", role: "ROLE"}
jobs:
  daily:
    each: day
    sql: |
      SELECT COLUMNS FROM sales WHERE day = $day GROUP BY ALL
    load: {to: reporting, table: sales.daily LOAD}
    retry: {attempts: ATTEMPTS, wait: 50ms}
"""
COLUMNS = "customer, count(*) AS orders, sum(amount) AS total"


class Place:
    """PostgreSQL, S3 and what stands in for Redshift over them; `pipeline` writes the file, by either way in."""

    def __init__(self, folder):
        if not postgres_server.programs():
            raise LeftOut("PostgreSQL is not installed")
        self.folder = folder
        self.postgres = PostgresServer()
        self.store = S3Store(folder / "s3", versitygw())
        self.store.boto3().create_bucket(Bucket="staging")
        self.redshift = Redshift(self.postgres, self.store)
        self.api, self.wire = DataApi(self.redshift), Wire(self.redshift)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.api.close()
        self.wire.close()
        self.store.close()
        self.postgres.__exit__()

    def millrace(self, is_wire=False, columns=COLUMNS, role=ROLE, load="", access="workgroup: reporting", environment=None,
                 attempts=6):
        text = PIPELINE.replace("ACCESS", f'url: "{self.wire.url}"' if is_wire else access).replace("ROLE", role)
        text = text.replace("ATTEMPTS", str(attempts))
        (self.folder / "pipeline.yaml").write_text(text.replace("COLUMNS", columns).replace("LOAD", load))
        return Millrace(self.folder, environment={**self.store.environment(), "AWS_ENDPOINT_URL_REDSHIFT_DATA": self.api.url,
                                                  "AWS_MAX_ATTEMPTS": "2", **(environment or {})})

    def rows(self, columns="day, count(*), sum(orders), sum(total)", group="GROUP BY day ORDER BY day"):
        return self.postgres.psql(f"SELECT {columns} FROM sales.daily {group}")

    def has_table(self):
        return self.postgres.psql("SELECT to_regclass('sales.daily') IS NOT NULL") == ["t"]

    def wait_until_the_loads_rest(self):
        """Once a second their thread looks whether to ask for the ledger, as it does soon after a load; then not for ten minutes."""
        seen = None
        while seen != len(self.api.by_id):
            seen = len(self.api.by_id)
            time.sleep(2)

    def staged(self):
        return self.store.keys("staging")

    def expect_the_lake(self, millrace):
        lake = millrace.query("SELECT day, count(*), sum(orders), sum(total) FROM daily GROUP BY day ORDER BY day")
        expect_equal(self.rows(), ["|".join(str(value) for value in row) for row in lake], "what the warehouse has")
        ledger = self.postgres.psql("SELECT count(*) = count(DISTINCT partition), count(*) FROM sales.millrace_loads")
        expect_equal(ledger, [f"t|{len(lake)}"], "the ledger")


def check_loads(folder, is_wire):
    with Place(folder) as place:
        millrace = place.millrace(is_wire).start()
        send(millrace, ["11-19", "11-20"], 3)
        expect_texts(told(millrace, "job", "run", "daily"), "daily 2026-11-20 succeeded", "daily@reporting 2026-11-20 succeeded, 3 rows")
        expect_equal(place.rows(), ["2026-11-19|3|3|3.75", "2026-11-20|3|3|3.75"], "what the warehouse has")
        expect_equal(place.staged(), [], "what is left on S3")
        expect_texts(ask(millrace, "job", "load", "daily").stdout, "the warehouse has every partition")
        send(millrace, ["11-20"], 5, amount="2.00")
        ask(millrace, "job", "run", "daily")
        expect_equal(place.rows(), ["2026-11-19|3|3|3.75", "2026-11-20|5|8|13.75"], "what the warehouse has of the second run")
        place.postgres.psql("UPDATE sales.daily SET total = 0 WHERE customer = 'c1' AND day = '2026-11-20'")
        expect_texts(told(millrace, "job", "prove", "daily"), "daily@reporting:proof all failed", "1 partition differs: 2026-11-20",
                     'sum("total") is')
        # A run that leaves nothing takes the rows away.
        place.store.boto3().put_object(Bucket="staging", Key="st/millrace/shop/sales.daily/old/data_0.parquet", Body=b"left")
        place.store.boto3().put_object(Bucket="staging", Key="st/millrace/shop/sales.daily_2/old/data_0.parquet", Body=b"another's")
        ask(millrace, "job", "load", "daily", "2026-11-20")
        expect_equal(place.staged(), ["st/millrace/shop/sales.daily_2/old/data_0.parquet"], "what is left on S3")
        millrace.stop()


def test_loads_by_the_data_api(folder):
    check_loads(folder, is_wire=False)


def test_loads_by_the_wire(folder):
    check_loads(folder, is_wire=True)


def test_every_type_arrives(folder):
    columns = ("customer, CAST(1 AS TINYINT) AS a, CAST(-2 AS SMALLINT) AS b, CAST(3 AS INTEGER) AS c, count(*) AS d, "
               "CAST(1.5 AS FLOAT) AS e, CAST(0.1 AS DOUBLE) AS f, "
               "CAST('12345678901234567890123456.789012345678' AS DECIMAL(38,12)) AS g, true AS h, DATE '1969-12-31' AS i, "
               "TIMESTAMPTZ '1969-12-31T23:59:59.5Z' AS j, [1, NULL, 2] AS k, "
               "{x: customer || '\"\\', y: CAST('12345678901234567890.10' AS DECIMAL(38,2)), z: [{q: CAST(NULL AS VARCHAR)}]} AS l, "
               "CAST(NULL AS VARCHAR) AS m, 'ü''\\' AS \"N n\", CAST('{\"a\": [1.50]}' AS JSON) AS o")
    with Place(folder) as place:
        millrace = place.millrace(columns=columns).start()
        send(millrace, ["11-20"], 1)
        expect_texts(told(millrace, "job", "run", "daily"), "daily@reporting 2026-11-20 succeeded, 1 row")
        expect_equal(place.rows('customer, a, b, c, d, e, f, g, h, i, j AT TIME ZONE \'UTC\', k, l, m, "n n", o', ""),
                     ['c0|1|-2|3|1|1.5|0.1|12345678901234567890123456.789012345678|t|1969-12-31|1969-12-31 23:59:59.5|[1, null, 2]|'
                      '{"x": "c0\\"\\\\", "y": 12345678901234567890.10, "z": [{"q": null}]}||ü\'\\|{"a": [1.50]}'],
                     "what the warehouse has")
        millrace.stop()


def test_answers_that_are_lost(folder):
    """Every partition is there once, whatever call goes wrong, and however."""
    faults = ["lose", "drop", "expired", "throttled", "abort", "fail"]
    operations = ["ExecuteStatement", "BatchExecuteStatement", "DescribeStatement", "GetStatementResult"]
    with Place(folder) as place:
        millrace = place.millrace().start()
        chance, used = random.Random(11), set()

        def plan(operation, _):
            fault = chance.choice(faults) if operation in operations and chance.random() < 0.15 else "pass"
            if fault in ("abort", "fail") and operation != "BatchExecuteStatement":
                fault = "pass"
            used.add((operation, fault))
            return fault

        for turn in range(4):
            place.api.plan = lambda *_: "pass"
            send(millrace, ["11-18", "11-19", "11-20"], 20, amount=f"{turn + 2}.50")
            place.api.plan = plan
            ask(millrace, "job", "run", "daily")
        place.api.plan = lambda *_: "pass"
        ask(millrace, "job", "load", "daily")
        place.expect_the_lake(millrace)
        expect(len(used) > 10, f"few faults came: {used}")
        millrace.stop()


def test_an_outcome_that_nobody_tells(folder):
    """The statements are done, and whoever asks is told that they still run, then nothing at all: the ledger knows."""
    with Place(folder) as place:
        millrace = place.millrace().start()
        send(millrace, ["11-20"], 3)
        batches = []

        def plan(operation, request):
            if operation == "BatchExecuteStatement":
                batches.append(operation)
            is_batch = len(batches) == 1 and operation == "DescribeStatement" and len(place.api.by_id[request["Id"]].texts) > 1
            return "drop" if is_batch else "pass"

        place.api.plan = plan
        expect_texts(told(millrace, "job", "run", "daily"), "daily@reporting 2026-11-20 succeeded, 3 rows")
        expect_equal(len(batches), 1, "how often the rows were loaded")
        expect_texts(millrace.log.read_text(), "load.settled_by_ledger")
        place.expect_the_lake(millrace)
        millrace.stop()


def test_a_commit_that_nobody_tells(folder):
    """The same by the wire: the connection breaks with COMMIT, before it is done and after."""
    with Place(folder) as place:
        millrace = place.millrace(is_wire=True).start()
        for turn, fault in enumerate(["lose", "drop"]):
            send(millrace, ["11-20"], 3, amount=f"{turn + 1}.00")
            faults = [fault]
            place.wire.plan = lambda text: faults.pop() if text == "COMMIT" and faults else "pass"
            expect_texts(told(millrace, "job", "run", "daily"), "daily@reporting 2026-11-20 succeeded, 3 rows")
            place.expect_the_lake(millrace)
        millrace.stop()


def failing(folder, parts, prepare=None, **options):
    """The load fails with `parts` in its text, and leaves the warehouse as it was."""
    with Place(folder) as place:
        if prepare:
            prepare(place)
        millrace = place.millrace(**options).start()
        send(millrace, ["11-20"], 3)
        expect_texts(told(millrace, "job", "run", "daily"), "daily 2026-11-20 succeeded", *parts)
        expect_equal(place.staged() if "staging" in [b["Name"] for b in place.store.boto3().list_buckets()["Buckets"]] else [], [],
                     "what is left on S3")
        millrace.stop()


def test_a_null_in_a_key(folder):
    def prepare(place):
        place.postgres.psql("CREATE SCHEMA sales; CREATE TABLE sales.daily (day date, customer varchar(256) NOT NULL)")
    failing(folder, ["daily@reporting 2026-11-20 failed", 'null value in column "customer"'], prepare,
            columns="nullif(customer, 'c1') AS customer, count(*) AS orders, sum(amount) AS total")


def test_a_text_that_is_too_long(folder):
    failing(folder, ["column 'customer' has a text of 60 bytes, and `lengths` allows 50; raise it"],
            columns="repeat(customer, 15) || repeat('ü', 15) AS customer, count(*) AS orders, sum(amount) AS total",
            load=", lengths: {customer: 50}")


def test_a_text_that_redshift_takes_in_no_column(folder):
    failing(folder, ["column 'customer' has a text of 80000 bytes, and Redshift takes 65535"],
            columns="repeat(customer, 40000) AS customer, count(*) AS orders, sum(amount) AS total")


def test_a_role_that_is_missing(folder):
    failing(folder, ["is not authorized to assume IAM Role arn:aws:iam::123456789012:role/other"],
            role="arn:aws:iam::123456789012:role/other")


def test_a_staging_bucket_that_is_missing(folder):
    failing(folder, ["staging", "NoSuchBucket"], lambda place: place.store.boto3().delete_bucket(Bucket="staging"))


def test_a_workgroup_that_is_missing(folder):
    failing(folder, ["no such workgroup", "workgroup another, database dev"], access="workgroup: another")


def test_credentials_that_are_wrong(folder):
    failing(folder, ["SignatureDoesNotMatch"], environment={"AWS_SECRET_ACCESS_KEY": "wrong"})


def test_a_table_that_is_changed_under_us(folder):
    with Place(folder) as place:
        millrace = place.millrace().start()
        send(millrace, ["11-20"], 3)
        ask(millrace, "job", "run", "daily")
        changes = [("DROP COLUMN total", "succeeded, 3 rows"), ("ALTER COLUMN customer TYPE varchar(2)", "succeeded, 3 rows"),
                   ("ALTER COLUMN orders TYPE varchar(20)", "column 'orders' is varchar in the warehouse and would be int8 now"),
                   ("DROP COLUMN orders, ADD COLUMN orders smallint", "column 'orders' is SMALLINT in the warehouse and would be BIGINT "
                    "now, and Redshift changes no type")]
        for change, answer in changes:
            place.postgres.psql(f"ALTER TABLE sales.daily {change}")
            done = ask(millrace, "job", "load", "daily", "2026-11-20")
            expect_texts(done.stdout + done.stderr, answer)
        place.postgres.psql("DROP TABLE sales.daily")
        # Dropped between the look at it and the load.
        place.api.before = lambda text: place.postgres.psql("DROP TABLE IF EXISTS sales.daily") if text.startswith("LOCK") else None
        expect_texts(ask(millrace, "job", "load", "daily", "2026-11-20").stdout, "failed", 'relation "sales.daily" does not exist')
        place.api.before = lambda text: None
        expect_texts(ask(millrace, "job", "load", "daily", "2026-11-20").stdout, "succeeded, 3 rows")
        place.expect_the_lake(millrace)
        millrace.stop()


def test_rows_that_the_warehouse_changes(folder):
    def prepare(place):
        place.postgres.psql("CREATE SCHEMA sales;"
                            "CREATE TABLE sales.daily (day date, customer varchar(256), orders bigint, total numeric(38,2));"
                            "CREATE FUNCTION sales.more() RETURNS trigger LANGUAGE plpgsql AS "
                            "'BEGIN NEW.total = NEW.total + 1; RETURN NEW; END';"
                            "CREATE TRIGGER more BEFORE INSERT ON sales.daily FOR EACH ROW EXECUTE FUNCTION sales.more()")
    failing(folder, ["daily@reporting 2026-11-20 failed", 'sum("total") are not what the lake has'], prepare)


def test_a_warehouse_that_is_down(folder):
    with Place(folder) as place:
        place.api.plan = lambda *_: "drop"
        millrace = place.millrace().start()
        send(millrace, ["11-20"], 3)
        expect_texts(told(millrace, "job", "run", "daily"), "daily 2026-11-20 succeeded", "workgroup reporting")
        place.api.plan = lambda *_: "pass"
        expect_texts(told(millrace, "job", "load", "daily"), "daily@reporting 2026-11-20 succeeded, 3 rows")
        place.expect_the_lake(millrace)
        millrace.stop()


def check_catching_up_of_redshift(folder, come_back):
    with Place(folder) as place:
        millrace = place.millrace(attempts=2).start()

        def set_down(is_down):
            place.api.plan = lambda *_: "drop" if is_down else "pass"

        check_catching_up(millrace, set_down, lambda: place.postgres.psql("SELECT partition FROM sales.millrace_loads ORDER BY loaded_at"),
                          lambda mend: come_back(millrace, mend))
        place.expect_the_lake(millrace)
        expect_equal(place.staged(), [], "what is left on S3")
        millrace.stop()


def test_what_waited_is_loaded_after_a_kill(folder):
    check_catching_up_of_redshift(folder, restart_after_a_kill)


def test_what_waited_is_loaded_after_the_pause(folder):
    if "MILLRACE_WAREHOUSE_PAUSE" not in os.environ:
        raise LeftOut("it takes 5 minutes: MILLRACE_WAREHOUSE_PAUSE=1")
    check_catching_up_of_redshift(folder, wait_out_the_pause)


def test_a_dropped_table(folder):
    """It is loaded anew, of which the ledger still says that it is there: by hand, and by itself with whatever load comes first."""
    def load(*words):
        return lambda millrace: expect_texts(ask(millrace, "job", "load", *words).stdout, "daily@reporting 2026-11-19 succeeded")

    def run(millrace):
        send(millrace, ["11-19"], 3, amount="4.00")
        ask(millrace, "job", "run", "daily")

    with Place(folder) as place:
        millrace = place.millrace().start()
        send(millrace, ["11-18", "11-19", "11-20"], 3)
        ask(millrace, "job", "run", "daily")
        for way in [load("daily"), load("daily", "2026-11-19"), run, lambda millrace: restart(millrace, lambda: None)]:
            place.expect_the_lake(millrace)
            place.wait_until_the_loads_rest()
            place.postgres.psql("DROP TABLE sales.daily")
            expect_equal(place.postgres.psql("SELECT count(*) FROM sales.millrace_loads"), ["3"], "the ledger of the dropped table")
            way(millrace)
            millrace.wait_for("the whole table is there again", lambda: place.has_table() and len(place.rows()) == 3)
            millrace.wait_for("nothing waits", lambda: load_status(millrace) == (0, None))
        place.expect_the_lake(millrace)
        millrace.stop()
        expect_equal(place.staged(), [], "what is left on S3")


def test_wrong_options(folder):
    with Place(folder) as place:
        for load, text in [(", sort_key: [nobody]", "column 'nobody' is named in `load`, and the job has none"),
                           (", lengths: {total: 3}", "column 'total' is no text")]:
            millrace = place.millrace(load=load).start()
            send(millrace, ["11-20"], 3)
            expect_texts(told(millrace, "job", "run", "daily", "2026-11-20"), text)
            millrace.stop()


def test_keys_of_the_table(folder):
    with Place(folder) as place:
        millrace = place.millrace(load=", sort_key: [day, customer], dist_key: customer, lengths: {customer: 64}").start()
        send(millrace, ["11-20"], 3)
        ask(millrace, "job", "run", "daily")
        made = [text for text in place.redshift.statements if text.startswith('CREATE TABLE IF NOT EXISTS "sales"."daily"')]
        expect_texts(made[0], '"customer" VARCHAR(64)', 'DISTKEY ("customer") SORTKEY ("day", "customer")')
        place.expect_the_lake(millrace)
        millrace.stop()
