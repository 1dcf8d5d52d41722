"""`millrace lambda` on events of other services than Kinesis, on events that are none of its own, and on its own commands."""
import base64
import gzip
import json
import time
import uuid

from harness import lambda_events
from operations import expect, expect_equal, expect_texts, slow
from operations.lambda_bench import LambdaBench, of_fate, record

ARRIVALS = """
pipeline: shop
sources:
  orders:
    from: log
    schema: {n: bigint, id: varchar, amount: "decimal(12,2)", hidden: boolean}
tables:
  checked:
    from: orders
    expect: {has_amount: {check: amount > 0}}
    sql: SELECT n, id, amount, amount > 1000 AS is_fraud FROM orders WHERE hidden IS NULL
"""
JOB_SECONDS_MAX = 120
BOTH = """
pipeline: shop
sources:
  orders:
    from: kinesis
    stream: orders
    schema: {n: bigint, id: varchar, amount: "decimal(12,2)", day: date}
  clicks:
    from: log
    schema: {n: bigint, page: varchar}
tables:
  checked:
    from: orders
    sql: SELECT n, id, amount, day FROM orders
    partition_by: [day]
  pages:
    from: clicks
    sql: SELECT n, page FROM clicks
jobs:
  daily:
    at: "* * * * *"
    each: day
    sql: SELECT count(*) AS orders, sum(amount) AS total FROM checked WHERE day = $day
    reconcile: [[SELECT sum(total) FROM daily WHERE day = $day, SELECT sum(amount) FROM checked WHERE day = $day]]
"""


def records(begin, end):
    return [record(n) for n in range(begin, end)]


def test_messages_of_sqs(folder):
    with LambdaBench(folder, pipeline=ARRIVALS, concurrency=2) as bench:
        for begin in range(0, 300, 10):
            bench.succeed(lambda_events.sqs(records(begin, begin + 10), fifo_group="a" if begin % 20 else None))
        bench.check(300)


def test_a_message_of_sqs_that_is_no_json_is_a_reject(folder):
    with LambdaBench(folder, pipeline=ARRIVALS) as bench:
        bench.succeed(lambda_events.sqs([b"hello", record(1), b"", "größe".encode(), record(2)]))
        expect_equal(sorted(row["n"] for row in bench.rows()), [1, 2], "rows")
        expect_equal(sorted(row["raw"] for row in bench.rows("_rejects")), sorted([b"hello", b"", "größe".encode()]), "rejects")


def test_events_of_event_bridge(folder):
    with LambdaBench(folder, pipeline=ARRIVALS) as bench:
        for n in of_fate("good", 30):
            outcome = bench.function.invoke(lambda_events.event_bridge(json.loads(record(n))))
            expect_equal(outcome.kind, "response", f"how it ended ({outcome.body})")
        expect_equal(sorted(row["n"] for row in bench.rows()), of_fate("good", 30), "rows")
        expect_equal(bench.function.violations, [], "what the runtime did wrong")


def posted(bench, event, status):
    outcome = bench.function.invoke(event)
    expect_equal(outcome.kind, "response", f"how it ended ({outcome.body} {bench.errors()})")
    answer = outcome.json()
    expect_equal((answer["statusCode"], answer["isBase64Encoded"]), (status, False), f"the status and encoding of {answer}")
    expect("application/json" in {name.lower(): value for name, value in answer["headers"].items()}["content-type"], "the type")
    return json.loads(answer["body"])


def test_requests_of_api_gateway(folder):
    with LambdaBench(folder, pipeline=ARRIVALS) as bench:
        done = 0
        for build in (lambda_events.api_gateway_v1, lambda_events.api_gateway_v2):
            for is_base64 in (False, True):
                body = b"\n".join(records(done, done + 50))
                expect_equal(posted(bench, build(body, is_base64=is_base64), 200)["records"], 50, "the records that were taken")
                done += 50
        packed = lambda_events.api_gateway_v2(b"", is_base64=True)
        packed["body"] = base64.b64encode(gzip.compress(b"\n".join(records(done, done + 50)))).decode()
        packed["headers"]["content-encoding"] = "gzip"
        expect_equal(posted(bench, packed, 200)["records"], 50, "the records that were taken")
        bench.check(done + 50)


