#!/usr/bin/env python3
"""Judges HTTP/2 with httpx and the library h2 under it.

Sending, asking, limits, many requests at once, requests that are given up, a stop; then TLS.

No answer may come over HTTP/1.1 that was not asked for.
"""
import asyncio
import datetime
import gzip
import json
import pathlib
import signal
import socket
import ssl
import sys
import tempfile

import h2.connection
import h2.errors
import h2.events
import httpx
import pyarrow.ipc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness.millrace import Failure  # noqa: E402
from operations import expect, expect_equal, expect_texts  # noqa: E402
from operations.bench_pipeline import numbers, started  # noqa: E402

RECORDS = "/v1/streams/events/records"
NDJSON = {"Content-Type": "application/x-ndjson"}
MANY = 100
CLIENT = {"http1": False, "http2": True, "limits": httpx.Limits(max_connections=1), "timeout": 60}
LARGE = "SELECT range AS n, repeat('x', 100) AS text FROM range(300000)"


def answered(answer, status=200):
    expect_equal(answer.http_version, "HTTP/2", "the version of an answer")
    expect_equal(answer.status_code, status, f"the status ({answer.text[:200] if status != answer.status_code else ''})")
    return answer


async def send_many(address, bodies):
    """Sends all at once, on one connection. Threads would not do: those of httpx lose each other's frames."""
    async with httpx.AsyncClient(base_url=address, **CLIENT) as client:
        return await asyncio.gather(*(client.post(RECORDS, content=body, headers=NDJSON) for body in bodies))


def check_sending(client, millrace):
    answered(client.post(RECORDS, content=numbers(0, 100), headers=NDJSON))
    answered(client.post(RECORDS, content=gzip.compress(numbers(100, 200)), headers={**NDJSON, "Content-Encoding": "gzip"}))
    answered(client.post(RECORDS, content=(line for line in numbers(200, 300).splitlines(True)), headers=NDJSON))
    for answer in asyncio.run(send_many(client.base_url, [numbers(300 + 10 * i, 310 + 10 * i) for i in range(MANY)])):
        expect_equal(answered(answer).json()["records"], 10, "the records of one of many bodies")
    large = b'{"n":1300,"name":"' + b"x" * 900_000 + b'"}\n'
    answered(client.post(RECORDS, content=large * 9, headers=NDJSON))
    millrace.catch_up()
    expect_equal(int(millrace.query("SELECT count(*) FROM kept")[0][0]), 300 + 10 * MANY + 9, "the rows of all bodies")


def check_limits(client):
    expect_texts(answered(client.get("/v1/nothing"), 404).text, "not_found")
    answered(client.post(RECORDS, content=b"x" * 20_000_000, headers=NDJSON), 413)
    answered(client.post(RECORDS, content=b"x", headers={**NDJSON, "Content-Encoding": "br"}), 415)
    answered(client.get("/healthz", headers={"x-large": "x" * 20_000}), 431)
    answered(client.get("/healthz", headers={"Host": "evil.example"}), 421)
    answered(client.put("/healthz"), 405)
    expect_equal(answered(client.head("/healthz")).content, b"", "the body of the answer to HEAD")


def check_asking(client):
    count = answered(client.post("/v1/query", json={"sql": "SELECT count(*) FROM kept"})).json()["rows"]
    expect_equal(count, [[300 + 10 * MANY + 9]], "the count")
    with client.stream("POST", "/v1/query", json={"sql": LARGE, "format": "ndjson"}) as answer:
        expect_equal(answer.http_version, "HTTP/2", "the version of a streamed answer")
        lines = sum(1 for _ in answer.iter_lines())
    expect_equal(lines, 300_000, "the lines of a streamed answer")
    arrow = answered(client.post("/v1/query", json={"sql": LARGE, "format": "arrow"}))
    expect_equal(pyarrow.ipc.open_stream(arrow.content).read_all().num_rows, 300_000, "the rows of an Arrow answer")


