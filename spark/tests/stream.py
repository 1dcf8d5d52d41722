"""Tables made of topics by Spark's Structured Streaming: the rows and rejects of millrace, each continuing what the other began."""

import pathlib
import random
import shutil
import subprocess
import time

import awkward
import bench
import duckdb
import topics
from harness.millrace import BINARY

from millrace_spark import pipeline
from millrace_spark.errors import Problems, Refused
from millrace_spark.stream_run import Streams

AWKWARD = """
pipeline: awkward
timezone: Europe/Berlin
sources:
  events:
    {from: kafka, brokers: "%s", topic: %s, format: %s, event_time: {column: ts}, unknown_fields: %s,
     schema: %s}
lookups:
  names: {from: names.csv, key: v}
tables:
  wide:
    from: events
    sql: SELECT * EXCLUDE (clock), clock AT TIME ZONE 'Europe/Berlin' AS clock, typeof(js) AS kind FROM events
  checked:
    from: events
    lookups: {names: v}
    expect:
      has_v: {check: v IS NOT NULL}
      small: {check: i4 < 1000, otherwise: warn}
      is_whole: {check: "CAST(left(v, 3) AS INTEGER) IS NULL OR i8 IS NULL OR true"}
    sql: |
      SELECT v, names.name AS name, names.score AS score, unnest(li) AS one, d * 2 AS twice, 10 // i2 AS tenth,
             CAST(v AS INTEGER) AS number, day, date_trunc('hour', ts) AS hour, sum_of.x AS x
      FROM (SELECT *, st AS sum_of FROM events) WHERE b IS NOT false
    partition_by: [day]
"""
CSV_SCHEMA = '{v: varchar, d: "decimal(12,2)", ts: timestamptz, li: "varchar[]"}'
AWKWARD_CSV = """
pipeline: awkward
sources:
  events: {from: kafka, brokers: "%s", topic: %s, format: csv, null_text: "null", schema: %s}
tables:
  wide:
    from: events
    expect: {has_v: {check: v <> ''}}
    sql: SELECT * FROM events
"""
NAMES = "v,name,score\nabc,Ada,1.50\n1,One,\n7,Seven,2\n"
# What is not said of a reject for programs: when, and the words of a JSON parser.
NOT_COMPARED = ("day", "rejected_at", "detail")
COUNTED = """
pipeline: counted
sources:
  events: {from: kafka, brokers: "%s", schema: {n: bigint, name: varchar}}
tables:
  kept:
    from: events
    expect: {is_even: {check: n %% 10 <> 7}}
    sql: SELECT n, name FROM events WHERE n %% 10 <> 3
    commit: {every: 300ms}
  later:
    from: events
    sql: SELECT n FROM events
    commit: {every: 700ms}
"""


def written(path, text, name="pipeline.yaml"):
    (path / name).write_text(text)
    return path / name


def made_by_millrace(path, data="theirs"):
    with bench.millrace(path, "pipeline.yaml", data=data) as program:
        program.catch_up()
        program.stop()


def made_by_spark(spark, path, data="data", tables=()):
    Streams(spark, pipeline.read(path / "pipeline.yaml"), path / data, tables, tell=lambda _: None).run(once=True)


def compare(spark, path, tables):
    for table in tables:
        found = bench.difference(spark, path / f"data/tables/{table}", path / f"theirs/tables/{table}")
        bench.expect_equal(found, "", f"the difference of {table}")
    found = bench.difference(spark, path / "data/tables/_rejects", path / "theirs/tables/_rejects", NOT_COMPARED)
    bench.expect_equal(found, "", "the difference of _rejects")


def prove(path, *tables, data="data"):
    """Millrace goes on with the tables, and its own proof holds: counts, positions, rows and rejects agree."""
    with bench.millrace(path, "pipeline.yaml", data=data) as program:
        program.catch_up()
        for table in tables:
            done = subprocess.run([BINARY, "job", "prove", table, "--data", str(path / data)], capture_output=True, text=True, check=False)
            bench.expect(done.returncode == 0, f"millrace's proof of {table}: {done.stdout[-1500:]} {done.stderr[-1500:]}")
        program.stop()


