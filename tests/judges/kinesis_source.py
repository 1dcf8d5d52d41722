#!/usr/bin/env python3
"""Judges how `from: kinesis` reads streams of servers that nobody here wrote: moto, which checks signatures, and kinesis-local, with
real sequence numbers, resharding and fan-out, if this machine has it (KINESIS_LOCAL=FOLDER of its node_modules, or
KINESIS_LOCAL=install, which has npm bring it into the user's cache). Records come plain and as the KPL aggregates them.

    BUILD=build/release [KINESIS_LOCAL=FOLDER|install] python kinesis_source.py
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from harness.millrace import Failure, Millrace
from harness.ports import free_port
from harness.s3_store import REGION, S3Store

KINESIS_LOCAL = "kinesis-local@0.6.2"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "millrace" / "kinesis-local-0.6.2"
START_SECONDS_MAX = 60
PIPELINE = """
pipeline: judged
sources:
  events: {from: kinesis, poll: 200ms, %s schema: {n: bigint}}
tables:
  kept:
    from: events
    sql: SELECT n FROM events
    commit: {every: 150ms}
"""
# It would listen on every interface.
LOOPBACK = r"""
const net = require('net'), listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...a) {
  if (a[0] && typeof a[0] === 'object' && a[0].port !== undefined) { a[0].host = '127.0.0.1'; return listen.apply(this, a) }
  if (/^\d+$/.test(a[0])) return listen.call(this, { port: +a[0], host: '127.0.0.1' }, a.find(x => typeof x === 'function'));
  return listen.apply(this, a)
};
"""


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number, payload):
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def aggregated(key, records):
    """As amazon-kinesis-producer's aggregation-format.md says."""
    message = field(1, key.encode()) + b"".join(field(3, b"\x08\x00" + field(3, record)) for record in records)
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message).digest()


def data(n):
    return f'{{"n":{n}}}'.encode()


class KinesisLocal:
    """A running kinesis-local."""

    access_key, secret_key = "AKIDMILLRACETEST", "secretsecretsecret"

    def __init__(self, folder, modules):
        folder.mkdir()
        (folder / "loopback.cjs").write_text(LOOPBACK)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        package = modules / "kinesis-local"
        settings = {"KINESIS_MOCK_CERT_PATH": str(package / "server.json"), "KINESIS_MOCK_PLAIN_PORT": str(port),
                    "KINESIS_MOCK_TLS_PORT": str(free_port()), "SHARD_LIMIT": "100", "LOG_LEVEL": "WARN"}
        self.process = subprocess.Popen(["node", "-r", str(folder / "loopback.cjs"), str(package / "main.js")], cwd=folder,
                                        env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=(folder / "log").open("wb"))

    def close(self):
        self.process.kill()  # asked to end it stays
        self.process.wait(20)


def modules_of_kinesis_local():
    asked = os.environ.get("KINESIS_LOCAL")
    if asked == "install" and not (CACHE / "node_modules").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--prefix", str(CACHE), KINESIS_LOCAL], check=True)
    place = pathlib.Path(asked) if asked and asked != "install" else CACHE / "node_modules"
    return place if (place / "kinesis-local").exists() and shutil.which("node") else None