class Line:
    """One connection on the library h2 itself: httpx does not reset what it gives up."""

    def __init__(self, port):
        self.authority = f"127.0.0.1:{port}"
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.state = h2.connection.H2Connection()
        self.state.initiate_connection()
        self.events = []

    def send(self, method, path, body=b""):
        stream = self.state.get_next_available_stream_id()
        headers = [(":method", method), (":scheme", "http"), (":path", path), (":authority", self.authority)]
        self.state.send_headers(stream, [*headers, ("content-type", "application/json")], end_stream=not body)
        if body:
            self.state.send_data(stream, body, end_stream=True)
        return stream

    def await_event(self, kind, stream=None):
        while True:
            for event in self.events:
                if isinstance(event, kind) and (stream is None or event.stream_id == stream):
                    self.events.remove(event)
                    return event
            self.socket.sendall(self.state.data_to_send())
            data = self.socket.recv(65536)
            if not data:
                raise Failure(f"the connection ended before {kind.__name__}")
            self.events += self.state.receive_data(data)


def check_giving_up(line, millrace):
    """A query ends when its stream is reset, and the connection goes on."""
    endless = {"sql": "SELECT range AS n FROM range(100000000000)", "format": "ndjson", "timeout": "10m"}
    for _ in range(3):
        query = line.send("POST", "/v1/query", json.dumps(endless).encode())
        given = line.await_event(h2.events.DataReceived, query)
        line.state.acknowledge_received_data(given.flow_controlled_length, query)
        line.state.reset_stream(query, h2.errors.ErrorCodes.CANCEL)
        health = line.send("GET", "/healthz")
        status = dict(line.await_event(h2.events.ResponseReceived, health).headers)[b":status"]
        expect_equal(status, b"200", "the status of a request behind one that was given up")
    ended = 'millrace_http_requests_total{method="POST",route="/v1/query",status="disconnected"} 3'
    millrace.wait_for("the queries that were given up have ended", lambda: ended in millrace.request("GET", "/metrics")[2].decode())


def check_stop(line, millrace):
    """A stop says good-bye with no error and answers what was begun."""
    query = line.send("POST", "/v1/query", json.dumps({"sql": "SELECT 1 AS one"}).encode())
    line.socket.sendall(line.state.data_to_send())
    line.await_event(h2.events.StreamEnded, query)
    millrace.process.send_signal(signal.SIGTERM)
    end = line.await_event(h2.events.ConnectionTerminated)
    expect_equal((end.error_code, end.last_stream_id), (0, query), "the code and the last stream of the good-bye")
    line.socket.close()
    expect_equal(millrace.process.wait(30), 0, "the exit code")


def certificate(folder):
    """The flags of a server that has one for `localhost`, and the context of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(key, hashes.SHA256()))
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                       serialization.NoEncryption()))
    flags = ["--tls-certificate", str(folder / "certificate.pem"), "--tls-key", str(folder / "key.pem")]
    return flags, ssl.create_default_context(cafile=folder / "certificate.pem")


def check_tls(folder):
    """Over TLS the version is agreed on by ALPN; plain clients on this machine go on."""
    flags, trusted = certificate(folder)
    with started(folder, flags=flags) as millrace:
        for speaks_http2 in (True, False):
            address = f"https://localhost:{millrace.port}"
            with httpx.Client(base_url=address, http2=speaks_http2, verify=trusted, timeout=60) as client:
                answer = client.post(RECORDS, content=numbers(0, 100_000), headers=NDJSON)
                expect_equal(answer.status_code, 200, "the status over TLS")
                expect_equal(answer.http_version, "HTTP/2" if speaks_http2 else "HTTP/1.1", "the version over TLS")
                with client.stream("POST", "/v1/query", json={"sql": LARGE, "format": "ndjson"}) as lines:
                    expect_equal(sum(1 for _ in lines.iter_lines()), 300_000, "the lines of a streamed answer over TLS")
        millrace.catch_up()
        millrace.stop()
    code, _, errors = millrace.command("run", "pipeline.yaml", "--data", "other", *flags[:2])
    expect_equal(code, 2, "the exit code without the key")
    expect_texts(errors, "--tls-key")


def main():
    with tempfile.TemporaryDirectory(prefix="millrace_http2_") as folder:
        try:
            with started(pathlib.Path(folder)) as millrace:
                with httpx.Client(base_url=f"http://127.0.0.1:{millrace.port}", **CLIENT) as client:
                    check_sending(client, millrace)
                    check_asking(client)
                    check_limits(client)
                line = Line(millrace.port)
                check_giving_up(line, millrace)
                check_stop(line, millrace)
            (pathlib.Path(folder) / "tls").mkdir()
            check_tls(pathlib.Path(folder) / "tls")
        except Failure as failure:
            print(failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