def rows_of(path, query):
    """Of a table as DuckDB reads its files, which delta-rs is not needed for: nothing here was ever removed."""
    files = [str(one) for one in pathlib.Path(path).rglob("*.parquet") if "_delta_log" not in one.parts]
    return duckdb.execute(query, [files]).fetchall()


def test_awkward_json_is_decoded_as_millrace_does():
    spark = bench.session()
    for topic, unknown in (("ignored", "ignore"), ("kept", "keep"), ("refused", "reject")):
        path = bench.folder(f"awkward-{topic}")
        with topics.broker(path) as peer:
            written(path, AWKWARD % (peer.address, topic, "json", unknown, awkward.SCHEMA))
            (path / "names.csv").write_text(NAMES)
            client = topics.Topics(spark, peer.address)
            client.create(topic, 3)
            client.put(topic, awkward.json_records(6000, seed=len(topic)), 3, key=lambda n: f"key {n}".encode() if n % 3 else b"\xff\x00")
            client.put(topic, [None, b'{"v":"7","li":["a","b"],"i2":0}'], 3)
            client.close()
            made_by_millrace(path)
            made_by_spark(spark, path)
            compare(spark, path, ("wide", "checked"))
            rows = spark.read.format("delta").load(str(path / "data/tables/checked")).count()
            bench.expect(rows > 50, f"only {rows} rows of `checked` are compared")
            prove(path, "wide", "checked")


def test_awkward_csv_is_decoded_as_millrace_does():
    spark, path = bench.session(), bench.folder("awkward-csv")
    with topics.broker(path) as peer:
        written(path, AWKWARD_CSV % (peer.address, "lines", CSV_SCHEMA))
        client = topics.Topics(spark, peer.address)
        client.create("lines", 2)
        client.put("lines", awkward.csv_records(4000), 2)
        client.close()
        made_by_millrace(path)
        made_by_spark(spark, path)
        compare(spark, path, ("wide",))
        prove(path, "wide")


def example(path, name, source, address):
    """An example's pipeline with its source from Kafka, without what `stream` leaves to millrace."""
    shutil.copytree(bench.ROOT / "examples" / name, path / name)
    text = (path / name / f"{name}.yaml").read_text().partition("\nalerts:")[0].partition("\njobs:")[0]
    of_kafka = f'from: kafka\n    brokers: "{address}"'
    text = text.replace("from: log ", of_kafka + " #").replace("from: log\n", of_kafka + "\n")
    kept = [line for line in text.splitlines() if not line.strip().startswith(("shards:", "unique:", "partition_key:"))]
    written(path / name, "\n".join(kept) + "\n")
    made = path / "records"
    words = [BINARY, "generate", name, "--count", "5000", "--start", "2026-10-24T12:00:00Z", "--rate", "0.05", "--to", str(made)]
    subprocess.run(words, check=True, capture_output=True)
    lines = made.read_bytes().splitlines()
    return path / name, lines[1:] if name == "payments" else lines


def test_the_examples_are_made_as_millrace_does():
    spark = bench.session()
    for name, source, table in (("orders", "orders", "checked_orders"), ("payments", "payments", "checked_payments")):
        path = bench.folder(f"example-{name}")
        with topics.broker(path) as peer:
            folder, lines = example(path, name, source, peer.address)
            client = topics.Topics(spark, peer.address)
            client.create(source, 3)
            client.put(source, lines, 3)
            client.close()
            made_by_millrace(folder)
            made_by_spark(spark, folder)
            compare(spark, folder, (table,))
            rows = spark.read.format("delta").load(str(folder / "data/tables" / table)).count()
            bench.expect(rows > 4500, f"only {rows} rows are compared")
            prove(folder, table)


def counted_records(first, end):
    return [f'{{"n":{n},"name":"name {n}"}}'.encode() for n in range(first, end)]


def check_counted(spark, path, count, data="data"):
    """Every record once, where it belongs."""
    tables = path / data / "tables"

    def numbers(table, column="n"):
        return sorted(row[0] for row in spark.read.format("delta").load(str(tables / table)).selectExpr(column).collect())

    bench.expect_equal(numbers("kept"), [n for n in range(count) if n % 10 not in (3, 7)], "the rows of `kept`")
    bench.expect_equal(numbers("later"), list(range(count)), "the rows of `later`")
    rejects = sorted(
        int(bytes(row[0]).split(b'"n":')[1].split(b",")[0])
        for row in spark.read.format("delta").load(str(tables / "_rejects")).select("raw").collect()
    )
    bench.expect_equal(rejects, [n for n in range(count) if n % 10 == 7], "the rejects")
    prove(path, "kept", "later", data=data)


