"""A Kinesis data stream in memory, with sequence numbers as AWS makes them, and as much of its API as a reader needs."""
import base64
import bisect
import dataclasses
import hashlib
import http.server
import json
import threading
import time

HASH_KEYS = 1 << 128
KEPT_HOURS = 24


@dataclasses.dataclass(frozen=True)
class Record:
    shard: str
    sequence_number: int
    key: str
    data: bytes
    arrived: float


class MemoryStream:
    """A stream in memory, with sequence numbers of 186 bits as Kinesis makes them."""

    def __init__(self, shards=1, name="orders", created=None):
        self.name, self.created = name, int(created or time.time()) - 10
        self.records = {f"shardId-{index:012d}": [] for index in range(shards)}
        self.numbers = {shard: [] for shard in self.records}
        self.sequence = 0

    def shards(self):
        return list(self.records)

    def sequence_number(self, index):
        """Of the next record."""
        self.sequence += 1 + self.sequence % 3     # with gaps
        return self.numbered(index, self.sequence, time.time())

    def first_number(self, index):
        return self.numbered(index, 0, self.created)

    def numbered(self, index, count, seconds):
        """Version 2: 4 bits, the shard's creation, its number mod 16, a counter, 8 bits, the time, the shard's number, 4 bits."""
        return int(f"2{self.created:09x}{index % 16:x}{count:016x}00{int(seconds):09x}{index:08x}2", 16)

    def put(self, data, key="key", shard=None):
        """To the shard with this number, or to the one that the key belongs to. Returns the record."""
        count = len(self.records)
        index = int.from_bytes(hashlib.md5(key.encode()).digest(), "big") * count >> 128 if shard is None else shard
        name = f"shardId-{index:012d}"
        record = Record(name, self.sequence_number(index), key, data if isinstance(data, bytes) else json.dumps(data).encode(), time.time())
        self.records[name].append(record)
        self.numbers[name].append(record.sequence_number)
        return record

    def read(self, shard, after, limit):
        """Up to `limit` records behind the sequence number `after` (None: from the oldest on)."""
        start = 0 if after is None else bisect.bisect_right(self.numbers[shard], after)
        return self.records[shard][start:start + limit]

    def hash_range(self, index):
        count = len(self.records)
        first, end = (HASH_KEYS * number // count + (HASH_KEYS * number % count > 0) for number in (index, index + 1))
        return {"StartingHashKey": str(first), "EndingHashKey": str(end - 1)}


class StreamApi:
    """Serves a MemoryStream: DescribeStreamSummary, ListShards, GetShardIterator, GetRecords. `url` is for AWS_ENDPOINT_URL_KINESIS."""

    def __init__(self, stream):
        self.stream, self.calls = stream, []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
                operation = self.headers["X-Amz-Target"].split(".")[-1]
                api.calls.append(operation)
                status, answer = api.answer(operation, asked)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                """A reader that went away."""

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, operation, asked):
        arn = f"arn:aws:kinesis:us-east-1:123456789012:stream/{self.stream.name}"
        if asked.get("StreamName", self.stream.name) != self.stream.name or asked.get("StreamARN", arn) != arn:
            return 400, {"__type": "ResourceNotFoundException", "message": "there is no such stream"}
        if operation == "DescribeStreamSummary":
            return 200, {"StreamDescriptionSummary": {
                "StreamName": self.stream.name, "StreamARN": arn, "StreamStatus": "ACTIVE", "RetentionPeriodHours": KEPT_HOURS,
                "StreamCreationTimestamp": self.stream.created, "OpenShardCount": len(self.stream.records), "ConsumerCount": 0,
                "EnhancedMonitoring": [{"ShardLevelMetrics": []}], "StreamModeDetails": {"StreamMode": "PROVISIONED"}}}
        if operation == "ListShards":
            return 200, {"Shards": [{"ShardId": shard, "HashKeyRange": self.stream.hash_range(index),
                                     "SequenceNumberRange": {"StartingSequenceNumber": str(self.stream.first_number(index))}}
                                    for index, shard in enumerate(self.stream.shards())]}
        if operation == "GetShardIterator":
            return 200, {"ShardIterator": self.iterator(asked)}
        if operation == "GetRecords":
            return 200, self.page(asked)
        return 400, {"__type": "UnknownOperationException"}

    def iterator(self, asked):
        shard, kind = asked["ShardId"], asked["ShardIteratorType"]
        numbers = self.stream.numbers[shard]
        if kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
            find = bisect.bisect_left if kind.startswith("AT") else bisect.bisect_right
            index = find(numbers, int(asked["StartingSequenceNumber"]))
        else:
            index = {"TRIM_HORIZON": 0, "LATEST": len(numbers)}[kind]
        return f"{shard} {index}"

    def page(self, asked):
        shard, index = asked["ShardIterator"].split()
        records = self.stream.records[shard][int(index):][:asked.get("Limit", 10_000)]
        return {"NextShardIterator": f"{shard} {int(index) + len(records)}", "MillisBehindLatest": 0,
                "Records": [{"SequenceNumber": str(record.sequence_number), "PartitionKey": record.key,
                             "Data": base64.b64encode(record.data).decode(), "ApproximateArrivalTimestamp": round(record.arrived, 3)}
                            for record in records]}

    def close(self):
        self.server.shutdown()
        self.server.server_close()
