"""Disks that are full, files that are damaged, folders that were swapped."""
import os
import shutil
import subprocess

from deltalake import DeltaTable

from harness.millrace import Failure, Millrace
from judges import delta
from operations import LeftOut, expect, expect_equal, expect_texts
from operations.bench_pipeline import numbers, started
from operations.start_and_stop import ended


def refused_start(millrace, code_expected, *texts):
    millrace.log.unlink(missing_ok=True)
    millrace.spawn()
    code, log = ended(millrace)
    expect_equal(code, code_expected, "the exit code")
    expect_texts(log, *texts)
    expect("CHECK" not in log and "Aborted" not in log, f"it crashed:\n{log}")
    millrace.process = None


def with_two_commits(folder):
    millrace = started(folder)
    for first in (0, 10):
        millrace.send("events", numbers(first, first + 10))
        millrace.settle()
    millrace.stop()
    return millrace


def test_damaged_commit(folder):
    with with_two_commits(folder) as millrace:
        commit = sorted((millrace.data / "tables/kept/_delta_log").glob("*.json"))[-1]
        good = commit.read_bytes()
        for damage in (b"", b"{", good[: len(good) // 2], b"\xff\xfe nonsense\n"):
            commit.write_bytes(damage)
            refused_start(millrace, 1, commit.name)
        commit.write_bytes(good)
        millrace.start().stop()


def test_missing_commit(folder):
    with with_two_commits(folder) as millrace:
        commits = sorted((millrace.data / "tables/kept/_delta_log").glob("*.json"))
        commits[-2].rename(folder / "away")
        refused_start(millrace, 1, commits[-2].name)
        (folder / "away").rename(commits[-2])
        millrace.start().stop()


def test_missing_data_file(folder):
    """The table opens, and a query of the lost rows says which file is missing."""
    with with_two_commits(folder) as millrace:
        parquet = sorted((millrace.data / "tables/kept").rglob("*.parquet"))[0]
        parquet.unlink()
        millrace.start()
        try:
            millrace.query("SELECT sum(n) FROM kept")
        except Failure as failure:
            expect_texts(str(failure), parquet.name)
        else:
            raise Failure("rows are lost, and the query does not say so")
        millrace.stop()


def test_torn_log_tail(folder):
    with started(folder, every="10m") as millrace:
        millrace.send("events", numbers(0, 100))
        millrace.kill()
        segments = [path for path in (millrace.data / "log" / "events").rglob("*") if path.is_file() and path.stat().st_size > 500]
        expect(segments, "no segment was found")
        for segment in segments:
            with open(segment, "ab") as file:
                file.write(os.urandom(777))
        millrace.start()
        millrace.send("events", numbers(100, 110))
        millrace.catch_up()
        expect_equal(str(millrace.query("SELECT count(*), count(DISTINCT n) FROM kept")), "[[110, 110]]", "the rows")
        millrace.stop()


def test_damaged_log(folder):
    """A record in the middle is damaged: it says so and stops, and does not skip what was acknowledged."""
    with started(folder, every="10m") as millrace:
        for first in range(0, 400, 40):
            millrace.send("events", numbers(first, first + 40))
        millrace.kill()
        files = [path for path in (millrace.data / "log" / "events").rglob("*") if path.is_file()]
        segment = max(files, key=lambda path: path.stat().st_size)
        raw = bytearray(segment.read_bytes())
        raw[raw.index(b'"name":"name ', 600) + 3] ^= 0x40
        segment.write_bytes(raw)
        refused_start(millrace, 1, segment.name)


def test_lost_log_folder_is_noticed(folder):
    with with_two_commits(folder) as millrace:
        shutil.rmtree(millrace.data / "log")
        refused_start(millrace, 2, "--accept-new-source", "events")
        millrace.flags = ["--accept-new-source"]
        millrace.start()
        millrace.send("events", numbers(20, 30))
        millrace.settle()
        expect_equal(str(millrace.query("SELECT count(*), count(DISTINCT n) FROM kept")), "[[30, 30]]", "the rows")
        millrace.stop()
        millrace.flags = []
        millrace.start().stop()


def test_foreign_table_feature(folder):
    with with_two_commits(folder) as millrace:
        log = millrace.data / "tables/kept/_delta_log"
        count = len(list(log.glob("*.json")))
        (log / f"{count:020}.json").write_text('{"protocol":{"minReaderVersion":3,"minWriterVersion":7,'
                                               '"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}\n')
        refused_start(millrace, 2, "kept", "reader version 3")


def test_full_disk(folder):
    small = folder / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "millrace_test", small], capture_output=True, check=False).returncode != 0:
        raise LeftOut("mounting a small disk needs root")
    try:
        fill_disk(small)
    finally:
        subprocess.run(["umount", "-l", small], check=False)


def fill_disk(small):
    with started(small) as millrace:
        millrace.send("events", numbers(0, 1000))
        millrace.settle()
        filler = small / "filler"
        space = os.statvfs(small)
        filler.write_bytes(bytes(max(space.f_bavail * space.f_frsize - 3_000_000, 0)))
        acknowledged = 1000
        while acknowledged < 2_000_000:
            body = numbers(acknowledged, acknowledged + 2000)
            headers = {"Content-Type": "application/x-ndjson"}
            status, headers, answer = millrace.request("POST", "/v1/streams/events/records", body, headers)
            if status != 200:
                expect(status in (429, 503), f"a full disk is answered with {status}: {answer}")
                expect("Retry-After" in headers, "the answer does not say when to come again")
                break
            acknowledged += 2000
        else:
            raise Failure("the disk did not get full")
        expect_texts(answer.decode(), "space")
        status, _, answer = millrace.request("POST", "/v1/query", b'{"sql":"SELECT count(*) FROM kept"}',
                                             {"Content-Type": "application/json"})
        expect_equal(status, 200, f"a query on a full disk ({answer[:300]})")
        filler.unlink()
        if millrace.is_running():
            millrace.end()
        millrace.start()
        millrace.send("events", b'{"n":-1,"name":"after"}\n')
        millrace.settle()
        found = millrace.query(f"SELECT count(*), count(DISTINCT n) FROM kept WHERE n BETWEEN 0 AND {acknowledged - 1}")
        expect_equal(str(found), f"[[{acknowledged}, {acknowledged}]]", "rows of what was acknowledged")
        delta.compare_running(millrace)
        millrace.stop()
        delta.check_folder(millrace.data)


def test_two_workers_on_one_table(folder):
    """The second worker has a log of the same life and the same tables; the first must find out at its commit."""
    with started(folder, every="500ms") as first, Millrace(folder, data="other") as second:
        first.send("events", numbers(0, 10), headers={"X-Partition-Key": "k"})
        first.settle()
        second.data.mkdir()
        shutil.copytree(first.data / "log", second.data / "log")
        (second.data / "tables").symlink_to(first.data / "tables")
        second.start()
        for millrace in (second, first):
            millrace.send("events", numbers(10, 20), headers={"X-Partition-Key": "k"})
            if millrace is second:
                second.settle()
        code, log = ended(first)
        expect_equal(code, 1, "the exit code of the older worker")
        expect_texts(log, "another process writes to this table")
        second.send("events", numbers(20, 30), headers={"X-Partition-Key": "k"})
        second.settle()
        expect_equal(str(second.query("SELECT count(*), count(DISTINCT n) FROM kept")), "[[30, 30]]", "the rows")
        second.stop()
        rows = DeltaTable(str(first.data / "tables" / "kept")).to_pyarrow_table()
        expect_equal(sorted(rows["n"].to_pylist()), list(range(30)), "the table")