def test_each_goes_on_where_the_other_was_killed():
    """Spark's driver and millrace are killed by turns while records arrive; in the end each record is there once."""
    spark, path, chance, done = bench.session(), bench.folder("handover"), random.Random(5), 0
    with topics.broker(path) as peer:
        file = written(path, COUNTED % peer.address)
        client = topics.Topics(spark, peer.address)
        client.create("events", 3)
        for turn in range(8):
            client.put("events", counted_records(done, done + 1500), 3, done)
            done += 1500
            if turn % 2:
                with bench.millrace(path, "pipeline.yaml") as program:
                    time.sleep(chance.random())
                    client.put("events", counted_records(done, done + 500), 3, done)
                    done += 500
                    time.sleep(chance.random())
                    program.kill()
                continue
            stream = topics.Process(path, file, "--data", path / "data")
            stream.wait_text("records")
            client.put("events", counted_records(done, done + 500), 3, done)
            done += 500
            time.sleep(chance.random() * 3)
            stream.kill()
            if turn == 2:
                client.add_partitions("events", 4)
        made_by_spark(spark, path)
        client.put("events", counted_records(done, done + 100), 4, done)
        done += 100
        made_by_spark(spark, path)
        check_counted(spark, path, done)
        made_by_millrace(path, "data")
        client.close()
        check_counted(spark, path, done)


def test_two_writers_never_double():
    """Millrace and Spark read one topic into the same tables at once: one of them is told, and each record is there once."""
    spark, path, done = bench.session(), bench.folder("two-writers"), 0
    with topics.broker(path) as peer:
        file = written(path, COUNTED % peer.address)
        client = topics.Topics(spark, peer.address)
        client.create("events", 3)
        stream = topics.Process(path, file, "--data", path / "data")
        client.put("events", counted_records(done, done + 1000), 3, done)
        done += 1000
        stream.wait_text("records")
        program = bench.millrace(path, "pipeline.yaml")
        fenced = None
        while fenced is None:
            client.put("events", counted_records(done, done + 200), 3, done)
            done += 200
            time.sleep(0.2)
            fenced = "spark" if stream.process.poll() is not None else None if program.is_running() else "millrace"
            bench.expect(done < 100_000, "neither noticed the other")
        if fenced == "spark":
            stream.ends(1, "another process")
        else:
            bench.expect("another process writes to this table" in program.log.read_text(), "millrace does not say why it stopped")
        program.kill()
        stream.kill()
        made_by_spark(spark, path)
        check_counted(spark, path, done)
        client.close()


def test_brokers_that_cannot_be_reached():
    spark, path = bench.session(), bench.folder("unreachable")
    peer = topics.broker(path)
    file = written(path, COUNTED % peer.address)
    stream = topics.Process(path, file, "--data", path / "data")
    stream.ends(1, "source 'events'", "no broker of", "`brokers`")
    with peer:
        client = topics.Topics(spark, peer.address)
        stream = topics.Process(path, file, "--data", path / "data")
        stream.ends(2, "there is no topic 'events'", "`topic`")
        client.create("events", 3)
        client.put("events", counted_records(0, 1000), 3)
        client.close()
        stream = topics.Process(path, file, "--data", path / "data", "--patience", 600)
        stream.wait_text("records")
        peer.kill()
        stream.wait_text("do not answer", 300)
        peer.start()
        stream.wait_text("answer again", 300)
        client.put("events", counted_records(1000, 2000), 3, 1000)
        client.close()
        deadline = time.monotonic() + 120
        while stream.process.poll() is None and time.monotonic() < deadline:
            time.sleep(1)
            if spark.read.format("delta").load(str(path / "data/tables/later")).count() == 2000:
                break
        stream.kill()
        made_by_spark(spark, path)
        check_counted(spark, path, 2000)


