"""For tests of streams: Kafka itself, topics and producers by Spark's own Kafka client, and `millrace-spark stream` as a process."""

import os
import random
import subprocess
import sys
import time

import bench
from harness import kafka
from harness.millrace import Failure

SECONDS_MAX = 180
SERIALIZER = "org.apache.kafka.common.serialization.ByteArraySerializer"


def broker(folder):
    os.environ.setdefault("KAFKA", "install")
    jars = kafka.kafka()
    if not jars:
        raise Failure("Kafka's jars could not be fetched")
    return kafka.Kafka(folder / "broker", jars)


class Topics:
    """Topics of a broker, through the session's Java."""

    def __init__(self, spark, address):
        self.jvm, self.address = spark._jvm, address
        self.producer = None

    def settings(self, **more):
        made = self.jvm.java.util.HashMap()
        for key, value in {"bootstrap.servers": self.address, **more}.items():
            made.put(key.replace("_", "."), value)
        return made

    def admin(self, what):
        admin = self.jvm.org.apache.kafka.clients.admin.AdminClient.create(self.settings())
        try:
            return what(admin).all().get()
        finally:
            admin.close()

    def create(self, topic, partitions):
        names = self.jvm.java.util.ArrayList()
        names.add(self.jvm.org.apache.kafka.clients.admin.NewTopic(topic, partitions, 1))
        self.admin(lambda admin: admin.createTopics(names))

    def delete(self, topic):
        names = self.jvm.java.util.ArrayList()
        names.add(topic)
        self.admin(lambda admin: admin.deleteTopics(names))

    def add_partitions(self, topic, count):
        counts = self.jvm.java.util.HashMap()
        counts.put(topic, self.jvm.org.apache.kafka.clients.admin.NewPartitions.increaseTo(count))
        self.admin(lambda admin: admin.createPartitions(counts))

    def put(self, topic, values, partitions=1, first=0, key=None):
        """Values, None is a tombstone, over the partitions by turns; all are acknowledged when it returns."""
        if self.producer is None:
            # One request at a time: a partition that was just made takes any as its first.
            self.producer = self.jvm.org.apache.kafka.clients.producer.KafkaProducer(
                self.settings(
                    key_serializer=SERIALIZER,
                    value_serializer=SERIALIZER,
                    linger_ms="20",
                    enable_idempotence="true",
                    max_in_flight_requests_per_connection="1",
                )
            )
        record = self.jvm.org.apache.kafka.clients.producer.ProducerRecord
        sent = [
            self.producer.send(record(topic, number % partitions, key(number) if key else None, value))
            for number, value in enumerate(values, first)
        ]
        self.producer.flush()
        for one in sent:
            one.get()  # an error, if it was not acknowledged

    def close(self):
        if self.producer is not None:
            self.producer.close()
            self.producer = None


class Process:
    """`millrace-spark stream` on its own. `jars`: which of Spark's jars it gets."""

    def __init__(self, folder, *words, jars=None):
        confs = {**bench.SETTINGS, "spark.sql.warehouse.dir": str(bench.FOLDERS / "warehouse"), "spark.log.level": "OFF"}
        parts = ["--master", "local[2]", "--jars", ",".join(bench.jars() if jars is None else jars)]
        parts += ["--driver-memory", confs.pop("spark.driver.memory")]
        parts += [part for key, value in confs.items() for part in ("--conf", f"'{key}={value}'")]
        self.log = folder / f"stream-{random.randrange(10**9)}.log"
        self.out = open(self.log, "wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "millrace_spark", "stream", *map(str, words)],
            env={**os.environ, "PYSPARK_SUBMIT_ARGS": " ".join([*parts, "pyspark-shell"])},
            stdin=subprocess.DEVNULL,
            stdout=self.out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_text(self, text, seconds=SECONDS_MAX):
        deadline = time.monotonic() + seconds
        while text not in self.text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"it did not say '{text}', but: {self.text()[-3000:]}")
            time.sleep(0.05)

    def ends(self, code, *texts, seconds=SECONDS_MAX):
        try:
            found = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"it did not end: {self.text()[-3000:]}") from None
        self.out.close()
        if found != code or any(text not in self.text() for text in texts):
            raise Failure(f"it ended with {found}, not {code} and {texts}: {self.text()[-3000:]}")

    def kill(self):
        """The driver's Python and its Java, at once."""
        for pid in [self.process.pid, *children(self.process.pid)]:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.out.close()


def children(pid):
    """All processes below."""
    found = []
    for task in os.listdir("/proc"):
        if not task.isdigit():
            continue
        try:
            with open(f"/proc/{task}/stat") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(task), *children(int(task))]
    return found
