"""A topic of Kafka into the committed lake: Millrace against plain Spark Structured Streaming into Delta, on the same records; how long
until a record is visible; and what two workers cost compared with one. The broker is Kafka itself."""
import json
import shutil
import statistics
import subprocess
import threading
import time

import process
from pipelines import fresh, make_lookups, orders, write_pipeline
from process import Failure, Measured
from harness import kafka, spark

TOPIC, PARTITIONS = "orders", 4
SPARK_SECONDS_MAX = 1800
SUMS = "SELECT count(*), sum(CAST(amount * 100 AS BIGINT)), count(*) FILTER (is_fraud) FROM read_parquet({files}) o"
SOURCE = 'kafka\n    brokers: "{}"\n    topic: {}'
MANY = SOURCE + "\n    workers: many\n    partition_key: customer_id\n    options: {{heartbeat.interval.ms: \"200\"}}"


def broker(folder):
    jars = kafka.kafka()
    if not jars:
        raise Failure("Kafka's jars are not here: KAFKA=install brings them")
    return kafka.Kafka(folder, jars)


def produce(address, path, topic=TOPIC):
    """The lines of a file, in their order over the partitions by turns. Gives the seconds."""
    client, begin = kafka.Client(address), time.monotonic()
    producer = client.producer(**{"linger.ms": 20, "queue.buffering.max.messages": 1_000_000, "compression.type": "lz4"})
    with open(path, "rb") as lines:
        for number, line in enumerate(lines):
            while True:
                try:
                    producer.produce(topic, line[:-1], partition=number % PARTITIONS)
                    break
                except BufferError:
                    producer.poll(0.1)
            if number % 1000 == 0:
                producer.poll(0)
    if left := producer.flush(120):
        raise Failure(f"{left} records were not acknowledged")
    return time.monotonic() - begin


def check_lake(table, truth, who, good=None):
    """What delta-rs and DuckDB find. `good`: the table with the orders that are fine; how many others `table` has is given."""
    import deltalake
    import duckdb
    files, known = ([uri.removeprefix("file://") for uri in deltalake.DeltaTable(path).file_uris()] for path in (table, good or table))
    sums = SUMS.format(files=files)
    found = duckdb.sql(f"{sums} SEMI JOIN read_parquet({known}) k USING (order_id)").fetchone()
    if list(map(int, found)) != [truth["rows"], truth["cents"], truth["flags"]]:
        raise Failure(f"{who}: rows, cents and flags are {found}; true is {truth}")
    return duckdb.sql(sums).fetchone()[0] - truth["rows"]


def ours(folder, truth):
    """From the start of a process on an empty data folder until everything is committed."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    with Measured(folder).start() as millrace:
        millrace.wait_number("SELECT (SELECT count(*) FROM checked_orders) + (SELECT count(*) FROM _rejects)",
                             truth["rows"] + truth["rejects"])
        cost = millrace.finish()
    check_lake(folder / "data/tables/checked_orders", truth, "Millrace")
    return cost


def of_spark(folder, address, truth, records):
    """Spark's query alone, without its start: (cost, CPU seconds of the start, bad rows that it took)."""
    python, environment = spark.environment()
    table = folder / "spark"
    for path in folder.glob("spark*"):
        shutil.rmtree(path)
    ran = subprocess.run([python, process.SOURCES / "peers" / "spark_stream.py", address, TOPIC, folder, table], env=environment,
                         capture_output=True, text=True, timeout=SPARK_SECONDS_MAX)
    if ran.returncode:
        raise Failure(f"Spark ended with {ran.returncode}: {ran.stderr[-2000:]}")
    told = json.loads(ran.stdout.splitlines()[-1])
    if told["records"] != records:
        raise Failure(f"Spark read {told['records']} records, not {records}")
    taken = check_lake(table, truth, "Spark", folder / "data/tables/checked_orders")
    return process.Cost(told["seconds"], told["cpu"], told["peak"]), told["start_cpu"], taken