class Bench:
    """A server with the stream `events`, and a pipeline that reads it."""

    def __init__(self, folder, server, settings=""):
        self.kinesis = boto3.client("kinesis", endpoint_url=server.url, region_name=REGION, aws_access_key_id=server.access_key,
                                    aws_secret_access_key=server.secret_key, config=Config(retries={"total_max_attempts": 1}))
        folder.mkdir()
        (folder / "pipeline.yaml").write_text(PIPELINE % settings)
        self.millrace = Millrace(folder, environment={
            "AWS_ENDPOINT_URL_KINESIS": server.url, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "no_proxy": "127.0.0.1"})
        self.done = 0

    def make_stream(self, shards):
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self.kinesis.create_stream(StreamName="events", ShardCount=shards)
                break
            except (BotoCoreError, ClientError):  # it still starts
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        self.await_active()

    def await_active(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while self.kinesis.describe_stream_summary(StreamName="events")["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
            if time.monotonic() > deadline:
                raise Failure("the stream does not become active")
            time.sleep(0.1)

    def put(self, count):
        """Half of them plain, half packed by tens."""
        numbers = range(self.done, self.done + count)
        half = count // 2
        records = [{"Data": data(n), "PartitionKey": f"key {n}"} for n in numbers[:half]]
        for start in range(half, count, 10):
            key = f"key {numbers[start]}"
            records.append({"Data": aggregated(key, [data(n) for n in numbers[start:start + 10]]), "PartitionKey": key})
        for start in range(0, len(records), 100):
            if self.kinesis.put_records(StreamName="events", Records=records[start:start + 100])["FailedRecordCount"]:
                raise Failure("the server refused records")
        self.done += count

    def judge(self):
        def count():
            return [int(str(value)) for value in self.millrace.query("SELECT count(*), count(DISTINCT n) FROM kept")[0]]
        self.millrace.wait_for(f"{self.done} rows are there", lambda: count()[0] >= self.done)
        if count() != [self.done, self.done]:
            raise Failure(f"rows and distinct rows are {count()}, not {self.done}")

    def kill_between(self, cycles, change=None):
        for cycle in range(cycles):
            self.millrace.start()
            self.put(100)
            if change:
                change(cycle)
            if cycle % 2:
                self.judge()
            time.sleep(0.3)
            self.millrace.kill()
        for _ in range(2):
            self.millrace.start()
            self.judge()
            self.millrace.stop()


def judge_moto(folder):
    store = S3Store(folder / "moto")
    try:
        bench = Bench(folder / "of_moto", store)
        bench.make_stream(2)
        bench.kill_between(4)
        bench.millrace.environment["AWS_SECRET_ACCESS_KEY"] = "wrong"
        try:
            bench.millrace.start()
        except Failure as failure:
            if "source 'events'" not in str(failure) or "AccessDenied" not in str(failure):
                raise
        else:
            raise Failure("it started with a wrong secret")
    finally:
        bench.millrace.kill()
        store.close()


def judge_kinesis_local(folder, modules, settings):
    server = KinesisLocal(folder / "server", modules)
    try:
        bench = Bench(folder / "reader", server, settings)
        bench.make_stream(2)

        def reshard(cycle):
            targets = {0: 3, 2: 2}
            if cycle in targets:
                bench.kinesis.update_shard_count(StreamName="events", TargetShardCount=targets[cycle], ScalingType="UNIFORM_SCALING")
                bench.await_active()
                bench.put(50)

        if "fan_out" not in settings:
            bench.kill_between(4, reshard)
            return
        # On this server whoever was killed keeps its subscriptions (AWS lets the next one take them over), and those of a closed
        # shard never end. tests/operations/kinesis_source.py kills and reshards under fan-out.
        bench.millrace.start()
        for _ in range(4):
            bench.put(100)
            bench.judge()
        bench.millrace.stop()
    finally:
        bench.millrace.kill()
        server.close()


def main():
    modules = modules_of_kinesis_local()
    judges = {"moto": judge_moto}
    if modules:
        judges["kinesis-local, polled"] = lambda folder: judge_kinesis_local(folder, modules, "")
        judges["kinesis-local, fan-out"] = lambda folder: judge_kinesis_local(folder, modules, "fan_out: judged,")
    else:
        print("kinesis-local is left out: see KINESIS_LOCAL")
    failed = 0
    for name, judge in judges.items():
        with tempfile.TemporaryDirectory(prefix="millrace_kinesis_") as place:
            try:
                judge(pathlib.Path(place))
                print(f"{name}: every record once")
            except Failure as failure:
                failed += 1
                print(f"{name}: {failure}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
