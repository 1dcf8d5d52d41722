"""`from: kinesis`: one millrace serves a stream over the Kinesis API, another reads it, and boto3 puts records."""
import os
import random
import time

from harness.millrace import Failure, Millrace
from harness.ports import free_port
from operations import expect, expect_equal, expect_texts
from operations.bench_pipeline import written
from operations.kinesis import KEYS, client, row

READER = """
pipeline: reader
sources:
  events: {from: kinesis, stream: %s, %s schema: {n: bigint, name: varchar}}
tables:
  kept:
    from: events
    sql: SELECT n, name FROM events
    commit: {every: 100ms}
  later:
    from: events
    sql: SELECT n FROM events
    commit: {every: 350ms}
"""
ROUNDS = 8
RESHARDS = {1: 4, 3: 2, 5: 3}
SECONDS_MAX = 60


def environment(port):
    return {"AWS_ENDPOINT_URL_KINESIS": f"http://127.0.0.1:{port}", "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": KEYS[0],
            "AWS_SECRET_ACCESS_KEY": KEYS[1], "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "no_proxy": "127.0.0.1"}


def upstream(folder, port):
    (folder / "up").mkdir(exist_ok=True)
    stream = Millrace(written(folder / "up"))
    stream.spawn(f"127.0.0.1:{port}")
    stream.wait_ready()
    return stream


def reader(folder, port, stream="events", settings="poll: 200ms,"):
    (folder / "reader").mkdir(exist_ok=True)
    return Millrace(written(folder / "reader", READER % (stream, settings)), environment=environment(port))


def counts(millrace):
    return [str(value) for value in millrace.query(
        "SELECT (SELECT count(*) FROM kept), (SELECT count(DISTINCT n) FROM kept), (SELECT count(*) FROM later), "
        "(SELECT count(DISTINCT n) FROM later)")[0]]


def await_rows(millrace, count):
    """Until both tables have `count` rows; more, or one twice, is a failure at once."""
    millrace.wait_for(f"{count} rows are there", lambda: all(int(value) >= count for value in counts(millrace)))
    expect_equal(counts(millrace), [str(count)] * 4, "rows and distinct rows of both tables")


def put(kinesis, stream, first, end):
    for start in range(first, end, 500):
        answer = kinesis.put_records(StreamName=stream, Records=[row(n) for n in range(start, min(start + 500, end))])
        expect_equal(answer["FailedRecordCount"], 0, "the records that failed")


def kills_and_reshards(folder, settings):
    chance = random.Random(7)
    port = free_port()
    with upstream(folder, port) as source, reader(folder, port, settings=settings) as millrace:
        kinesis, done = client(source), 0
        for number in range(ROUNDS):
            millrace.spawn()
            put(kinesis, "events", done, done + 700)
            done += 700
            if number in RESHARDS:
                kinesis.update_shard_count(StreamName="events", TargetShardCount=RESHARDS[number], ScalingType="UNIFORM_SCALING")
            if number % 2:
                millrace.wait_ready()
                await_rows(millrace, done)
            time.sleep(chance.random())
            millrace.kill()
        millrace.start()
        await_rows(millrace, done)
        expect_equal(str(millrace.query("SELECT count(*) FROM _rejects")), "[[0]]", "the rejects")
        millrace.stop()
        millrace.start()
        await_rows(millrace, done)
        millrace.stop()
        source.stop()
        code, out, errors = millrace.command("query", "--data", "data", "--output", "json", "SELECT count(*) AS n FROM kept")
        expect(code == 0 and f"{done}" in out, f"a query without a stream: {code} {out} {errors}")


def test_every_row_once_over_kills_and_reshards(folder):
    kills_and_reshards(folder, "poll: 200ms,")


def test_every_row_once_by_fan_out(folder):
    kills_and_reshards(folder, "fan_out: reader,")


def test_tables_stay_queryable_while_the_stream_cannot_be_reached(folder):
    port = free_port()
    with upstream(folder, port) as source, reader(folder, port) as millrace:
        put(client(source), "events", 0, 100)
        millrace.start()
        await_rows(millrace, 100)
        source.kill()
        millrace.wait_for("the table says that its source cannot be read", lambda: millrace.tables()["kept"]["source_error"])
        expect_equal(counts(millrace), ["100"] * 4, "the rows while the stream is gone")
        with upstream(folder, port) as again:
            put(client(again), "events", 100, 200)
            await_rows(millrace, 200)
            millrace.wait_for("nothing is wrong any more", lambda: not millrace.tables()["kept"]["source_error"])
            metrics = millrace.request("GET", "/metrics")[2].decode()
            expect_texts(metrics, 'millrace_source_behind_seconds{shard="0",source="events"}', "millrace_source_failures_total")
            millrace.stop()
            again.stop()


def test_a_stream_made_anew_stops_it(folder):
    port = free_port()
    with upstream(folder, port) as source, reader(folder, port, "made") as millrace:
        kinesis = client(source)
        kinesis.create_stream(StreamName="made", ShardCount=1)
        put(kinesis, "made", 0, 100)
        millrace.start()
        await_rows(millrace, 100)
        time.sleep(1)  # its commits, and another second of creation
        kinesis.delete_stream(StreamName="made")
        kinesis.create_stream(StreamName="made", ShardCount=1)
        put(kinesis, "made", 100, 200)
        expect_equal(millrace.process.wait(SECONDS_MAX), 1, "the exit code")
        expect_texts(millrace.log.read_text(), "deleted and made anew", "--accept-new-source")
        millrace.spawn()
        expect_equal(millrace.process.wait(SECONDS_MAX), 2, "the exit code of a start without the flag")
        expect_texts(millrace.log.read_text(), "has read another 'events' before")
        millrace.flags = ["--accept-new-source"]
        millrace.start()
        await_rows(millrace, 200)
        millrace.stop()
        source.stop()


def refused(millrace):
    try:
        millrace.start()
    except Failure as failure:
        return str(failure)
    raise Failure("it started")


def test_what_cannot_be_read_is_said_at_the_start(folder):
    port = free_port()
    with upstream(folder, port) as source, reader(folder, port, "nothing") as millrace:
        expect_texts(refused(millrace), "source 'events'", "ResourceNotFoundException", "Make the stream first")
        source.stop()
        expect_texts(refused(millrace), "source 'events'", "AWS_ENDPOINT_URL_KINESIS")
        millrace.environment["AWS_ENDPOINT_URL_KINESIS"] = "http://kinesis.invalid"
        expect_texts(refused(millrace), "there is no host kinesis.invalid")
        del millrace.environment["AWS_ACCESS_KEY_ID"]
        millrace.environment["AWS_EC2_METADATA_DISABLED"] = "true"
        expect_texts(refused(millrace), "credentials")
        expect(not (folder / "reader" / "data" / "tables" / "kept").exists(), "a table was made")
