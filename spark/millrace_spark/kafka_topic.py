"""A topic as Kafka's own Java clients see it, which come with Spark's connector: partitions, offsets, and single records."""

from py4j.protocol import Py4JError, Py4JJavaError

from .errors import Refused
from .stream_task import kafka_hash

ASK_SECONDS = 30
PASSING = ("TimeoutException", "DisconnectException", "NotEnoughReplicas", "LeaderNotAvailable", "NotLeaderOrFollower", "NetworkException")
CONNECTOR = "org.apache.spark.sql.kafka010.KafkaSourceProvider"


class Unreachable(Exception):
    """The brokers do not answer; later they may."""


def prepare(spark):
    """Errors: Refused, if this Spark cannot read Kafka."""
    jvm = spark._jvm
    for name in (CONNECTOR, "org.apache.kafka.clients.consumer.KafkaConsumer"):
        try:
            jvm.java.lang.Class.forName(name, False, jvm.java.lang.Thread.currentThread().getContextClassLoader())
        except Py4JJavaError:
            version, scala = spark.version, "2.12" if spark.version.startswith("3.") else "2.13"
            raise Refused(
                f"this Spark has no Kafka connector ({name} is missing): "
                f"spark-submit --packages org.apache.spark:spark-sql-kafka-0-10_{scala}:{version}, beside Delta Lake's"
            ) from None


def is_unreachable(text):
    return any(word in text for word in PASSING)


class Topic:
    """`options`: those of Spark's source."""

    def __init__(self, spark, source, options):
        self.jvm, self.source = spark._jvm, source
        self.topic, self.brokers = options["subscribe"], options["kafka.bootstrap.servers"]
        self.settings = {key[len("kafka.") :]: value for key, value in options.items() if key.startswith("kafka.")}
        deserializer = "org.apache.kafka.common.serialization.ByteArrayDeserializer"
        self.settings |= {
            "key.deserializer": deserializer,
            "value.deserializer": deserializer,
            "enable.auto.commit": "false",
            "allow.auto.create.topics": "false",
            "auto.offset.reset": "none",
            "default.api.timeout.ms": str(ASK_SECONDS * 1000),
            "request.timeout.ms": str(ASK_SECONDS * 500),
            "max.poll.records": "1",
        }

    def refuse(self, message):
        return Refused(f"source '{self.source.name}': {message}", self.source.place)

    def ask(self, what):
        """The answer of `what`. Errors: Refused, Unreachable."""
        try:
            return what()
        except Py4JJavaError as error:
            text = error.java_exception.toString()
            cause = error.java_exception.getCause()
            text += f" {cause.toString()}" if cause is not None else ""
        except Py4JError as error:
            raise self.refuse(f"Kafka's Java client cannot be called: {error}") from None
        if "UnknownTopicOrPartition" in text:
            raise self.refuse(f"there is no topic '{self.topic}' at {self.brokers}. Make it first, or name another with `topic`")
        if "Authentication" in text or "SaslAuth" in text:
            raise self.refuse(f"the brokers {self.brokers} do not accept the user: see mechanism, user and password of `security`")
        if "Authorization" in text:
            raise self.refuse(f"the user needs the rights DESCRIBE and READ on the topic '{self.topic}'")
        if is_unreachable(text):
            raise Unreachable(
                f"source '{self.source.name}': no broker of {self.brokers} answers: `brokers` and `security.protocol` must fit the "
                f"listener, and the brokers must be up ({text.splitlines()[0][:200]})"
            )
        raise self.refuse(f"Kafka says: {text.splitlines()[0][:500]}")

    def map(self, values):
        made = self.jvm.java.util.HashMap()
        for key, value in values.items():
            made.put(key, value)
        return made

    def look(self):
        """(the cluster's hash or 0, partition -> oldest offset, partition -> end)"""
        return self.ask(self._look)

    def _look(self):
        seconds = self.jvm.java.util.concurrent.TimeUnit.SECONDS
        admin = self.jvm.org.apache.kafka.clients.admin.AdminClient.create(self.map(self.settings))
        try:
            names = self.jvm.java.util.ArrayList()
            names.add(self.topic)
            cluster = admin.describeCluster().clusterId().get(ASK_SECONDS, seconds)
            told = admin.describeTopics(names).allTopicNames().get(ASK_SECONDS, seconds).get(self.topic)
        finally:
            admin.close(self.jvm.java.time.Duration.ofSeconds(1))
        partitions = sorted(one.partition() for one in told.partitions())
        with Reader(self) as reader:
            oldest, end = (self.offsets(found) for found in reader.bounds(partitions))
        return kafka_hash(b"", cluster.encode()) if cluster else 0, oldest, end

    @staticmethod
    def offsets(found):
        return {key.partition(): int(found.get(key)) for key in found.keySet()}

    def offsets_at(self, partitions, millis):
        """partition -> the first offset of that time or later; None: all are older."""

        def asked():
            with Reader(self) as reader:
                times = self.map({reader.place(partition): self.jvm.java.lang.Long(millis) for partition in partitions})
                found = reader.consumer.offsetsForTimes(times)
                return {key.partition(): (found.get(key).offset() if found.get(key) is not None else None) for key in found.keySet()}

        return self.ask(asked)

    def record(self, partition, offset):
        """(milliseconds, hash) of one record; None if it is not there."""

        def asked():
            with Reader(self) as reader:
                return reader.record(partition, offset)

        return self.ask(asked)


class Reader:
    def __init__(self, topic):
        self.topic, self.jvm = topic, topic.jvm

    def __enter__(self):
        self.consumer = self.jvm.org.apache.kafka.clients.consumer.KafkaConsumer(self.topic.map(self.topic.settings))
        return self

    def __exit__(self, *_):
        self.consumer.close(self.jvm.java.time.Duration.ofSeconds(1))

    def place(self, partition):
        return self.jvm.org.apache.kafka.common.TopicPartition(self.topic.topic, partition)

    def bounds(self, partitions):
        places = self.jvm.java.util.ArrayList()
        for partition in partitions:
            places.add(self.place(partition))
        return self.consumer.beginningOffsets(places), self.consumer.endOffsets(places)

    def record(self, partition, offset):
        place = self.place(partition)
        places = self.jvm.java.util.ArrayList()
        places.add(place)
        oldest, end = self.consumer.beginningOffsets(places).get(place), self.consumer.endOffsets(places).get(place)
        if not oldest <= offset < end:
            return None
        self.consumer.assign(places)
        self.consumer.seek(place, offset)
        for _ in range(ASK_SECONDS):
            found = self.consumer.poll(self.jvm.java.time.Duration.ofSeconds(1))
            if not found.isEmpty():
                one = found.iterator().next()
                if one.offset() != offset:
                    return None
                key, value = one.key(), one.value()
                return one.timestamp(), kafka_hash(bytes(key) if key is not None else b"", bytes(value) if value is not None else b"")
            if self.consumer.position(place) > offset:
                return None
        return None
