"""`send: {kafka: …}`: messages and a table's rows in a topic, whatever is down or killed, read back by confluent-kafka."""
import json
import time

from harness.kafka import Client
from harness.millrace import Failure, Millrace
from operations import expect, expect_equal, expect_texts
from operations.kafka_source import PASSWORD, USER, broker, real_broker

PIPELINE = """
pipeline: shop
sources:
  orders: {from: log, shards: 2, schema: {id: varchar, customer: varchar, amount: double, note: varchar}}
tables:
  sales:
    from: orders
    sql: SELECT id, customer, amount, note FROM orders
    commit: {every: 100ms}
alerts:
  rows:
    from: sales
    group_by: customer
    body: row
    history: failed
    retry_for: 1h
    send: {kafka: {brokers: "%s", topic: all_sales %s}}
  large:
    from: sales
    when: amount > 1000
    select: id, amount
    send: {kafka: {brokers: "%s" %s}}
"""
ROUNDS = 6


def shop(folder, address, security="", environment=None):
    (folder / "shop").mkdir(exist_ok=True)
    (folder / "shop" / "pipeline.yaml").write_text(PIPELINE % (address, security, address, security))
    return Millrace(folder / "shop", environment=environment)


def send(millrace, first, end, note=""):
    lines = (json.dumps({"id": f"o{n}", "customer": f"c{n % 7}", "amount": 1000 + n % 2, "note": note}) for n in range(first, end))
    millrace.send("orders", "\n".join(lines).encode())


def consume(client, topic, wanted, seconds=60):
    """(partition, key, header `id`, value as JSON) of all records, once `wanted` different ids were seen and nothing more comes."""
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({**client.settings, "group.id": "readers", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    found, deadline = [], time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            messages = consumer.consume(1000, timeout=1)
            for message in messages:
                if message.error():
                    raise Failure(str(message.error()))
                found.append((message.partition(), message.key().decode(), dict(message.headers())["id"].decode(),
                              json.loads(message.value())))
            if not messages and len({one[2] for one in found}) >= wanted:
                break
    finally:
        consumer.close()
    return found


def queue_error(millrace, alert):
    for one in millrace.json("GET", "/v1/alerts?limit=1")["deliveries"]:
        if one["alert"] == alert:
            return one["error"] or ""
    return ""


def test_every_row_over_kills_of_both(folder):
    with broker(folder) as peer, shop(folder, peer.address) as millrace:
        client, done = Client(peer.address), 0
        client.create("all_sales", 3)
        client.create("large", 1)
        for number in range(ROUNDS):
            millrace.start()
            if number == 1:
                peer.kill()
            send(millrace, done, done + 200)
            if number == 1:
                millrace.wait_for("it is told that no broker answers", lambda: queue_error(millrace, "rows"))
                peer.start()
            if number in (0, 3):
                time.sleep(0.3)
            done += 200
            if number % 2:
                millrace.kill()
            else:
                millrace.stop()
        millrace.start()
        rows = consume(client, "all_sales", done)
        expect_equal({one[3]["id"] for one in rows}, {f"o{n}" for n in range(done)}, "the rows in the topic")
        expect_equal(sorted(rows[0][3]), ["amount", "customer", "id", "note"], "the columns of a row")
        places = {}
        for partition, key, _, row in rows:
            expect_equal(key, row["customer"], "a row's key")
            places.setdefault(key, set()).add(partition)
        expect(all(len(one) == 1 for one in places.values()), f"a key is in several partitions: {places}")
        ids = {}
        for _, _, header, row in rows:
            expect_equal(ids.setdefault(header, row["id"]), row["id"], "the row that has an id")
        expect_equal(len(ids), done, "the number of different ids")
        large = consume(client, "large", done // 2)
        expect_equal({row["data"]["id"] for one in large for row in one[3]["rows"]}, {f"o{n}" for n in range(1, done, 2)}, "the alerts")
        millrace.settle()
        kept = millrace.query("SELECT count(*) FROM _alerts WHERE alert = 'rows'")[0][0]
        expect_equal(str(kept), "0", "rows that are kept of what was sent")
        millrace.stop()


def test_topics_that_are_missing_and_rows_too_large(folder):
    with broker(folder) as peer, shop(folder, peer.address).start() as millrace:
        client = Client(peer.address)
        client.create("large", 1)
        send(millrace, 0, 10)
        millrace.wait_for("it says that the topic is missing", lambda: "no topic 'all_sales'; make it" in queue_error(millrace, "rows"))
        expect_equal(len(consume(client, "large", 5)), 5, "alerts to the topic that is there")
        client.create("all_sales", 1, **{"max.message.bytes": "20000"})
        expect_equal({one[3]["id"] for one in consume(client, "all_sales", 10)}, {f"o{n}" for n in range(10)}, "the rows")
        send(millrace, 10, 11, note="x" * 50_000)
        send(millrace, 11, 12)
        rows = consume(client, "all_sales", 11)
        expect_equal({one[3]["id"] for one in rows}, {f"o{n}" for n in range(12) if n != 10}, "the rows that fit")
        dead = "SELECT data ->> 'id', error FROM _alerts WHERE outcome = 'dead'"
        millrace.wait_for("the large row is dead", lambda: millrace.query(dead))
        name, error = millrace.query(dead)[0]
        expect_equal(name, "o10", "the row that is dead")
        expect_texts(error, "all_sales", "max.message.bytes")
        millrace.stop()


def test_wrong_password(folder):
    """By Kafka itself: librdkafka and kfake do not agree on SASL."""
    security = ', security: {protocol: sasl_plaintext, mechanism: PLAIN, user: %s, password: "${SECRET}"}' % USER
    with real_broker(folder, user=USER, password=PASSWORD) as peer:
        client = Client(peer.address)
        client.create("all_sales", 1)
        client.create("large", 1)
        with shop(folder, peer.sasl_address, security, {"SECRET": "wrong-" + PASSWORD}).start() as millrace:
            send(millrace, 0, 10)
            millrace.wait_for("it is told", lambda: "uthentication" in queue_error(millrace, "rows"))
            expect(PASSWORD not in millrace.log.read_text(), "the password is in the log")
            millrace.kill()
        with shop(folder, peer.sasl_address, security, {"SECRET": PASSWORD}).start() as millrace:
            expect_equal({one[3]["id"] for one in consume(client, "all_sales", 10)}, {f"o{n}" for n in range(10)}, "the rows")
            millrace.stop()