def test_a_topic_that_was_made_anew():
    spark, path = bench.session(), bench.folder("anew")
    with topics.broker(path) as peer:
        written(path, COUNTED % peer.address)
        client = topics.Topics(spark, peer.address)
        client.create("events", 1)
        client.put("events", counted_records(0, 50))
        made_by_spark(spark, path)
        client.delete("events")
        time.sleep(1)
        client.create("events", 1)
        client.put("events", counted_records(1000, 1100))
        client.close()
        try:
            made_by_spark(spark, path)
        except Refused as error:
            bench.expect("made anew" in str(error) and "--accept-new-source" in str(error), f"it says {error}")
        else:
            bench.expect(False, "the new topic was taken for the old one")


def test_where_reading_begins():
    """`start: latest` and a time count at the first start only; a later table and a later partition miss nothing."""
    spark = bench.session()
    for start, first in (("latest", 100), ("2100-01-01T00:00:00Z", 100), ("2020-01-01T00:00:00Z", 0)):
        path = bench.folder(f"start-{start[:4]}")
        with topics.broker(path) as peer:
            text = (COUNTED % peer.address).replace("schema:", f'start: "{start}", schema:', 1)
            written(path, text)
            client = topics.Topics(spark, peer.address)
            client.create("events", 2)
            client.put("events", counted_records(0, 100), 2)
            made_by_spark(spark, path, tables=["later"])
            client.put("events", counted_records(100, 150), 2, 100)
            client.add_partitions("events", 3)
            client.put("events", counted_records(150, 180), 3, 150)
            made_by_spark(spark, path, tables=["later"])
            written(path, text + "  again:\n    from: events\n    sql: SELECT n FROM events\n")
            client.put("events", counted_records(180, 200), 3, 180)
            client.close()
            made_by_spark(spark, path)
        found = sorted(row.n for row in spark.read.format("delta").load(str(path / "data/tables/later")).collect())
        bench.expect_equal(found, list(range(first, 200)), f"the rows with `start: {start}`")


def test_spark_without_the_connector():
    path = bench.folder("no-connector")
    file = written(path, COUNTED % "127.0.0.1:1")
    stream = topics.Process(path, file, "--data", path / "data", jars=[jar for jar in bench.jars() if "kafka" not in jar])
    stream.ends(2, "no Kafka connector", "--packages org.apache.spark:spark-sql-kafka-0-10_2.1")  # 2.12 or 2.13, as Spark is


REFUSED = {
    "unique: {key: n, within: 1h}": ("`unique` must know", "pipeline.yaml:9:13"),
    "expect: {a: {check: n > 0, otherwise: halt}}": ("`otherwise: halt`", "pipeline.yaml:9:25"),
}


def test_what_cannot_be_streamed_is_refused_with_its_place():
    from millrace_spark import stream_plan

    path = bench.folder("refused")
    head = "pipeline: p\nsources:\n  events: {from: %s, schema: {n: bigint}}\ntables:\n\n"
    head += "  kept:\n    from: events\n    sql: SELECT n FROM events\n"
    cases = [(head % 'kafka, brokers: "a:1"' + f"    {line}\n", texts) for line, texts in REFUSED.items()]
    cases.append((head % "kinesis, region: eu-west-1", ("Spark has no Kinesis source", "pipeline.yaml:3:11")))
    avro = 'kafka, brokers: "a:1", format: avro, registry: {url: "http://a:2"}'
    cases.append((head % avro, ("`format: avro` is read by millrace itself", "pipeline.yaml:3:49")))
    for key, column in (("headers: {t: x-trace}", 50), ("key_column: k", 53)):
        wanted = (f"`{key.split(':')[0]}`: headers and keys", "read by millrace itself", f"pipeline.yaml:3:{column}")
        cases.append((head % f'kafka, brokers: "a:1", {key}', wanted))
    cases.append((head % "log", ("read by millrace itself", "pipeline.yaml:3:11")))
    for text, wanted in cases:
        try:
            stream_plan.streams(pipeline.read(written(path, text)))
        except (Problems, Refused) as error:
            bench.expect(all(one in str(error) for one in wanted), f"{error} lacks {wanted}")
        else:
            bench.expect(False, f"{wanted} was not refused")


if __name__ == "__main__":
    bench.main([function for name, function in list(globals().items()) if name.startswith("test_")])