def test_requests_that_cannot_be_served_are_answered_with_their_status(folder):
    """They are the client's: an error of the function would be answered with 502, and mean nothing to it."""
    with LambdaBench(folder, pipeline=ARRIVALS) as bench:
        for build in (lambda_events.api_gateway_v1, lambda_events.api_gateway_v2):
            posted(bench, build(record(0), path="/v1/elsewhere"), 404)
            posted(bench, build(record(0), path="/"), 404)
            posted(bench, build(b"", method="GET"), 405)
            posted(bench, build(b"[1, 2", content_type="application/json"), 400)
        zipped = lambda_events.api_gateway_v2(b"no gzip at all", is_base64=True)
        zipped["headers"]["content-encoding"] = "gzip"
        posted(bench, zipped, 400)
        zipped["headers"]["content-encoding"] = "rot13"
        expect(400 <= bench.function.invoke(zipped).json()["statusCode"] < 500, "the status of an unknown encoding")
        posted(bench, lambda_events.api_gateway_v2(record(0)), 200)
        bench.check(1)


def test_malformed_events_fail_and_say_why(folder):
    with LambdaBench(folder) as bench:
        bench.put(100)
        bench.succeed(bench.batch(0, 50))
        for what, payload in lambda_events.malformed(bench.batch(50, 60)):
            outcome = bench.function.invoke(payload)
            expect_equal((what, outcome.kind), (what, "error"), f"how it ended: {outcome.body[:300]}")
            expect_equal((what, outcome.error_type), (what, "Millrace.invalid"), "the type of the error")
            expect(len(outcome.json()["errorMessage"]) > 10, f"{what} is told as {outcome.json()}")
        bench.check(50)
        bench.succeed(bench.batch(50, 100))
        bench.check()
        expect_equal(bench.function.count("starts"), 1, "processes that were started")


def test_events_of_other_services_are_refused_and_named(folder):
    with LambdaBench(folder) as bench:
        for event, name in ((lambda_events.s3_put(), "aws:s3"), (lambda_events.dynamodb_stream(), "aws:dynamodb"),
                            (lambda_events.sns(), "aws:sns")):
            bench.refuse(event, name, "Kinesis")
        bench.refuse({"key1": "value1", "key2": "value2", "key3": "value3"}, "Kinesis")     # the console's test event
        bench.refuse({"Records": []})
        bench.put(20)
        bench.succeed(bench.batch(0, 20))
        bench.check()


def test_a_stream_that_no_source_reads_is_named(folder):
    with LambdaBench(folder) as bench:
        bench.put(10)
        event = bench.batch(0, 10)
        for one in event["Records"]:
            one["eventSourceARN"] = lambda_events.arn("kinesis", "stream/another")
        bench.refuse(event, "another", "orders")
        event["Records"][0]["eventSourceARN"] = lambda_events.arn("kinesis", "stream/orders")
        bench.refuse(event)
        bench.succeed(bench.batch(0, 10))
        bench.check()


def test_a_stream_that_is_read_by_a_consumer_of_its_own(folder):
    """A mapping on an enhanced fan-out consumer has that one's ARN."""
    with LambdaBench(folder) as bench:
        bench.put(10)
        event = bench.batch(0, 10)
        for one in event["Records"]:
            one["eventSourceARN"] += "/consumer/app:1613765124"
        bench.succeed(event)
        bench.check()


def orders_of(day, begin, end):
    return [{"n": n, "id": f"o{n}", "amount": n, "day": day} for n in range(begin, end)]


