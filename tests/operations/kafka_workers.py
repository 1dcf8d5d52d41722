"""Several workers on one topic and one lake: they come, go, are killed, sleep; every record is there once.

KAFKA_WORKERS_SECONDS=600 makes the test of chance that long; KAFKA_WORKERS_SEED repeats one.
"""
import base64
import os
import pathlib
import random
import signal
import threading
import time

from harness import kafka
from harness.kafka import Client
from harness.millrace import Failure, Millrace
from harness.s3_store import S3Store, versitygw
from harness.webhook import Webhook
from operations import expect, expect_equal, expect_texts
from operations.kafka_source import broker, real_broker

PIPELINE = """
pipeline: reader
lake: ./lake
sources:
  events:
    from: kafka
    brokers: "%s"
    workers: many
    partition_key: n
    options: {session.timeout.ms: "6000", heartbeat.interval.ms: "200"}
    schema: {n: bigint, name: varchar}
tables:
  kept:
    from: events
    unique: {key: n, within: 24h}
    sql: SELECT n, name FROM events
    commit: {every: 500ms}
  later:
    from: kept
    sql: SELECT n FROM kept
    commit: {every: 900ms}
"""
ALERTS = """
alerts:
  seventh:
    from: kept
    when: n % 7 = 0
    select: n
    send: {webhook: {url: "${WEBHOOK}", secret: "${WEBHOOK_SECRET}"}}
"""
KEY = b"0123456789abcdef0123456789abcdef"
PARTITIONS = 6
SLEEP_SECONDS = 9  # longer than a session
SECONDS_MAX = 90
PAUSE_SECONDS = 0.01


def brokers(folder):
    """(Kafka itself if its jars are there, else kfake, whether it can be killed): kfake may wait for members that are gone for minutes
    if it was killed while a group was dividing its partitions."""
    is_real = kafka.kafka() is not None
    return (real_broker(folder) if is_real else broker(folder)), is_real


class Load:
    """A producer that does not stop: numbers as keys, no transactions, so that offsets have no gaps."""

    def __init__(self, client, records_per_pause=10):
        self.client, self.records_per_pause = client, records_per_pause
        self.count, self.error = 0, None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        producer = self.client.producer(**{"enable.idempotence": True})

        def delivered(error, _):
            self.error = self.error or error
        try:
            while not self.stopping.is_set():
                for number in range(self.count, self.count + self.records_per_pause):
                    value = f'{{"n":{number},"name":"name {number}"}}'
                    producer.produce("events", value, key=str(number), on_delivery=delivered)
                self.count += self.records_per_pause
                producer.poll(0)
                time.sleep(PAUSE_SECONDS)
            self.error = self.error or producer.flush(60) or None
        except Exception as error:  # shown by `end`
            self.error = error

    def end(self):
        self.stopping.set()
        self.thread.join()
        expect(not self.error, f"not acknowledged: {self.error}")
        return self.count


