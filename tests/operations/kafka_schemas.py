"""`format: avro` and `protobuf` from a topic: franz-go's schema registry, fastavro's and protoc's records."""
import datetime
import decimal
import io
import json
import shutil
import struct
import subprocess
import urllib.request

from harness import kafka
from harness.kafka import Client
from harness.millrace import Millrace
from operations import LeftOut, expect, expect_equal, expect_texts
from operations.bench_pipeline import written
from operations.kafka_source import await_error, await_fine, broker

PIPELINE = """
pipeline: reader
sources:
  orders:
    from: kafka
    brokers: "%s"
    format: %s
    registry: {url: "http://127.0.0.1:%s", user: millrace, password: "${REGISTRY_PASSWORD}"}
    unknown_fields: keep
    schema: {order_id: varchar, amount: "decimal(12,2)", ts: timestamptz, tags: "varchar[]", kind: varchar, n: bigint}
tables:
  kept:
    from: orders
    sql: SELECT order_id, amount, ts, tags, kind, n, _extra FROM orders
    commit: {every: 100ms}
tests:
  - name: records are written as JSON
    given: {orders: ['{"order_id":"o1","amount":1.5}']}
    expect: {kept: "SELECT order_id, amount", rows: [[o1, 1.5]]}
"""
PASSWORD = "a-password-that-must-not-show"
AUTHORIZATION = "Basic bWlsbHJhY2U6YS1wYXNzd29yZC10aGF0LW11c3Qtbm90LXNob3c="  # of user and password
FIELDS = [
    {"name": "order_id", "type": "string"},
    {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-micros"}},
]
OLD = {"type": "record", "name": "Order", "fields": FIELDS}
NEW = {"type": "record", "name": "Order", "fields": [
    {"name": "note", "type": ["null", "string"], "default": None},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["NEW", "OLD"]}},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    *reversed(FIELDS),
    {"name": "n", "type": ["null", "long"]}]}
NOON = datetime.datetime(2026, 11, 29, 12, 0, 0, 123456, tzinfo=datetime.timezone.utc)
MONEY = 'syntax = "proto3"; package shop; message Unit { string name = 1; }'
ORDER = """syntax = "proto3"; package shop;
import "google/protobuf/timestamp.proto"; import "unit.proto";
message Other { string unused = 1; }
message Order {
  enum Kind { NEW = 0; OLD = 1; }
  string order_id = 1; optional string amount = 2; google.protobuf.Timestamp ts = 3; repeated string tags = 4; Kind kind = 5;
  optional int64 n = 6; Unit unit = 7;
}"""


class Registry(kafka.Broker):
    """franz-go's; it forgets everything when it is killed."""

    def __init__(self, folder, program):
        super().__init__(folder)
        self.program = program

    def command(self):
        return [self.program, "-registry", "-authorization", AUTHORIZATION, self.port]

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body and json.dumps(body).encode(), method=method,
                                         headers={"Authorization": AUTHORIZATION, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def register(self, subject, schema, kind="AVRO", references=()):
        body = {"schema": schema if isinstance(schema, str) else json.dumps(schema), "schemaType": kind, "references": list(references)}
        return self.ask("POST", f"/subjects/{subject}/versions", body)["id"]


def framed(number, body):
    return struct.pack(">bI", 0, number) + body


def avro(number, schema, **fields):
    import fastavro
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(dict(schema)), fields)
    return framed(number, out.getvalue())


def protobuf(folder, number, text):
    words = ["protoc", "--encode=shop.Order", "order.proto"]
    body = subprocess.run(words, cwd=folder, input=text.encode(), capture_output=True, check=True)
    return framed(number, b"\x02\x02" + body.stdout)  # the second message of the file


def rows(millrace):
    result = millrace.query("SELECT order_id, amount, ts::VARCHAR, tags::VARCHAR, kind, n, _extra FROM kept ORDER BY _shard, _offset")
    return json.dumps(result, ensure_ascii=False)


def rejects(millrace):
    return json.dumps(millrace.query("SELECT reason FROM _rejects WHERE outcome IS NULL ORDER BY _offset"))


def reader(folder, peer, form, port, password=PASSWORD):
    folder.mkdir(exist_ok=True)
    path = written(folder, PIPELINE % (peer.address, form, port))
    return Millrace(path, environment={"REGISTRY_PASSWORD": password})


def await_texts(millrace, what, read, *parts):
    millrace.wait_for(f"{what} have {parts}", lambda: all(part in read(millrace) for part in parts))