@slow
def test_jobs_and_maintenance(folder):
    """A schedule invokes the function with {"millrace": "jobs"} and {"millrace": "maintain"}: the first call notes the time, and what a
    job's schedule names from then on is due for the next one, in whatever process."""
    with LambdaBench(folder, pipeline=BOTH, seconds=240, lifetime=21) as bench:
        for n, order in enumerate(orders_of("2026-01-05", 0, 100) + orders_of("2026-01-06", 100, 200)):
            bench.stream.put(order)
            if n % 10 == 9:
                bench.succeed(bench.batch(n - 9, n + 1))
        files = len(list((bench.tables / "checked").rglob("*.parquet")))
        deadline = time.monotonic() + JOB_SECONDS_MAX
        while not (bench.tables / "daily").exists() or not bench.rows("daily"):
            expect(time.monotonic() < deadline, f"the job did not run: {bench.errors()}")
            outcome = bench.function.invoke({"millrace": "jobs"})
            expect_equal(outcome.kind, "response", f"how jobs ended ({outcome.body} {bench.errors()})")
            time.sleep(2)
        expect(bench.function.given_up > 0, "one process did all")
        totals = {str(row["day"]): (row["orders"], int(row["total"])) for row in bench.rows("daily")}
        expect_equal(totals, {"2026-01-05": (100, sum(range(100))), "2026-01-06": (100, sum(range(100, 200)))}, "the totals")
        outcome = bench.function.invoke({"millrace": "maintain"})
        expect_equal(outcome.kind, "response", f"how maintain ended ({outcome.body} {bench.errors()})")
        from deltalake import DeltaTable
        left = len(DeltaTable(str(bench.tables / "checked")).file_uris())
        expect(files >= 20 and left < files / 2, f"{files} files became {left}")
        expect_equal(len(bench.rows()), 200, "rows after maintenance")
        bench.refuse({"millrace": "dance"}, "jobs", "maintain")
        bench.stream.put(orders_of("2026-01-06", 200, 201)[0])
        bench.succeed(bench.batch(200, 201))
        expect_equal(len(bench.rows()), 201, "rows at the end")


def test_two_sources_of_one_file(folder):
    """Events of Kinesis go to the one that reads the stream, messages and requests to the one that is open to them."""
    with LambdaBench(folder, pipeline=BOTH) as bench:
        for order in orders_of("2026-01-05", 0, 50):
            bench.stream.put(order)
        bench.succeed(bench.batch(0, 25))
        bench.succeed(lambda_events.sqs([{"n": n, "page": "p"} for n in range(10)], queue="clicks"))
        posted(bench, lambda_events.api_gateway_v2({"n": 10, "page": "q"}, path="/v1/streams/clicks/records"), 200)
        bench.succeed(bench.batch(25, 50))
        expect_equal((len(bench.rows()), sorted(row["n"] for row in bench.rows("pages"))), (50, list(range(11))), "rows of both")


def test_a_transformation_of_firehose(folder):
    """Each record is answered: Ok with what the table makes of it, Dropped, or ProcessingFailed."""
    with LambdaBench(folder, pipeline=ARRIVALS) as bench:
        event = lambda_events.firehose(records(0, 100), invocation_id=str(uuid.uuid4()))
        outcome = bench.function.invoke(event)
        expect_equal(outcome.kind, "response", f"how it ended ({outcome.body[:300]})")
        answers = outcome.json()["records"]
        expect_equal([answer["recordId"] for answer in answers], [one["recordId"] for one in event["records"]], "the ids")
        by_result = {}
        for n, answer in enumerate(answers):
            by_result.setdefault(answer["result"], []).append(n)
        expect_equal(by_result.get("Ok"), of_fate("good", 100), "records that are Ok")
        expect_equal(by_result.get("Dropped"), of_fate("hidden", 100), "records that are Dropped")
        expect_equal(by_result.get("ProcessingFailed"), sorted(of_fate("bad", 100) + of_fate("broken", 100)), "records that failed")
        row = json.loads(base64.b64decode(answers[1]["data"]))
        expect_equal((row["n"], row["is_fraud"]), (1, False), f"the data of a record: {row}")
        expect_texts(base64.b64decode(answers[1]["data"]).decode()[-1:], "\n")
