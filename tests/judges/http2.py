#!/usr/bin/env python3
"""Judges HTTP/2 with httpx and the library h2 under it: sending, asking, limits, many requests at once, requests that are given up, a stop.

No answer may come over HTTP/1.1.
"""
import concurrent.futures
import gzip
import json
import pathlib
import signal
import socket
import sys
import tempfile

import h2.connection
import h2.errors
import h2.events
import httpx
import pyarrow.ipc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness.millrace import Failure  # noqa: E402
from operations import expect, expect_equal, expect_texts  # noqa: E402
from operations.bench_pipeline import numbers, started  # noqa: E402

RECORDS = "/v1/streams/events/records"
NDJSON = {"Content-Type": "application/x-ndjson"}
MANY = 100
LARGE = "SELECT range AS n, repeat('x', 100) AS text FROM range(300000)"


def answered(answer, status=200):
    expect_equal(answer.http_version, "HTTP/2", "the version of an answer")
    expect_equal(answer.status_code, status, f"the status ({answer.text[:200] if status != answer.status_code else ''})")
    return answer


def check_sending(client, millrace):
    answered(client.post(RECORDS, content=numbers(0, 100), headers=NDJSON))
    answered(client.post(RECORDS, content=gzip.compress(numbers(100, 200)), headers={**NDJSON, "Content-Encoding": "gzip"}))
    answered(client.post(RECORDS, content=(line for line in numbers(200, 300).splitlines(True)), headers=NDJSON))
    with concurrent.futures.ThreadPoolExecutor(MANY) as threads:
        bodies = [numbers(300 + 10 * i, 310 + 10 * i) for i in range(MANY)]
        for answer in threads.map(lambda body: client.post(RECORDS, content=body, headers=NDJSON), bodies):
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


def main():
    with tempfile.TemporaryDirectory(prefix="millrace_http2_") as folder:
        try:
            with started(pathlib.Path(folder)) as millrace:
                options = {"http1": False, "http2": True, "limits": httpx.Limits(max_connections=1), "timeout": 60}
                with httpx.Client(base_url=f"http://127.0.0.1:{millrace.port}", **options) as client:
                    check_sending(client, millrace)
                    check_asking(client)
                    check_limits(client)
                line = Line(millrace.port)
                check_giving_up(line, millrace)
                check_stop(line, millrace)
        except Failure as failure:
            print(failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
