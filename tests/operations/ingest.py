"""What clients do wrong, and overload."""
import gzip
import json
import socket
import subprocess
import time

from harness.millrace import BINARY, Failure
from operations import expect, expect_equal, expect_texts
from operations.bench_pipeline import numbers, started


def post(millrace, body, **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    names = {"Content-Type": "application/x-ndjson", **names}
    status, headers, answer = millrace.request("POST", "/v1/streams/events/records", body, names)
    return status, headers, answer.decode(errors="replace")


def count(millrace):
    millrace.catch_up()
    return int(millrace.query("SELECT count(*) FROM kept")[0][0])


def test_truncated_body(folder):
    with started(folder) as millrace:
        for sent in (b"", b'{"n":1}\n{"n":2}\n', b'{"n":1}\n{"n":'):
            with socket.create_connection(("127.0.0.1", millrace.port)) as client:
                client.sendall(b"POST /v1/streams/events/records HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
                               b"Content-Length: 100\r\n\r\n" + sent)
                client.shutdown(socket.SHUT_WR)
                client.settimeout(5)
                answer = client.recv(4096)
            expect(not answer.startswith(b"HTTP/1.1 200"), f"a truncated body is answered with {answer[:100]}")
        time.sleep(0.3)
        expect_equal(count(millrace), 0, "the rows of truncated bodies")
        millrace.stop()


def test_compressed_bodies(folder):
    with started(folder) as millrace:
        expect_equal(post(millrace, gzip.compress(numbers(0, 100)), Content_Encoding="gzip")[0], 200, "the status of a gzip body")
        expect_equal(count(millrace), 100, "the rows")
        for body in (b"no gzip", gzip.compress(numbers(0, 100))[:-10]):
            status, _, answer = post(millrace, body, Content_Encoding="gzip")
            expect_equal(status, 400, "the status of a broken gzip body")
            expect_texts(answer, "gzip")
        expect_equal(post(millrace, b"x", Content_Encoding="br")[0], 415, "the status of an unknown encoding")
        bomb = gzip.compress(bytes(200_000_000))
        expect(post(millrace, bomb, Content_Encoding="gzip")[0] in (400, 413), "a bomb is unpacked")
        expect_equal(count(millrace), 100, "the rows after broken bodies")
        millrace.stop()


def test_record_of_20_megabytes(folder):
    with started(folder) as millrace:
        status, _, answer = post(millrace, b'{"n":1,"name":"' + b"x" * 20_000_000 + b'"}\n')
        expect_equal(status, 413, f"the status ({answer[:200]})")
        body = gzip.compress(b'{"n":1,"name":"' + b"x" * 20_000_000 + b'"}\n{"n":2}\n', 1)
        status, _, answer = post(millrace, body, Content_Encoding="gzip")
        expect(status in (400, 413), f"a record of 20 MB, compressed, is answered with {status} ({answer[:200]})")
        expect_equal(post(millrace, numbers(0, 3))[0], 200, "the status of a good body after it")
        expect_equal(count(millrace), 3, "the rows")
        millrace.stop()


def test_unknown_stream(folder):
    with started(folder) as millrace:
        status, _, body = millrace.request("POST", "/v1/streams/event/records", b"{}", {"Content-Type": "application/x-ndjson"})
        expect_equal(status, 404, "the status")
        expect_texts(body.decode(), "events")
        millrace.stop()


def test_unknown_content_type(folder):
    with started(folder) as millrace:
        expect_equal(post(millrace, b"{}", Content_Type="image/png")[0], 415, "the status")
        millrace.stop()


HALTING = """
pipeline: operations
sources:
  events: {from: log, retention: {bytes: 2MB}, schema: {n: bigint, name: varchar}}
tables:
  kept:
    from: events
    expect: {fine: {check: n < 1000, otherwise: halt}}
    sql: SELECT n, name FROM events
    commit: {every: 100ms}
  beside:
    from: events
    sql: SELECT n FROM events
    commit: {every: 100ms}
"""


def test_slow_down_when_the_log_is_full(folder):
    """A halted table holds the log; what was acknowledged stays, and senders are told to wait."""
    with started(folder, HALTING) as millrace:
        millrace.send("events", numbers(0, 10) + b'{"n":1000}\n')
        acknowledged = 11
        body = "".join(json.dumps({"n": 2, "name": "x" * 900}) + "\n" for _ in range(200)).encode()
        for _ in range(40):
            status, headers, answer = post(millrace, body)
            if status != 200:
                break
            acknowledged += 200
        expect_equal(status, 429, f"the status of a full log ({answer[:300]})")
        expect(int(headers["Retry-After"]) >= 1, "Retry-After is missing")
        millrace.catch_up()
        expect_equal(str(millrace.query("SELECT count(*) FROM beside")), f"[[{acknowledged}]]", "the rows beside the halted table")
        expect(millrace.tables()["kept"]["halted"], "the table does not say that it is halted")
        millrace.stop()


def test_log_drops_what_every_table_has(folder):
    text = HALTING.replace("n < 1000", "true")
    with started(folder, text) as millrace:
        body = "".join(json.dumps({"n": 2, "name": "x" * 900}) + "\n" for _ in range(200)).encode()
        for _ in range(60):
            millrace.send("events", body)
        millrace.settle()
        expect_equal(str(millrace.query("SELECT count(*) FROM kept")), "[[12000]]", "the rows")
        millrace.wait_for("the log is within its limit",
                          lambda: sum(path.stat().st_size for path in (millrace.data / "log").rglob("*") if path.is_file()) < 6_000_000)
        millrace.kill()
        millrace.start()
        expect_equal(str(millrace.query("SELECT count(*) FROM kept")), "[[12000]]", "the rows after a restart")
        millrace.stop()


def test_requests_that_are_no_http(folder):
    with started(folder) as millrace:
        for raw in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
                    b"POST /v1/streams/events/records HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
                    b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", millrace.port)) as client:
                client.settimeout(15)
                try:
                    client.sendall(raw)
                    answer = client.recv(4096)
                except ConnectionError:
                    answer = b""
            expect(not answer.startswith(b"HTTP/1.1 200"), f"{raw[:40]} is answered with {answer[:100]}")
        post(millrace, numbers(0, 3))
        expect_equal(count(millrace), 3, "the rows")
        millrace.stop()


def test_query_limits(folder):
    with started(folder) as millrace:
        millrace.send("events", numbers(0, 5000))
        millrace.catch_up()
        result = millrace.json("POST", "/v1/query", {"sql": "SELECT n FROM kept", "rows_max": 10})
        expect(len(result["rows"]) == 10 and result["is_truncated"] is True, f"rows_max is not kept: {str(result)[:300]}")
        start = time.monotonic()
        try:
            millrace.json("POST", "/v1/query", {"sql": "SELECT count(*) FROM range(100000) a, range(1000000) b WHERE a.range * b.range = 7",
                                                "timeout": "1s"})
        except Failure as failure:
            expect(time.monotonic() - start < 5, "the timeout is not kept")
            expect_texts(str(failure), "1s")
        else:
            raise Failure("a query outlived its timeout")
        millrace.stop()


def test_a_query_ends_with_its_client(folder):
    with started(folder) as millrace:
        body = json.dumps({"sql": "SELECT count(*) FROM range(100000) a, range(1000000) b WHERE a.range * b.range = 7"}).encode()
        clients = []
        for _ in range(12):
            client = socket.create_connection(("127.0.0.1", millrace.port))
            client.sendall(b"POST /v1/query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                           % (len(body), body))
            clients.append(client)
        time.sleep(0.3)
        for client in clients:
            client.close()
        millrace.wait_for("queries of clients that left are ended", lambda: is_answered(millrace))
        millrace.stop()


def is_answered(millrace):
    try:
        return millrace.query("SELECT 1") is not None
    except Failure:
        return False


def test_tail(folder):
    """Rows as they come, on the command line; a tail ends with the instance."""
    with started(folder) as millrace:
        words = [BINARY, "tail", "kept", "--data", str(millrace.data)]
        some = subprocess.Popen([*words, "--limit", "3"], stdout=subprocess.PIPE, text=True)
        all_rows = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        for first in range(0, 6, 2):
            post(millrace, numbers(first, first + 2))
            time.sleep(0.2)
        output, _ = some.communicate(timeout=10)
        first_rows = {json.loads(line)["n"] for line in output.splitlines()}
        # Those of several shards that came between two looks have no order among each other.
        expect(len(first_rows) == 3 and first_rows < set(range(6)), f"the first rows of the tail are {output}")
        expect_equal(some.returncode, 0, "its exit code")
        begin = time.monotonic()
        millrace.stop()
        expect(time.monotonic() - begin < 5, "the end of the instance waited for the tail")
        output, _ = all_rows.communicate(timeout=10)
        rows = [json.loads(line) for line in output.splitlines()]
        expect_equal(sorted(row["n"] for row in rows), list(range(6)), "all rows of the tail")
        expect_equal(sorted(rows[0]), ["_offset", "_received_at", "_row", "_shard", "n", "name"], "the columns")
    done = subprocess.run(words, capture_output=True, text=True)
    expect_equal(done.returncode, 1, "the exit code where nothing runs")
    expect_texts(done.stderr, "nothing runs on")
