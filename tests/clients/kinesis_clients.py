#!/usr/bin/env python3
"""The Kinesis API with the real clients for Java and JavaScript: AWS SDK for Java (synchronous, asynchronous), KCL (polling and
fan-out, begun after a reshard), KPL over TLS, AWS SDK for JavaScript. Called by run.py --clients.

    BUILD=build/release python kinesis_clients.py [NAME..]

The packages come once per machine, pinned, by mvn and npm into the user's cache. Without java, mvn or node what needs them is left out.
"""
import collections
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from harness.millrace import Failure, Millrace
from harness.s3_store import S3Store

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "millrace"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
SECONDS_MAX = 300
RECORDS = 400
PIPELINE = """
pipeline: clients
sources:
  events: {from: log, shards: 2, schema: {n: bigint}}
tables:
  kept: {from: events, sql: SELECT n FROM events, commit: {every: 1s}}
"""


def cached(kind, files, fill):
    """The folder that `fill` fills, once for these files."""
    content = b"".join((HERE / name).read_bytes() for name in files)
    folder = CACHE / f"{kind}-{hashlib.sha256(content).hexdigest()[:12]}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = pathlib.Path(tempfile.mkdtemp(dir=CACHE))
        for name in files:
            shutil.copy(HERE / name, made)
        fill(made)
        try:
            made.rename(folder)
        except OSError:  # another test was faster
            shutil.rmtree(made)
    return folder


def run(words, folder, **more):
    done = subprocess.run(list(map(str, words)), cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX, check=False, **more)
    if done.returncode != 0:
        raise Failure(f"{words[0]} ended with {done.returncode}:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    return done.stdout.splitlines()


def java(*words):
    def fill(folder):
        run(["mvn", "-q", "-B", COPY, f"-DoutputDirectory={folder / 'jars'}"], folder)
        run(["javac", "-nowarn", "-cp", f"{folder / 'jars'}/*", "-d", folder / "classes", "Clients.java"], folder)

    folder = cached("java-clients", ["pom.xml", "Clients.java"], fill)
    with tempfile.TemporaryDirectory(prefix="millrace_java_") as scratch:  # the KPL unpacks its program there
        return run(["java", "-Xmx512m", f"-Djava.io.tmpdir={scratch}", "-cp", f"{folder / 'classes'}:{folder / 'jars'}/*", "Clients",
                    *words], scratch)


def javascript(*words):
    folder = cached("js-clients", ["package.json", "clients.mjs"], lambda made: run(["npm", "install", "--silent", "--no-audit"], made))
    return run(["node", "clients.mjs", *words], folder)


def expect_each_once(lines, count, what):
    wanted = collections.Counter(range(count))
    found = collections.Counter(json.loads(line)["n"] for line in lines)
    if found != wanted:
        missing, more = wanted - found, found - wanted
        raise Failure(f"{what}: {missing.total()} records are missing, {more.total()} are there too often")


def expect_rows(millrace, count):
    millrace.catch_up()
    rows = [[str(value) for value in row] for row in millrace.query("SELECT count(*), count(DISTINCT n), min(n), max(n) FROM kept")]
    if rows != [[str(count), str(count), "0", str(count - 1)]]:
        raise Failure(f"{rows} in the table, not {count} records once each")


def boto3_client(millrace):
    import boto3
    return boto3.client("kinesis", endpoint_url=f"http://127.0.0.1:{millrace.port}", region_name="eu-central-1",
                        aws_access_key_id="AKIDEXAMPLE12345", aws_secret_access_key="secretsecretsecret")


def started(folder, *flags):
    folder.mkdir(parents=True)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    return Millrace(folder, flags=flags).start()


def sdk(folder, call, *first):
    with started(folder) as millrace:
        lines = call(*first, f"http://127.0.0.1:{millrace.port}", "events", RECORDS)
        expect_each_once(lines, RECORDS, "what it read")
        expect_rows(millrace, RECORDS)
        millrace.stop()


def test_java_sync(folder):
    sdk(folder, java, "sync")


def test_java_async(folder):
    sdk(folder, java, "async")


def test_javascript(folder):
    sdk(folder, javascript)


def kcl(folder, retrieval):
    """Begun after a split and a merge: parents come before their children, each record once."""
    store = S3Store(folder / "moto", checks_signatures=False)
    try:
        with started(folder / "millrace") as millrace:
            kinesis = boto3_client(millrace)
            put = [0]

            def put_some():
                kinesis.put_records(StreamName="events", Records=[
                    {"Data": json.dumps({"n": n}).encode(), "PartitionKey": f"key {n}"} for n in range(put[0], put[0] + RECORDS // 4)])
                put[0] += RECORDS // 4

            put_some()
            kinesis.split_shard(StreamName="events", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**126))
            put_some()
            kinesis.merge_shards(StreamName="events", ShardToMerge="shardId-000000000003", AdjacentShardToMerge="shardId-000000000001")
            put_some()
            put_some()
            lines = java("kcl", f"http://127.0.0.1:{millrace.port}", store.url, "events", f"app-{retrieval}", retrieval, RECORDS)
            expect_each_once(lines, RECORDS, "what the KCL read")
            expect_rows(millrace, RECORDS)
            millrace.stop()
    finally:
        store.close()


def test_kcl_polling(folder):
    kcl(folder, "polling")


def test_kcl_fanout(folder):
    kcl(folder, "fanout")


def test_kpl(folder):
    """Over TLS, which it checks; what it puts together is taken apart."""
    folder.mkdir(parents=True)
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "certificate.pem", "-days", "2", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:TRUE"], folder)
    certificate = folder / "certificate.pem"
    with started(folder / "millrace", "--tls-certificate", str(certificate), "--tls-key", str(folder / "key.pem")) as millrace:
        java("kpl", millrace.port, certificate, "events", RECORDS)
        expect_rows(millrace, RECORDS)
        millrace.stop()


NEEDS = {"java": ("java", "javac", "mvn"), "kcl": ("java", "javac", "mvn"), "kpl": ("java", "javac", "mvn", "openssl"),
         "javascript": ("node", "npm")}


def tests():
    return {name.removeprefix("test_"): function for name, function in globals().items() if name.startswith("test_")}


def why_left_out(name):
    """What this machine lacks for the test; empty if nothing."""
    missing = [program for program in NEEDS[name.split("_")[0]] if not shutil.which(program)]
    return f"there is no {', no '.join(missing)} on this machine" if missing else ""


def main():
    folder = pathlib.Path(os.environ["BUILD"]).resolve().parent / "test_data" / "clients"
    problems = 0
    for name in sys.argv[1:] or tests():
        shutil.rmtree(folder / name, ignore_errors=True)
        if why := why_left_out(name):
            print(f"left out {name}: {why}", flush=True)
            continue
        try:
            tests()[name](folder / name)
            print(f"passed {name}", flush=True)
        except (Failure, subprocess.TimeoutExpired) as failure:
            problems += 1
            print(f"FAILED {name}: {failure}", flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
