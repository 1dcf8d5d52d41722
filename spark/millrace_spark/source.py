"""A source of the pipeline file: what its records are like, and where they come from."""

import pathlib

from . import column_type, pipeline
from .errors import Refused

KEYS = (
    "from",
    "shards",
    "partition_key",
    "retention",
    "path",
    "look_every",
    "region",
    "anonymous",
    "stream",
    "start",
    "fan_out",
    "poll",
    "brokers",
    "topic",
    "isolation",
    "tombstones",
    "group",
    "workers",
    "registry",
    "security",
    "options",
    "headers",
    "key_column",
    "format",
    "schema",
    "unknown_fields",
    "event_time",
    "delimiter",
    "header",
    "null_text",
)
FORMATS = ("json", "csv", "avro", "protobuf")
POSITIONS = [("_shard", "INTEGER"), ("_offset", "BIGINT"), ("_received_at", "TIMESTAMP WITH TIME ZONE")]


class Source:
    def __init__(self, name, value):
        entries = value.keys_among(KEYS, "source")
        for key in ("from", "schema"):
            if key not in entries:
                raise value.refuse(f"the source '{name}' has no `{key}`")

        def text(key, default):
            return entries[key].text() if key in entries else default

        self.name, self.place, self.entries = name, value.place, entries
        self.kind = entries["from"].text()
        self.format = text("format", "json")
        self.schema = [(column, column_type.parse(kind)) for column, kind in entries["schema"].entries().items()]
        self.unknown_fields = text("unknown_fields", "ignore")
        self.delimiter, self.null_text, self.header = text("delimiter", ","), text("null_text", ""), text("header", "true") == "true"
        self.event_time, self.lateness = None, 0.0
        if "event_time" in entries:
            parts = entries["event_time"].entries()
            self.event_time = parts["column"].text()
            self.lateness = pipeline.seconds(parts["lateness"]) if "lateness" in parts else 0.0
        if self.format not in FORMATS:
            raise entries["format"].refuse(f"'{self.format}' is not {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")

    def columns(self):
        """(name, type as DuckDB has it) of a decoded record."""
        extra = [("_extra", "JSON")] if self.unknown_fields == "keep" else []
        headers = list(self.entries["headers"].entries()) if "headers" in self.entries else []
        keys = [self.entries["key_column"].text()] if "key_column" in self.entries else []
        return [(column, kind.sql) for column, kind in self.schema] + extra + [(name, "VARCHAR") for name in headers + keys] + POSITIONS

    def of_kafka(self):
        """What Spark's Kafka source is told. Errors: Refused, of what it cannot do."""
        entries = self.entries
        if self.kind == "kinesis":
            raise Refused("Spark has no Kinesis source for Structured Streaming; let millrace or Lambda read the stream", self.place)
        if self.kind != "kafka":
            raise Refused(
                f"`from: {self.kind}` is read by millrace itself; on Spark streams come from Kafka, or files are read once", self.place
            )
        for key in ("headers", "key_column"):
            if key in entries:
                raise entries[key].refuse(f"`{key}`: headers and keys of records are read by millrace itself, as columns")
        if self.format not in ("json", "csv"):
            raise entries["format"].refuse(f"`format: {self.format}` is read by millrace itself; on Spark streams are JSON or CSV")
        options = {
            "kafka.bootstrap.servers": ",".join(entries["brokers"].texts()),
            "subscribe": entries["topic"].text() if "topic" in entries else self.name,
            "kafka.isolation.level": entries["isolation"].text() if "isolation" in entries else "read_committed",
        }
        if "security" in entries:
            options.update(self.security(entries["security"]))
        return options

    @staticmethod
    def security(value):
        parts = {key: part.text() for key, part in value.entries().items()}
        options = {"kafka.security.protocol": parts["protocol"].upper()}
        if "mechanism" in parts:
            module = "plain.PlainLoginModule" if parts["mechanism"] == "PLAIN" else "scram.ScramLoginModule"
            quoted = {key: parts.get(key, "").replace("\\", "\\\\").replace('"', '\\"') for key in ("user", "password")}
            options["kafka.sasl.mechanism"] = parts["mechanism"]
            options["kafka.sasl.jaas.config"] = (
                f"org.apache.kafka.common.security.{module} required " f'username="{quoted["user"]}" password="{quoted["password"]}";'
            )
        if "ca" in parts:
            # Relative to the file; each executor reads it there too.
            path = str(pathlib.Path(value.file).resolve().parent / parts["ca"])
            options.update({"kafka.ssl.truststore.type": "PEM", "kafka.ssl.truststore.location": path})
        if "certificate" in parts:
            raise value.refuse("a client's certificate is not handed on to Spark; give it as Spark's own options instead")
        return options
