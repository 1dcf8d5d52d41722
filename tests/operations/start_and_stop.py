"""Starting, ending, and what stands in the way."""
import os
import signal
import socket
import subprocess
import time

from deltalake import DeltaTable

from harness.millrace import BINARY, Millrace, last_lines
from operations import expect, expect_equal, expect_texts
from operations.bench_pipeline import numbers, started, written


def ended(millrace, seconds=20):
    """Exit code and log of a process that is expected to end by itself."""
    try:
        code = millrace.process.wait(seconds)
    except subprocess.TimeoutExpired:
        code = None
    return code, last_lines(millrace.log)


def test_port_in_use(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with Millrace(written(folder)) as millrace:
            millrace.spawn(listen=address)
            code, log = ended(millrace)
    expect_equal(code, 1, "the exit code")
    expect_texts(log, address, "in use")


def test_data_folder_locked(folder):
    with started(folder) as first, Millrace(folder) as second:
        second.log = folder / "second.log"
        second.spawn()
        code, log = ended(second)
        expect_equal(code, 1, "the exit code")
        expect_texts(log, "another millrace", str(first.process.pid), f"127.0.0.1:{first.port}")
        first.send("events", numbers(0, 3))
        first.catch_up()
        first.stop()


def test_lock_is_free_after_kill(folder):
    with started(folder) as millrace:
        millrace.kill()
        millrace.start().stop()


def test_wrong_usage(folder):
    written(folder)
    for words in (["run"], ["run", "none.yaml"], ["nonsense"], ["run", "pipeline.yaml", "--nonsense"], ["validate", "none.yaml"]):
        code, _, errors = Millrace(folder).command(*words)
        expect_equal(code, 2, f"the exit code of millrace {' '.join(words)}")
        expect(errors.strip(), f"millrace {' '.join(words)} says nothing")


def test_bad_file(folder):
    for text, place in (("pipeline: [", "pipeline.yaml:1"), ("pipeline: x\nsourcs: {}\n", "pipeline.yaml:2:1")):
        code, _, errors = Millrace(written(folder, text)).command("run", "pipeline.yaml", "--data", "data")
        expect_equal(code, 2, "the exit code")
        expect_texts(errors, place)
        expect(not (folder / "data").exists(), "a bad file leaves a data folder behind")


def test_missing_lookup_file(folder):
    text = "pipeline: x\nsources:\n  e: {from: log, schema: {n: bigint}}\nlookups:\n  l: {from: gone.csv, key: n}\n"
    code, _, errors = Millrace(written(folder, text)).command("run", "pipeline.yaml", "--data", "data")
    expect_equal(code, 2, "the exit code")
    expect_texts(errors, "pipeline.yaml:5:", "gone.csv")


def test_beyond_loopback_only_when_told_to(folder):
    with Millrace(written(folder)) as millrace:
        millrace.spawn(listen="0.0.0.0:0")
        code, log = ended(millrace)
    expect_equal(code, 2, "the exit code")
    expect_texts(log, "--insecure")


def test_term_drains_and_commits(folder):
    with started(folder, every="10m") as millrace:
        millrace.send("events", numbers(0, 500))
        millrace.stop()
        rows = DeltaTable(str(millrace.data / "tables" / "kept")).to_pyarrow_table()
        expect_equal(sorted(rows["n"].to_pylist()), list(range(500)), "the table after SIGTERM")


def test_interrupt_drains_and_commits(folder):
    with started(folder, every="10m") as millrace:
        millrace.send("events", numbers(0, 10))
        expect_equal(millrace.end(signal.SIGINT), 0, "the exit code after SIGINT")
        expect_equal(DeltaTable(str(millrace.data / "tables" / "kept")).to_pyarrow_table().num_rows, 10, "the rows")


def test_second_term_ends_at_once(folder):
    with started(folder, every="10m") as millrace:
        millrace.send("events", numbers(0, 10))
        # An answer that is still owed holds the gentle end back.
        with socket.create_connection(("127.0.0.1", millrace.port)) as slow:
            slow.sendall(b"POST /v1/streams/events/records HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
                         b"Content-Length: 1000\r\n\r\n{")
            time.sleep(0.2)
            millrace.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            expect(millrace.is_running(), "the first SIGTERM did not wait for the answer that is owed")
            start = time.monotonic()
            code = millrace.end()
            expect(time.monotonic() - start < 3, "the second SIGTERM did not end it at once")
            expect(code != 0, "an end in the middle says it was a good one")
        millrace.start()
        millrace.catch_up()
        expect_equal([str(row[0]) for row in millrace.query("SELECT count(*) FROM kept")], ["10"], "the rows after the restart")
        millrace.stop()


def test_new_data_folder_is_made(folder):
    with started(folder, data="deep/er/data") as millrace:
        millrace.stop()
        expect((folder / "deep/er/data/log").is_dir(), "the data folder was not made")


def test_data_folder_that_cannot_be_made(folder):
    written(folder)
    (folder / "data").write_text("a file")
    code, _, errors = Millrace(folder).command("run", "pipeline.yaml", "--data", "data")
    expect_equal(code, 2, "the exit code")
    expect_texts(errors, "data")


def test_outlives_the_reader_of_its_log(folder):
    """The log's reader may go away: that is no reason to end, and no crash."""
    written(folder)
    reader, writer = os.pipe()
    with Millrace(folder) as millrace:
        command = ["run", "pipeline.yaml", "--data", str(millrace.data), "--listen", "127.0.0.1:0"]
        millrace.process = subprocess.Popen([BINARY, *command], cwd=folder, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
        os.close(writer)
        millrace.wait_ready()
        os.close(reader)
        millrace.send("events", numbers(0, 10))
        millrace.settle()
        expect_equal(millrace.end(), 0, "the exit code")