def against_spark(options, table):
    folder, truth = orders("kafka", options.kafka_orders)
    count, rounds = options.kafka_orders, min(options.rounds, 3)
    shutil.rmtree(folder / "broker", ignore_errors=True)
    with broker(folder / "broker") as server:
        kafka.Client(server.address).create(TOPIC, PARTITIONS)
        produce(server.address, folder / "orders.ndjson")
        write_pipeline(folder, source=SOURCE.format(server.address, TOPIC))
        mine, theirs, starts, taken = [], [], [], 0
        for _ in range(rounds):
            mine.append(ours(folder, truth))
            cost, start, taken = of_spark(folder, server.address, truth, count)
            theirs.append(cost), starts.append(start)
    middle = {who: process.Cost(*(statistics.median(getattr(cost, of) for cost in costs) for of in ("seconds", "cpu", "peak")))
              for who, costs in (("Millrace", mine), ("Spark", theirs))}
    for who, cost in middle.items():
        start = f"{statistics.median(starts):.0f} CPU seconds of its start left out" if who == "Spark" else "its start included"
        table.add(f"Kafka to committed lake, {count:,} orders, {who}", f"{count / cost.cpu:,.0f} orders per CPU second, "
                  f"{count / cost.seconds:,.0f}/s, {cost.peak / 1e6:,.0f} MB ({start})", "", True)
    ratio, memory = middle["Spark"].cpu / middle["Millrace"].cpu, middle["Millrace"].peak / middle["Spark"].peak
    table.add("Kafka to lake, orders per CPU second to Spark's", f"{ratio:.1f} times", "10 times", ratio >= 10)
    table.add("Kafka to lake, memory to Spark's", f"{memory:.2f} times", "0.25 times", memory <= 0.25)
    table.add("Kafka to lake, bad records that Spark takes", f"{taken:,}; Millrace rejects them", "", True)


class Sender:
    """Produces at a steady rate; a record counts from when it was due."""

    def __init__(self, address, rate, seconds):
        self.rate, self.seconds, self.sent, self.failed = rate, seconds, [], []
        self.producer = kafka.Client(address).producer(**{"linger.ms": 1})

    def run(self):
        start, total, number = time.monotonic(), int(self.rate * self.seconds), 0
        while number < total:
            until = min(total, int((time.monotonic() - start) * self.rate) + 1)
            for one in range(number, until):
                due = start + one / self.rate
                value = (f'{{"order_id":"ord-{one:08x}-605e-b519-f661b68c237f","customer_id":"customer-{one % 1000:07}",'
                         f'"amount":{one % 2000 + 1}.50,"currency":"EUR","country":"DE","ts":"2026-11-20T12:00:00.123456Z"}}')
                self.producer.produce(TOPIC, value, partition=one % PARTITIONS, on_delivery=lambda error, message, due=due: (
                    self.failed.append(error) if error else self.sent.append((message.partition(), message.offset(), due))))
            number = until
            self.producer.poll(0)
            time.sleep(0.0005)
        self.producer.flush(60)


def watch(millrace, stop, seen):
    """Asks again and again how far each partition is visible: (partition, offset, moment of the answer)."""
    start = -1
    while not stop.is_set():
        rows = millrace.json("POST", "/v1/query", {"sql": "SELECT _shard, max(_offset) FROM checked_orders WHERE _offset >= $from "
                                                   "GROUP BY _shard", "parameters": {"from": start}})["rows"]
        now = time.monotonic()
        for shard, offset in rows:
            seen[int(shard)].append((int(offset), now))
        if all(seen.values()):
            start = min(part[-1][0] for part in seen.values())
        time.sleep(0.005)


