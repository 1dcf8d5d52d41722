"""`from: kafka`: kfake's brokers, confluent-kafka's producers, and every record once whatever is killed."""
import random
import subprocess
import time

from harness import kafka
from harness.kafka import Client, Kfake
from harness.millrace import Millrace
from operations import LeftOut, expect, expect_equal, expect_texts
from operations.bench_pipeline import written
from operations.kinesis_source import await_rows, counts, refused

PIPELINE = """
pipeline: reader
sources:
  events: {from: kafka, brokers: "%s", topic: %s, %s schema: {n: bigint, name: varchar}}
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
SECONDS_MAX = 60
ROUNDS = 8
USER, PASSWORD = "millrace", "a-password-that-must-not-show"


def broker(folder, *flags):
    try:
        import confluent_kafka  # noqa: F401
    except ImportError:
        raise LeftOut("confluent-kafka is not there") from None
    program = kafka.kfake()
    if not program:
        raise LeftOut("go is missing, or could not fetch and build kfake")
    return Kfake(folder / "broker", program, *flags)


def reader(folder, address, topic="events", settings="", environment=None, flags=()):
    (folder / "reader").mkdir(exist_ok=True)
    return Millrace(written(folder / "reader", PIPELINE % (address, topic, settings)), environment=environment, flags=flags)


def values(first, end):
    return [f'{{"n":{n},"name":"name {n}"}}' for n in range(first, end)]


def source_error(millrace):
    return millrace.tables()["kept"]["source_error"] or ""


def await_error(millrace, *parts):
    millrace.wait_for(f"the status says {parts}", lambda: all(part in source_error(millrace) for part in parts))
    expect_texts(millrace.log.read_text(), *parts)


def await_fine(millrace):
    millrace.wait_for("nothing is wrong", lambda: not source_error(millrace))


def lag(millrace):
    return int(millrace.tables()["kept"]["lag_records"])


def committed(millrace, table="kept"):
    return [int(one["committed"]) for one in millrace.tables()[table]["positions"]]


def ends(millrace, code=1):
    expect_equal(millrace.process.wait(SECONDS_MAX), code, "the exit code")
    return millrace.log.read_text()


def produce_by_transactions(client, first, end, chance):
    """Some are aborted, and none of those may be seen."""
    producer = client.producer(**{"transactional.id": "events"})
    producer.init_transactions(30)
    while first < end:
        until = min(end, first + 100)
        producer.begin_transaction()
        if chance.random() < 0.3:
            client.put("events", values(10**6, 10**6 + 20), producer=producer)
            producer.abort_transaction(30)
            continue
        client.put("events", values(first, until), producer=producer)
        producer.commit_transaction(30)
        first = until


def rounds_of_kills(folder, peer):
    """Kills of both, partitions that are added, transactions that are aborted; each acknowledged record is there once."""
    chance = random.Random(11)
    with peer, reader(folder, peer.address, settings="group: readers,") as millrace:
        client, done = Client(peer.address), 0
        client.create("events", 2)
        for number in range(ROUNDS):
            millrace.spawn()
            if number == 2:
                peer.kill()
                peer.start()
            if number == 4:
                client.add_partitions("events", 5)
            if number % 2:
                client.put("events", values(done, done + 700), **{"enable.idempotence": True})
                millrace.wait_ready()
                await_rows(millrace, done + 700)
            else:
                produce_by_transactions(client, done, done + 700, chance)
            done += 700
            time.sleep(chance.random())
            millrace.kill()
        millrace.start()
        await_rows(millrace, done)
        expect_equal(str(millrace.query("SELECT count(*) FROM _rejects")), "[[0]]", "the rejects")
        millrace.wait_for("nothing is left to read", lambda: lag(millrace) == 0)
        check_positions(millrace, client)
        millrace.stop()
        millrace.start()
        await_rows(millrace, done)
        millrace.stop()
        peer.kill()
        code, out, errors = millrace.command("query", "--data", "data", "--output", "json", "SELECT count(*) AS n FROM kept")
        expect(code == 0 and f"{done}" in out, f"a query without brokers: {code} {out} {errors}")


def check_positions(millrace, client):
    """What the brokers were told is what the tables have committed."""
    def is_told():
        positions = committed(millrace, "later")
        told = client.committed("readers", "events", len(positions))
        return [max(0, offset) for offset in told] == positions
    millrace.wait_for("the group is told", is_told)


def test_every_record_once_over_kills(folder):
    rounds_of_kills(folder, broker(folder))


def test_brokers_that_cannot_be_reached(folder):
    peer = broker(folder)
    with reader(folder, peer.address) as millrace:
        millrace.start()
        await_error(millrace, "source 'events'", "no broker of", "`brokers`")
        with peer:
            client = Client(peer.address)
            client.create("events")
            client.put("events", values(0, 100))
            await_rows(millrace, 100)
            await_fine(millrace)
            peer.kill()
            await_error(millrace, "no broker of")
            expect_equal(counts(millrace), ["100"] * 4, "the rows while the brokers are gone")
            peer.start()
            client.put("events", values(100, 200))
            await_rows(millrace, 200)
            await_fine(millrace)
            metrics = millrace.request("GET", "/metrics")[2].decode()
            expect_texts(metrics, 'millrace_source_behind_seconds{shard="0",source="events"}', "millrace_source_failures_total",
                         'millrace_source_records_total{source="events"} 200', 'millrace_source_fetched_records_total{source="events"} 200')
            millrace.stop()


def test_a_topic_that_is_missing(folder):
    with broker(folder) as peer, reader(folder, peer.address) as millrace:
        millrace.start()
        await_error(millrace, "there is no topic 'events'", "Make it first", "`topic`")
        client = Client(peer.address)
        client.create("events")
        client.put("events", values(0, 100))
        await_rows(millrace, 100)
        await_fine(millrace)
        millrace.stop()


def real_broker(folder, **settings):
    jars = kafka.kafka()
    if not jars:
        raise LeftOut("Kafka's jars or java are not there; KAFKA=install brings the jars, by mvn")
    return kafka.Kafka(folder / "broker", jars, **settings)


def test_every_record_once_with_kafka_itself(folder):
    rounds_of_kills(folder, real_broker(folder))


def test_a_wrong_password(folder):
    """With Kafka itself: librdkafka 2.0.2 and kfake do not agree on SASL's handshake, and it and Kafka 4 not on SCRAM."""
    with real_broker(folder, user=USER, password=PASSWORD) as peer:
        client = Client(peer.address)
        client.create("events")
        client.put("events", values(0, 100))
        for mechanism in ("SCRAM-SHA-512", "PLAIN"):
            security = f'security: {{protocol: sasl_plaintext, mechanism: {mechanism}, user: {USER}, password: "${{SECRET}}"}},'
            with reader(folder, peer.sasl_address, settings=security, environment={"SECRET": "wrong-" + PASSWORD}) as millrace:
                millrace.start()
                await_error(millrace, f"do not accept the user '{USER}'", "`security`")
                expect(PASSWORD not in source_error(millrace) + millrace.log.read_text(), "the password shows")
                millrace.stop()
        millrace.environment["SECRET"] = PASSWORD
        millrace.start()
        await_rows(millrace, 100)
        await_fine(millrace)
        millrace.stop()


