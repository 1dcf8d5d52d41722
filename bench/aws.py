"""What is measured of the Kinesis API and of the lake on S3."""
import collections
import json
import shutil
import statistics
import sys

import process
import kinesis_peers
import pipelines
from harness.s3_store import S3Store, versitygw
from pipelines import TOTALS, bulk_ours, check_bulk, fresh, make_lookups, orders, write_pipeline
from process import Failure, Measured
from prometheus_client.parser import text_string_to_metric_families

PEER_SECONDS = 5
CHECKED_REQUESTS = 20
BUCKET = "lake"


def put(port, **words):
    flags = [part for name, value in words.items() for part in (f"--{name}", value)]
    output, cost = process.run("kinesis_client", "--port", port, *flags)
    return json.loads(output), cost


def read_back(port):
    """How often each record of the stream is there."""
    kinesis, found = kinesis_peers.client(port), collections.Counter()
    for shard in kinesis.list_shards(StreamName="orders")["Shards"]:
        start = {"StreamName": "orders", "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(**start)["ShardIterator"]
        while True:
            answer = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
            found.update(record["Data"] for record in answer["Records"])
            iterator = answer.get("NextShardIterator")
            if not iterator or not answer["Records"] and answer["MillisBehindLatest"] == 0:
                break
    return found


def check_answers(port, folder, name, encoding):
    """What was put is what is read: each record as often, to the byte."""
    dump = folder / "dump"
    before = read_back(port)
    sent, _ = put(port, connections=1, requests=CHECKED_REQUESTS, bodies=CHECKED_REQUESTS, encoding=encoding, dump=dump)
    wanted = collections.Counter(dump.read_bytes().splitlines())
    if sent["refused"] or sent["records"] != wanted.total() or read_back(port) - before != wanted:
        raise Failure(f"{name} does not give back what was put: {sent}")


def rate(name, sent):
    if sent["refused"]:
        raise Failure(f"{name} refused {sent['refused']} requests: {sent}")
    return sent["records"] / sent["seconds"]


def best_peer(folder):
    """The name and the rate of the fastest peer that gives back what it was given."""
    rates = {}
    for name in kinesis_peers.Peer.NAMES:
        try:
            with kinesis_peers.Peer(name) as peer:
                check_answers(peer.port, folder, name, "json")
                rates[name] = rate(name, put(peer.port, connections=2, seconds=PEER_SECONDS)[0])
        except Failure as failure:
            print(f"  (left out: {failure})", file=sys.stderr)
    if not rates:
        raise Failure("there is no peer")
    return max(rates.items(), key=lambda item: item[1])


def ratio_to_peer(options, millrace, name):
    """The median of rounds in which both were measured one after the other."""
    ratios = []
    for _ in range(max(1, min(options.rounds, 3))):
        with kinesis_peers.Peer(name) as peer:
            theirs = rate(name, put(peer.port, connections=2, seconds=PEER_SECONDS)[0])
        ours = rate("Millrace", put(millrace.port, connections=2, seconds=PEER_SECONDS)[0])
        ratios.append(ours / theirs)
    return statistics.median(ratios)


def kinesis(options, table):
    folder = fresh("kinesis")
    make_lookups(folder)
    write_pipeline(folder, every="5s")
    name, _ = best_peer(folder)
    with Measured(folder).start() as millrace:
        for encoding in ("json", "cbor"):
            check_answers(millrace.port, folder, "Millrace", encoding)
        put_single(options, table, millrace)
        ratio = ratio_to_peer(options, millrace, name)
        table.add(f"Kinesis API: PutRecords of 500 to {name}'s", f"{ratio:,.0f} times", "5 times", ratio >= 5)
        for encoding in ("json", "cbor"):
            put_many(options, table, millrace, encoding)
        millrace.finish()


def put_many(options, table, millrace, encoding):
    before, _ = process.cpu_and_memory(millrace.process.pid)
    sent, client = put(millrace.port, connections=4, seconds=options.seconds, encoding=encoding)
    after, _ = process.cpu_and_memory(millrace.process.pid)
    found = rate("Millrace", sent)
    acknowledged = acknowledged_records(millrace)
    millrace.wait_number(TOTALS_AND_REJECTS, acknowledged)
    table.add(f"Kinesis API: PutRecords of 500, {encoding}, native client",
              f"{found:,.0f} records/s (CPU seconds: server {after - before:.0f}, client {client.cpu:.0f}; "
              f"p99 {sent['answer_p99_ms']:.0f} ms)",
              "200,000/s", found >= 200_000)


TOTALS_AND_REJECTS = "SELECT (SELECT count(*) FROM checked_orders) + (SELECT count(*) FROM _rejects)"


def put_single(options, table, millrace):
    put(millrace.port, connections=8, records=1, rate=1000, seconds=3, bodies=1000)
    sent, _ = put(millrace.port, connections=8, records=1, rate=1000, seconds=options.seconds, bodies=1000)
    rate("Millrace", sent)
    table.add("Kinesis API: PutRecord at 1,000/s, with sync",
              f"p50 {sent['answer_p50_ms']:.1f} ms, p99 {sent['answer_p99_ms']:.1f} ms", "p99 5 ms", sent["answer_p99_ms"] < 5)


def metric(millrace, name, **labels):
    """The sum of its samples that have these labels."""
    text = millrace.request("GET", "/metrics")[2].decode()
    return sum(sample.value for family in text_string_to_metric_families(text) for sample in family.samples
               if sample.name == name and all(sample.labels.get(key) == value for key, value in labels.items()))


def acknowledged_records(millrace):
    return int(metric(millrace, "millrace_kinesis_records_total", stream="orders"))


def s3(options, table):
    """The bulk job with its lake on an S3 server of this machine, and on the disk, in turns."""
    binary = versitygw()
    store = S3Store(pipelines.FOLDER / "s3_store", binary)
    try:
        store.boto3().create_bucket(Bucket=BUCKET)
        bulk_on_s3(options, table, store)
        calls_per_commit(options, table, store)
    finally:
        store.close()


def write_s3_pipeline(folder, prefix, **words):
    write_pipeline(folder, **words)
    path = folder / "pipeline.yaml"
    path.write_text(f"lake: s3://{BUCKET}/{prefix}\n" + path.read_text())


def bulk_on_s3(options, table, store):
    folder, truth = orders("bulk", options.orders)
    environment, times = store.environment(), []
    for turn in range(options.rounds):
        write_pipeline(folder, source="files\n    path: orders.ndjson")
        local = bulk_ours(folder, truth)
        check_bulk(folder, truth)
        shutil.rmtree(folder / "data")
        write_s3_pipeline(folder, f"bulk{turn}", source="files\n    path: orders.ndjson")
        remote = bulk_ours(folder, truth, environment)
        check_bulk(folder, truth, environment)
        shutil.rmtree(folder / "data")
        times.append((remote.seconds, local.seconds))
    ratio = statistics.median(ours / theirs for ours, theirs in times)
    table.add(f"bulk with the lake on S3 ({store.name}, same machine), time to the local lake's", f"{ratio:.2f} times", "1.3 times",
              ratio <= 1.3)


def calls_per_commit(options, table, store):
    """With nobody in its way: a data file and the commit."""
    folder = fresh("s3_commits")
    make_lookups(folder, 1000)
    write_s3_pipeline(folder, "commits", every="1s")
    line = b'{"order_id":"a","customer_id":"c","amount":1,"currency":"USD","country":"US","ts":"2026-11-20T12:00:00Z"}\n'
    with Measured(folder, environment=store.environment()).start() as millrace:
        millrace.send("orders", line)
        millrace.settle()
        names = ("millrace_aws_calls_total", {"service": "s3"}), ("millrace_table_commits_total", {})
        before = [metric(millrace, name, **labels) for name, labels in names]
        for _ in range(10):
            millrace.send("orders", line)
            millrace.settle()
        calls, commits = (metric(millrace, name, **labels) - was for (name, labels), was in zip(names, before))
        if int(millrace.query(TOTALS)[0][0]) != 11 or commits < 10:
            raise Failure(f"{commits} commits, rows {millrace.query(TOTALS)}")
        millrace.finish()
    table.add("S3: requests of a commit that meets no other", f"{calls / commits:.1f} (in {commits:.0f} commits)", "below 3",
              calls / commits < 3)