def test_avro_by_each_writers_schema_and_a_registry_that_is_away(folder):
    peer = broker(folder)
    registry = Registry(folder / "registry", kafka.kfake())
    with peer, reader(folder / "reader", peer, "avro", registry.port) as millrace:
        client = Client(peer.address)
        client.create("orders")
        with registry:
            old, new = registry.register("orders-value", OLD), registry.register("orders-value", NEW)
        order = {"order_id": "o1", "amount": decimal.Decimal("-12.50"), "ts": NOON}
        client.put("orders", [avro(old, OLD, **order)])
        millrace.start()
        await_error(millrace, "the schema registry http://127.0.0.1:")
        expect_equal(rows(millrace), "[]", "the rows while the registry is away")
        with registry:
            old, new = registry.register("orders-value", OLD), registry.register("orders-value", NEW)
            await_fine(millrace)
            await_texts(millrace, "rows", rows, '"o1", "-12.50"', "2026-11-29 12:00:00.123456+00")
            fuller = {**order, "order_id": "o2", "note": "hé", "kind": "OLD", "tags": ["a", "b"], "n": -(2**63)}
            client.put("orders", [avro(new, NEW, **fuller), b"", b'{"order_id":"o3"}', framed(99, b"\x02"), framed(new, b"\x02"),
                                  avro(old, OLD, **{**order, "order_id": "o4"})])
            await_texts(millrace, "rows", rows, '"o2"', '"[a, b]"', '"OLD"', str(-(2**63)), '{\\"note\\":\\"hé\\"}', '"o4"')
            await_texts(millrace, "rejects", rejects, "malformed", "unknown_schema")
            expect_equal(rejects(millrace), '[["malformed"], ["malformed"], ["unknown_schema"], ["malformed"]]', "the rejects")
            # Made known, and replayed.
            while registry.register(f"other-{old}", {"type": "record", "name": f"R{old}", "fields": FIELDS}) < 99:
                old += 1
            code, out, errors = millrace.command("rejects", "replay", "--reason", "unknown_schema", "--data", "data")
            expect(code == 0, f"replay: {out} {errors}")
            millrace.wait_for("it was tried again", lambda: "malformed" in json.dumps(
                millrace.query("SELECT reason FROM _rejects WHERE replay IS NOT NULL")))
        millrace.kill()  # what it knows of schemas is gone, and so is the registry
        millrace.start()
        expect_equal(len(json.loads(rows(millrace))), 3, "rows after a kill")
        expect_equal(millrace.command("test", "pipeline.yaml")[0], 0, "the pipeline's own tests")
        expect(PASSWORD not in millrace.log.read_text(), "the password is in the log")


def test_a_wrong_password_of_the_registry_is_said(folder):
    peer = broker(folder)
    registry = Registry(folder / "registry", kafka.kfake())
    with peer, registry, reader(folder / "reader", peer, "avro", registry.port, "wrong-password") as millrace:
        client = Client(peer.address)
        client.create("orders")
        number = registry.register("orders-value", OLD)
        client.put("orders", [avro(number, OLD, order_id="o1", amount=decimal.Decimal("1.00"), ts=NOON)])
        millrace.start()
        await_error(millrace, "it answers with 403", "a user and a password")
        expect("wrong-password" not in millrace.log.read_text(), "the password is in the log")


def test_protobuf_with_an_import(folder):
    if not shutil.which("protoc"):
        raise LeftOut("protoc is not there")
    peer = broker(folder)
    registry = Registry(folder / "registry", kafka.kfake())
    (folder / "unit.proto").write_text(MONEY)
    (folder / "order.proto").write_text(ORDER)
    with peer, registry, reader(folder / "reader", peer, "protobuf", registry.port) as millrace:
        client = Client(peer.address)
        client.create("orders")
        registry.register("unit", MONEY, "PROTOBUF")
        number = registry.register("orders-value", ORDER, "PROTOBUF", [{"name": "unit.proto", "subject": "unit", "version": 1}])
        other = registry.register("avro", OLD)
        client.put("orders", [
            protobuf(folder, number, 'order_id: "o1" amount: "12.50" ts {seconds: 1795953600 nanos: 123456789} tags: "a" kind: OLD n: 0'),
            protobuf(folder, number, 'order_id: "o2" unit {name: "x"}'),
            framed(other, b"\x00"), framed(number, b"\x02\x02\x0a\x05")])
        millrace.start()
        await_texts(millrace, "rows", rows, '"o2"')
        await_texts(millrace, "rejects", rejects, "wrong_schema", "malformed")
        expect_texts(rows(millrace), '["o1", "12.50", "2026-11-29 12:00:00.123456+00", "[a]", "OLD", "0", null]',
                     '["o2", null, null, "[]", "NEW", null')