def visible(millrace, address, rate, seconds):
    """Milliseconds from when a record was due to the first answer that has it, sorted."""
    sender, seen, stop = Sender(address, rate, seconds), {shard: [] for shard in range(PARTITIONS)}, threading.Event()
    watcher = threading.Thread(target=watch, args=(millrace, stop, seen))
    watcher.start()
    sender.run()
    time.sleep(2)
    stop.set()
    watcher.join()
    if sender.failed or len(sender.sent) != int(rate * seconds):
        raise Failure(f"{len(sender.sent)} of {int(rate * seconds)} records were acknowledged")
    times, at = [], dict.fromkeys(range(PARTITIONS), 0)
    for shard, offset, due in sorted(sender.sent):
        while at[shard] < len(seen[shard]) and seen[shard][at[shard]][0] < offset:
            at[shard] += 1
        if at[shard] == len(seen[shard]):
            raise Failure(f"the record at {offset} of partition {shard} was not seen")
        times.append((seen[shard][at[shard]][1] - due) * 1000)
    return sorted(times)


def latency(options, table):
    folder = fresh("kafka_latency")
    make_lookups(folder)
    with broker(folder / "broker") as server:
        kafka.Client(server.address).create(TOPIC, PARTITIONS)
        write_pipeline(folder, source=SOURCE.format(server.address, TOPIC), every="10s")
        with Measured(folder).start() as millrace:
            visible(millrace, server.address, 1000, 5)
            times = visible(millrace, server.address, 10_000, options.seconds)
            millrace.finish()
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    table.add(f"produce to visible, 10,000/s, {options.seconds} s", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {times[-1]:.1f} ms",
              "p99 100 ms", p99 < 100)


def workers_cost(folder, truth, count):
    """CPU seconds of `count` workers that share the topic while it fills, and to commit it all: (of the records, of the starts)."""
    shutil.rmtree(folder / "lake", ignore_errors=True)
    for path in folder.glob("worker?"):
        shutil.rmtree(path)
    with broker(fresh("kafka_workers_broker")) as server:
        kafka.Client(server.address).create(TOPIC, PARTITIONS)
        write_pipeline(folder, source=MANY.format(server.address, TOPIC))
        path = folder / "pipeline.yaml"
        path.write_text("lake: ./lake\n" + path.read_text())
        workers = [Measured(folder, data=f"worker{number}").start() for number in range(count)]
        try:
            for worker in workers:
                worker.wait_for("the partitions are divided", lambda worker=worker: owned(worker) == PARTITIONS // count)
            starts = sum(process.cpu_and_memory(worker.process.pid)[0] for worker in workers)
            produce(server.address, folder / "orders.ndjson")
            for worker in workers:
                worker.catch_up()
            all_of_it = sum(worker.finish().cpu for worker in workers)
        finally:
            for worker in workers:
                worker.kill()
    check_lake(folder / "lake/checked_orders", truth, f"{count} workers")
    return all_of_it - starts, starts


def owned(worker):
    _, _, text = worker.request("GET", "/metrics")
    lines = [line for line in text.decode().splitlines() if line.startswith("millrace_source_partitions_owned")]
    return int(float(lines[0].split()[-1])) if lines else -1


def workers(options, table):
    folder, truth = orders("kafka_workers", options.kafka_orders)
    count, cost, starts = options.kafka_orders, {}, {}
    for number in (1, 2):
        found = [workers_cost(folder, truth, number) for _ in range(min(options.rounds, 3))]
        cost[number], starts[number] = (statistics.median(values) for values in zip(*found))
    one, two = (cost[number] / count * 1e6 for number in (1, 2))
    table.add(f"CPU seconds per million orders, {count:,} orders while they are produced, one worker; two workers",
              f"{one:.2f}; {two:.2f}: {two / one:.2f} times (starts left out: {starts[1]:.2f} and {starts[2]:.2f} CPU seconds)",
              "1.18 times", two / one <= 1.18)


def kafka_lake(options, table):
    against_spark(options, table)
    latency(options, table)
    workers(options, table)
