#!/usr/bin/env python3
"""Kills millrace over and over while records come in, and has the outcome judged by kill_check.py.

    kill_test.py [--cycles N] [--seed N] [--folder DIR] [--s3]

With --s3 the tables lie on an S3 server (harness/s3_store.py), and are judged as they are copied from there.
A producer remembers what was acknowledged and sends nothing twice. A kill falls at a random moment: under load, in a commit (they
come every 200 ms) or the upkeep of a table, or while the process still starts. Prints its seed; the same seed makes the same choices.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from harness.millrace import Failure, Millrace
from harness.s3_store import S3Store, versitygw
from judges import delta

PIPELINE = """
pipeline: kill
sources:
  events:
    from: log
    shards: 2
    partition_key: key
    schema: {n: bigint, key: varchar, amount: "decimal(12,2)", hidden: boolean, ts: timestamptz}
    event_time: {column: ts}
tables:
  checked:
    from: events
    unique: {key: key, within: 24h}
    expect:
      has_amount: {check: amount > 0}
    sql: SELECT n, key, amount, ts, CAST(ts AT TIME ZONE 'UTC' AS DATE) AS day FROM events WHERE hidden IS NOT TRUE
    partition_by: [day]
    commit: {every: 200ms}
  chained:
    from: checked
    sql: SELECT n, key, amount * 2 AS twice FROM checked
    commit: {every: 300ms}
"""
PRODUCERS = 3
PAUSE_SECONDS = 0.01  # between bodies: load enough for a commit to be under way, and not more than the judges can read


class Producer(threading.Thread):
    """Sends bodies of records, each over a connection of its own."""

    def __init__(self, millrace, number, seed, stop):
        super().__init__(daemon=True)
        self.millrace, self.number, self.stop = millrace, number, stop
        self.random = random.Random(f"{seed} producer {number}")
        self.sent = []
        self.failure = None

    def record(self):
        number = len(self.sent) * PRODUCERS + self.number
        is_repeat = self.sent and self.random.random() < 0.1
        key = self.random.choice(self.sent[-200:])["key"] if is_repeat else f"k{number}"
        fate = self.random.choices(("good", "bad", "broken", "hidden"), (90, 4, 3, 3))[0]
        self.sent.append({"n": number, "key": key, "fate": fate})
        value = {"n": number, "key": key, "amount": -1 if fate == "bad" else self.random.randint(1, 10**6) / 100,
                 "hidden": fate == "hidden", "ts": self.time_of(key, second=int(bool(is_repeat)))}
        text = json.dumps(value)
        return text[:-1] if fate == "broken" else text

    @staticmethod
    def time_of(key, second):
        """An hour on either side of midnight, so that there are two partitions and all is within the window of `unique`."""
        day, hour = ((19, 23), (20, 0))[int(key[1:]) % 2]
        return f"2026-11-{day}T{hour:02}:30:{second:02}Z"

    def run(self):
        try:
            while not self.stop.is_set():
                self.send_one_body()
                time.sleep(PAUSE_SECONDS)
        except Exception as error:  # reported by the test; a dead producer would make it prove nothing
            self.failure = error

    def send_one_body(self):
        port = self.millrace.port
        if port is None:
            time.sleep(0.01)
            return
        first = len(self.sent)
        body = "\n".join(self.record() for _ in range(self.random.choice((1, 1, 5, 50, 400))))
        headers = {"Content-Type": "application/x-ndjson", "X-Partition-Key": f"p{self.random.randint(0, 9)}"}
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("POST", "/v1/streams/events/records", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
            return
        if answer.status in (429, 503):
            time.sleep(0.02)
        elif answer.status != 200:
            raise Failure(f"a body was answered with {answer.status}: {text.decode(errors='replace')}")
        else:
            (part,) = json.loads(text)["shards"]  # one partition key, one shard
            if part["end"] - part["first"] != len(self.sent) - first:
                raise Failure(f"{len(self.sent) - first} records were acknowledged as {part}")
            for index, record in enumerate(self.sent[first:]):
                record.update(shard=part["shard"], offset=part["first"] + index)


def maintain(millrace, stop):
    """Asks for the upkeep of all tables, one after the other, whenever the process answers."""
    while not stop.is_set():
        try:
            millrace.request("POST", "/v1/maintenance/runs", "{}", {"Content-Type": "application/json"})
        except (OSError, http.client.HTTPException, TypeError):
            pass
        time.sleep(0.1)


def torment(millrace, cycles, seed, fetch_tables):
    """Starts and kills; ends with a gentle stop after all is committed. Returns the producers."""
    chance = random.Random(f"{seed} kills")
    stop = threading.Event()
    producers = [Producer(millrace, number, seed, stop) for number in range(PRODUCERS)]
    for producer in producers:
        producer.start()
    upkeep = threading.Thread(target=maintain, args=(millrace, stop), daemon=True)
    upkeep.start()
    for cycle in range(cycles):
        if chance.random() < 0.2:
            millrace.port = None
            millrace.spawn()
            time.sleep(chance.uniform(0.0, 0.4))
        else:
            millrace.start()
            time.sleep(chance.uniform(0.05, 1.6))
            if not millrace.is_running():
                raise Failure(f"millrace ended by itself in cycle {cycle}")
        millrace.kill()
        millrace.port = None
    millrace.start()
    time.sleep(0.5)
    stop.set()
    upkeep.join()
    for producer in producers:
        producer.join()
        if producer.failure:
            raise producer.failure
    millrace.settle()
    fetch_tables()
    delta.compare_running(millrace)
    millrace.stop()
    fetch_tables()
    delta.check_folder(millrace.data)
    return producers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=30)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--folder", type=pathlib.Path, default=None)
    parser.add_argument("--s3", action="store_true")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    folder = options.folder or pathlib.Path(tempfile.mkdtemp(prefix="millrace_kill_"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    store = S3Store(folder / "s3", versitygw()) if options.s3 else None
    if store:
        store.boto3().create_bucket(Bucket="lake")
    (folder / "pipeline.yaml").write_text(PIPELINE + ("lake: s3://lake/kill\n" if store else ""))
    print(f"seed {seed}, {options.cycles} kills, {folder}", flush=True)
    try:
        with Millrace(folder, environment=store.environment() if store else None) as millrace:
            def fetch_tables():
                if store:
                    store.fetch("lake", "kill", millrace.data / "tables")
            producers = torment(millrace, options.cycles, seed, fetch_tables)
    except Failure as failure:
        print(failure)
        return 1
    finally:
        if store:
            store.close()
    with open(folder / "sent.ndjson", "w") as file:
        for producer in producers:
            file.writelines(json.dumps(record) + "\n" for record in producer.sent)
    checker = pathlib.Path(__file__).with_name("kill_check.py")
    code = subprocess.run([sys.executable, checker, folder / "sent.ndjson", folder / "data" / "tables"], check=False).returncode
    if code == 0 and options.folder is None:
        shutil.rmtree(folder)
    return code


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # delta-rs' threads can abort a gentle end
