"""Kafka brokers on the loopback for tests: kfake, which Go builds once per machine, and Kafka itself, which mvn brings."""
import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from harness.millrace import Failure
from harness.ports import free_port

SOURCES = pathlib.Path(__file__).resolve().parents[1] / "kafka"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "millrace"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
CLUSTER = "4L6g3nShT-eMCtK--X86sw"  # any 22 characters of base64
START_SECONDS_MAX = 60
FETCH_SECONDS_MAX = 300

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=200
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=10485760
log.retention.check.interval.ms=1000
"""


def cached(kind, names, fill):
    """The folder that `fill` fills, once per machine for these files; None if it cannot, or there is none and no `fill`."""
    content = b"".join((SOURCES / name).read_bytes() for name in names)
    folder = CACHE / f"{kind}-{hashlib.sha256(content).hexdigest()[:12]}"
    if folder.exists() or not fill:
        return folder if folder.exists() else None
    CACHE.mkdir(parents=True, exist_ok=True)
    made = pathlib.Path(tempfile.mkdtemp(dir=CACHE))
    for name in names:
        shutil.copy(SOURCES / name, made)
    try:
        fill(made)
        made.rename(folder)
    except (OSError, subprocess.SubprocessError):  # no network; or another test was faster
        shutil.rmtree(made)
    return folder if folder.exists() else None


def run(folder, *words):
    subprocess.run(list(map(str, words)), cwd=folder, capture_output=True, timeout=FETCH_SECONDS_MAX, check=True)


def kfake():
    """The program, or None."""
    if not shutil.which("go"):
        return None
    folder = cached("kfake", ["go.mod", "go.sum", "main.go"], lambda made: run(made, "go", "build", "-o", "kfake", "."))
    return folder and folder / "kfake"


def kafka():
    """The folder with Kafka's jars, or None: KAFKA=install brings them, once per machine."""
    if not shutil.which("java") or (os.environ.get("KAFKA") == "install" and not shutil.which("mvn")):
        return None
    def fill(made):
        run(made, "mvn", "-q", "-B", COPY, f"-DoutputDirectory={made / 'jars'}", "-DincludeScope=runtime")

    folder = cached("kafka", ["pom.xml"], fill if os.environ.get("KAFKA") == "install" else None)
    return folder and folder / "jars"


class Broker:
    """A process that is started, killed and started again on one port and folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def command(self):
        raise NotImplementedError

    def start(self):
        log = self.folder / "broker.log"
        with open(log, "ab") as out:
            self.process = subprocess.Popen(list(map(str, self.command())), cwd=self.folder, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out)
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.02)
        self.kill()
        raise Failure(f"the broker does not answer:\n{log.read_text(errors='replace')[-2000:]}")

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()


class Kfake(Broker):
    def __init__(self, folder, program, *flags):
        super().__init__(folder)
        self.program, self.flags = program, flags

    def command(self):
        return [self.program, *self.flags, self.port, self.folder / "data"]


class Kafka(Broker):
    """One node of Kafka, broker and controller. With a user and password, `sasl_address` wants them, by PLAIN or SCRAM."""

    def __init__(self, folder, jars, user=None, password=None):
        super().__init__(folder)
        self.jars, self.user, self.password, sasl = jars, user, password, free_port()
        properties = PROPERTIES.format(port=self.port, controller=free_port(), folder=self.folder)
        if user:
            self.sasl_address = f"127.0.0.1:{sasl}"
            properties = properties.replace("CONTROLLER:PLAINTEXT\n", "CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT\n")
            properties = properties.replace("listeners=PLAINTEXT:", f"listeners=SASL://{self.sasl_address},PLAINTEXT:") + (
                "inter.broker.listener.name=PLAINTEXT\n"
                "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n"
                "listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
                f'user_{user}="{password}";\n')
            for bits in (256, 512):
                properties += (f"listener.name.sasl.scram-sha-{bits}.sasl.jaas.config="
                               "org.apache.kafka.common.security.scram.ScramLoginModule required;\n")
        (self.folder / "server.properties").write_text(properties)

    def java(self, *words):
        return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{self.jars}/*", *words]

    def command(self):
        if not (self.folder / "data" / "meta.properties").exists():
            users = []
            for bits in (256, 512) if self.user else ():
                users += ["--add-scram", f"SCRAM-SHA-{bits}=[name={self.user},password={self.password}]"]
            run(self.folder, *self.java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", "server.properties", *users))
        return self.java("kafka.Kafka", "server.properties")


class Client:
    """confluent-kafka, as users' producers are written. It tells brokers nothing of itself: it has crashed, once, as one of many clients
    was closed, and then that is under way."""

    def __init__(self, address, **settings):
        self.settings = {"bootstrap.servers": address, "log_level": 0, "enable.metrics.push": False, **settings}

    def admin(self):
        from confluent_kafka.admin import AdminClient
        return AdminClient(self.settings)

    def create(self, topic, partitions=1, **config):
        from confluent_kafka.admin import NewTopic
        admin = self.admin()  # it must outlive the answer
        admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(20)

    def add_partitions(self, topic, partitions):
        from confluent_kafka.admin import NewPartitions
        admin = self.admin()
        admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(20)

    def delete(self, topic):
        admin = self.admin()
        admin.delete_topics([topic])[topic].result(20)

    def delete_records(self, topic, partition, before):
        from confluent_kafka import TopicPartition
        admin = self.admin()
        for done in admin.delete_records([TopicPartition(topic, partition, before)]).values():
            done.result(20)

    def producer(self, **settings):
        from confluent_kafka import Producer
        return Producer({**self.settings, "linger.ms": 2, **settings})

    def put(self, topic, values, partition=None, producer=None, **settings):
        """Acknowledged when it returns; the values that were not are an error."""
        failed = []
        producer = producer or self.producer(**settings)
        for value in values:
            producer.poll(0)
            place = {} if partition is None else {"partition": partition}
            producer.produce(topic, value, on_delivery=lambda error, _: error and failed.append(error), **place)
        left = producer.flush(60)
        if left or failed:
            raise Failure(f"{left + len(failed)} records were not acknowledged: {failed[:1]}")

    def committed(self, group, topic, partitions):
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({**self.settings, "group.id": group})
        offsets = consumer.committed([TopicPartition(topic, number) for number in range(partitions)], timeout=20)
        consumer.close()
        return [place.offset for place in offsets]