def test_encrypted(folder):
    certificate, key = folder / "broker.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key], check=True, capture_output=True)
    with broker(folder, "-tls", f"{certificate},{key}") as peer:
        client = Client(peer.address, **{"security.protocol": "ssl", "ssl.ca.location": str(certificate)})
        client.create("events")
        client.put("events", values(0, 100))
        with reader(folder, peer.address, settings="security: {protocol: ssl},") as millrace:
            millrace.start()
            await_error(millrace, "no broker of", "certificate")
            millrace.stop()
        with reader(folder, peer.address, settings="security: {protocol: ssl, ca: ../broker.pem},") as millrace:
            millrace.start()
            await_rows(millrace, 100)
            millrace.stop()


def accept(millrace, count):
    millrace.spawn()
    expect_texts(ends(millrace, 2), "has read another 'events' before")
    millrace.flags = ["--accept-new-source"]
    millrace.start()
    await_rows(millrace, count)
    millrace.stop()
    millrace.flags = []
    millrace.start()
    await_rows(millrace, count)
    millrace.stop()


def test_a_topic_made_anew_while_it_runs(folder):
    with broker(folder) as peer, reader(folder, peer.address) as millrace:
        client = Client(peer.address)
        client.create("events")
        client.put("events", values(0, 100))
        millrace.start()
        await_rows(millrace, 100)
        time.sleep(3)  # it rests, and its commits are made
        client.delete("events")
        client.create("events")
        client.put("events", values(100, 400))  # more than before: by its offsets alone it would go on
        expect_texts(ends(millrace), "deleted and made anew", "--accept-new-source")
        accept(millrace, 400)