class Fleet:
    """Workers with one pipeline file and lake, each with a data folder of its own."""

    def __init__(self, folder, address, lake="./lake", more="", environment=None):
        self.folder = pathlib.Path(folder) / "fleet"
        self.folder.mkdir()
        (self.folder / "pipeline.yaml").write_text((PIPELINE % address).replace("./lake", lake) + more)
        self.workers, self.environment = {}, environment

    def start(self, name):
        self.workers.setdefault(name, Millrace(self.folder, data=name, environment=self.environment))
        return self.workers[name].start()

    def running(self):
        return [worker for worker in self.workers.values() if worker.is_running()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self.workers.values():
            worker.kill()

    def await_shares(self, *workers):
        """Until these have all partitions among them, and each has some."""
        def are_shared():
            held = [own_shards(worker) for worker in workers]
            return all(held) and sorted(sum(held, [])) == list(range(PARTITIONS))
        deadline = time.monotonic() + SECONDS_MAX
        while not are_shared():
            expect(time.monotonic() < deadline, f"the partitions are {[own_shards(worker) for worker in workers]}")
            time.sleep(0.05)


def own_shards(worker):
    return [int(one["shard"]) for one in worker.tables()["kept"]["positions"] if one["is_own"]]


def metric(worker, name):
    lines = worker.request("GET", "/metrics")[2].decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{"))


def await_all(worker, count):
    sql = "SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM later)"
    deadline = time.monotonic() + SECONDS_MAX
    while (rows := [int(value) for value in worker.query(sql)[0]]) != [count, count]:
        expect(max(rows) <= count, f"{rows} rows of {count} records")
        expect(time.monotonic() < deadline, f"{rows} rows of {count} records, after {SECONDS_MAX} s")
        time.sleep(0.05)


def judge(lake, count):
    """delta-rs finds each number once in both tables, and each record once in a table or its rejects.

    Brokers that were killed may have taken a record twice: kfake forgets which a producer has sent. The second is a duplicate.
    """
    from deltalake import DeltaTable

    def places(table, *columns):
        rows = DeltaTable(str(lake / table)).to_pyarrow_table(columns=["_shard", "_offset", *columns]).to_pydict()
        return [rows[column] for column in columns], list(zip(rows["_shard"], rows["_offset"]))
    (reasons,), rejected = places("_rejects", "reason")
    expect_equal(set(reasons) - {"duplicate"}, set(), "the reasons of rejects")
    for table in ("kept", "later"):
        (numbers,), taken = places(table, "n")
        expect(sorted(numbers) == list(range(count)),
               f"{table}: {len(numbers)} rows, {len(set(numbers))} of them different, of {count}")
        for shard in range(PARTITIONS):
            offsets = sorted(offset for one, offset in taken + rejected if one == shard)
            expect(offsets == list(range(len(offsets))), f"{table}: partition {shard} has gaps, or records twice")


def finish(folder, fleet, load):
    count = load.end()
    await_all(fleet.running()[0], count)
    for worker in fleet.running():
        worker.stop()
    judge(folder / "fleet" / "lake", count)


def test_workers_come_go_are_killed_and_sleep(folder):
    peer, may_be_killed = brokers(folder)
    with peer, Fleet(folder, peer.address) as fleet:
        client = Client(peer.address)
        client.create("events", PARTITIONS)
        load = Load(client)
        one = fleet.start("one")
        fleet.await_shares(one)
        two = fleet.start("two")
        fleet.await_shares(one, two)
        expect_equal(len(own_shards(one)), PARTITIONS // 2, "the partitions of the first")
        answer = one.query_result("SELECT count(*) FROM kept")["workers"]["kept"]
        expect_equal([int(shard) for shard in answer["fresh_shards"]], own_shards(one), "the shards that are fresh")
        one.wait_for("the others' rows are told of", lambda: one.query_result("SELECT 1 FROM kept")["workers"]["kept"]["others_until"])
        three = fleet.start("three")
        fleet.await_shares(one, two, three)
        two.kill()
        fleet.await_shares(one, three)
        if may_be_killed:
            peer.kill()
            peer.start()
        fleet.start("two")
        fleet.await_shares(one, two, three)
        three.wait_for("it has rows to commit", lambda: int(three.tables()["kept"]["hot_rows"]) > 100)
        three.process.send_signal(signal.SIGSTOP)
        time.sleep(SLEEP_SECONDS)
        fleet.await_shares(one, two)
        before = len(three.log.read_text())
        three.process.send_signal(signal.SIGCONT)
        # A commit of its fails, or the group is faster and tells that it has no partitions any more.
        three.wait_for("it sees that it was overtaken", lambda: any(
            what in three.log.read_text()[before:] for what in ("source.fenced", "source.rebalanced source=events partitions=0")))
        fleet.await_shares(one, two, three)
        if "source.fenced" in three.log.read_text():
            expect(metric(three, "millrace_fenced_commits_total") >= 1, "fenced commits are not counted")
        one.wait_for("rebalances are counted", lambda: metric(one, "millrace_source_rebalances_total") >= 4)
        one.wait_for("the partitions that are owned are told",
                     lambda: metric(one, "millrace_source_partitions_owned") == len(own_shards(one)))
        one.stop()
        fleet.await_shares(two, three)
        code, out, errors = three.command("status", "--data", "three")
        expect(code == 0 and f" of {PARTITIONS}" in out, f"the status: {code} {out} {errors}")
        finish(folder, fleet, load)


def test_alerts_are_sent_by_who_reads_the_partition(folder):
    """Each row alerts under one id, whoever sends it; what was sent again after a kill has the same."""
    webhook = Webhook(KEY)
    secrets = {"WEBHOOK": webhook.url, "WEBHOOK_SECRET": "whsec_" + base64.b64encode(KEY).decode()}
    peer, _ = brokers(folder)
    with peer, Fleet(folder, peer.address, more=ALERTS, environment=secrets) as fleet:
        client = Client(peer.address)
        client.create("events", PARTITIONS)
        load = Load(client)
        one, two = fleet.start("one"), fleet.start("two")
        fleet.await_shares(one, two)
        for worker in (one, two):  # both send
            worker.wait_for("it sends alerts", lambda worker=worker: metric(worker, "millrace_alerts_total") > 20)
        one.kill()
        fleet.await_shares(two)
        three = fleet.start("three")
        fleet.await_shares(two, three)
        count = load.end()
        wanted = list(range(0, count, 7))
        two.wait_for(f"all {len(wanted)} alerts came", lambda: numbers_of(webhook) == wanted)
        await_all(two, count)
        expect_equal(webhook.problems, [], "what the receiver found")
        for worker in fleet.running():
            worker.stop()
        judge(folder / "fleet" / "lake", count)


def numbers_of(webhook):
    """The numbers that came, each under one id."""
    found = {}
    for identity, data in webhook.rows().items():
        numbers = {one["n"] for one in data}
        expect(len(numbers) == 1, f"{identity} came with several rows: {data}")
        expect(found.setdefault(*numbers, identity) == identity, f"{numbers} came under two ids")
    return sorted(found)


def test_workers_share_a_lake_on_s3(folder):
    store = S3Store(folder / "s3", versitygw())
    try:
        store.boto3().create_bucket(Bucket="lake")
        peer, _ = brokers(folder)
        with peer, Fleet(folder, peer.address, "s3://lake/tables", environment=store.environment()) as fleet:
            client = Client(peer.address)
            client.create("events", PARTITIONS)
            load = Load(client)
            one, two = fleet.start("one"), fleet.start("two")
            fleet.await_shares(one, two)
            two.wait_for("it has rows to commit", lambda: int(two.tables()["kept"]["hot_rows"]) > 100)
            two.process.send_signal(signal.SIGSTOP)
            time.sleep(SLEEP_SECONDS)
            fleet.await_shares(one)
            two.process.send_signal(signal.SIGCONT)
            fleet.await_shares(one, two)
            one.kill()
            fleet.await_shares(two)
            three = fleet.start("three")
            fleet.await_shares(two, three)
            count = load.end()
            await_all(three, count)
            for worker in fleet.running():
                worker.stop()
        store.fetch("lake", "tables", folder / "fetched")
        judge(folder / "fetched", count)
    finally:
        store.close()


def test_workers_by_chance(folder):
    """By Kafka itself: kfake sometimes gives a member that comes back no partitions for minutes."""
    seconds = float(os.environ.get("KAFKA_WORKERS_SECONDS", "20"))
    seed = int(os.environ.get("KAFKA_WORKERS_SEED", random.randrange(10**6)))
    try:
        by_chance(folder, seconds, random.Random(seed))
    except Failure as failure:
        raise Failure(f"seed {seed}: {failure}") from None


def by_chance(folder, seconds, chance):
    names = ["one", "two", "three"]
    with real_broker(folder) as peer, Fleet(folder, peer.address) as fleet:
        client = Client(peer.address)
        client.create("events", PARTITIONS)
        load = Load(client)
        for name in names:
            fleet.start(name)
        end, asleep = time.monotonic() + seconds, {}
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.2, 3))
            name = chance.choice(names)
            worker = fleet.workers[name]
            what = chance.choice(["kill", "stop", "sleep", "broker"])
            if what == "broker":
                peer.kill()
                peer.start()
            elif name in asleep:
                worker.process.send_signal(signal.SIGCONT)
                del asleep[name]
            elif not worker.is_running():
                worker.start()
            elif what == "sleep":
                worker.process.send_signal(signal.SIGSTOP)
                asleep[name] = True
            elif what == "kill":
                worker.kill()
            else:
                worker.stop()
        for name in names:
            if name in asleep:
                fleet.workers[name].process.send_signal(signal.SIGCONT)
            if not fleet.workers[name].is_running():
                fleet.start(name)
        fleet.await_shares(*fleet.running())
        finish(folder, fleet, load)


def test_what_workers_need_is_said(folder):
    (folder / "pipeline.yaml").write_text(
        (PIPELINE % "127.0.0.1:1").replace("lake: ./lake\n", "").replace("key: n,", "key: name,"))
    code, out, errors = Millrace(folder).command("validate", "pipeline.yaml")
    expect_equal(code, 2, "the exit code")
    expect_texts(out + errors, "pipeline.yaml:4:", "workers: many needs the key `lake`", "pipeline.yaml:14:",
                 "by its partition_key 'n', and 'name' is another column")