def test_a_topic_made_anew_while_it_is_down(folder):
    for count in (50, 300):
        place = folder / str(count)
        place.mkdir()
        with broker(place) as peer, reader(place, peer.address) as millrace:
            client = Client(peer.address)
            client.create("events")
            client.put("events", values(0, 100))
            millrace.start()
            await_rows(millrace, 100)
            millrace.stop()
            client.delete("events")
            client.create("events")
            client.put("events", values(100, 100 + count))
            millrace.spawn()
            expect_texts(ends(millrace), "deleted and made anew", "--accept-new-source")
            accept(millrace, 100 + count)


def test_records_that_are_no_longer_retained(folder):
    with broker(folder) as peer, reader(folder, peer.address) as millrace:
        client = Client(peer.address)
        client.create("events")
        client.put("events", values(0, 100))
        millrace.start()
        await_rows(millrace, 100)
        millrace.stop()
        client.put("events", values(100, 200))
        client.delete_records("events", 0, 150)
        millrace.spawn()
        expect_texts(ends(millrace), "no longer retained", "from offset 100", "begins at 150", "--accept-lost-records")
        millrace.flags = ["--accept-lost-records"]
        millrace.start()
        await_rows(millrace, 150)
        expect_texts(millrace.request("GET", "/metrics")[2].decode(), "millrace_source_losses_total")
        millrace.stop()


def test_aborted_records_never_show_and_ends_are_reached(folder):
    with broker(folder) as peer, reader(folder, peer.address) as millrace:
        client = Client(peer.address)
        client.create("events")
        producer = client.producer(**{"transactional.id": "t"})
        producer.init_transactions(30)
        for is_good in (True, False):  # what is aborted stands at the end
            producer.begin_transaction()
            client.put("events", values(0, 50) if is_good else values(1000, 1100), producer=producer)
            producer.commit_transaction(30) if is_good else producer.abort_transaction(30)
        millrace.start()
        await_rows(millrace, 50)
        millrace.wait_for("nothing is left to read", lambda: lag(millrace) == 0)
        millrace.wait_for("the end is committed", lambda: committed(millrace) == [152])
        producer.begin_transaction()
        client.put("events", values(50, 60), producer=producer)
        time.sleep(2)
        expect_equal(counts(millrace), ["50"] * 4, "the rows while a transaction is open")
        expect_equal(lag(millrace), 0, "the lag behind what may be read")
        producer.commit_transaction(30)
        await_rows(millrace, 60)
        millrace.stop()


def test_all_codecs_keys_and_tombstones(folder):
    with broker(folder) as peer, reader(folder, peer.address) as millrace:
        client = Client(peer.address)
        client.create("events")
        for number, codec in enumerate(("none", "gzip", "snappy", "lz4", "zstd")):
            client.put("events", values(100 * number, 100 * number + 100), **{"compression.type": codec})
        producer = client.producer()
        producer.produce("events", None, key="gone")
        producer.flush(20)
        millrace.start()
        await_rows(millrace, 500)
        millrace.wait_for("the tombstone is rejected", lambda: str(millrace.query(
            "SELECT count(*), min(partition_key) FROM _rejects WHERE \"table\" = 'kept'")) == "[[1, 'gone']]")
        millrace.stop()


def test_a_record_of_20_megabytes(folder):
    with broker(folder) as peer, reader(folder, peer.address) as millrace:
        client = Client(peer.address)
        client.create("events", **{"max.message.bytes": "30000000"})
        client.put("events", values(0, 10))
        client.put("events", ['{"n":10,"name":"' + "x" * 20_000_000 + '"}'], **{"message.max.bytes": 30_000_000})
        client.put("events", values(11, 20))
        millrace.start()
        await_rows(millrace, 20)
        millrace.stop()


def test_what_librdkafka_refuses_is_said_at_the_start(folder):
    with reader(folder, "127.0.0.1:1", settings="options: {socket.timeout.ms: soon},") as millrace:
        expect_texts(refused(millrace), "source 'events'", "socket.timeout.ms")
