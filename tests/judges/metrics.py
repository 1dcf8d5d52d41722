#!/usr/bin/env python3
"""Judges /metrics with the parser of the Prometheus client library, under a small load.

Every line parses, every family has a help text and a type, names follow Prometheus' rules, no series is there twice, and
counters only grow. What is shown is what the one list of metrics says: name, type, help and labels.
"""
import pathlib
import re
import sys

from prometheus_client.parser import text_string_to_metric_families

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parents[2] / "tools")]
import metric_list  # noqa: E402
from harness.judged import judged  # noqa: E402
from harness.millrace import Failure  # noqa: E402

PIPELINE = """
pipeline: metrics
sources:
  events: {from: log, shards: 2, schema: {n: bigint}}
tables:
  kept:
    from: events
    expect: {positive: {check: n > 0}, "small": {check: n < 100, otherwise: warn}}
    sql: SELECT n FROM events
    commit: {every: 100ms}
jobs:
  totals: {sql: SELECT count(*) AS n FROM kept}
"""
# What an instance with a stream, a table and a job shows after a little work, whatever else there may be.
SEEN = {"build_info", "disk_free_bytes", "memory_limit_bytes", "hot_rows", "lag_records", "table_records_total", "table_rejects_total",
        "table_warnings_total", "commit_seconds", "table_commits_total", "micro_batch_seconds", "source_records_total", "log_sync_seconds",
        "ingest_records_total", "http_requests_total", "http_request_seconds", "job_runs_total", "job_run_seconds",
        "job_last_success_timestamp_seconds", "queries_total"}
NAME = re.compile(r"millrace_[a-z0-9_]+")


def read(millrace):
    """Every sample by name and labels."""
    status, headers, body = millrace.request("GET", "/metrics")
    if status != 200 or not headers["Content-Type"].startswith("text/plain"):
        raise Failure(f"/metrics answered {status} as {headers['Content-Type']}")
    samples, kinds = {}, {}
    listed = {metric["name"].removesuffix("_total"): metric for metric in metric_list.read()["metrics"]}
    for family in text_string_to_metric_families(body.decode()):
        if not family.documentation or family.type == "unknown":
            raise Failure(f"{family.name} has no help text or no type")
        if family.name in kinds:
            raise Failure(f"{family.name} is described twice")
        kinds[family.name] = family.type
        check_listed(listed.get(family.name), family)
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if key in samples:
                raise Failure(f"{key} is there twice")
            samples[key] = sample.value
    ours = [name for name in kinds if name.startswith("millrace_")]
    if not ours:
        raise Failure("there is no metric of ours")
    for name in ours:
        if not NAME.fullmatch(name):
            raise Failure(f"{name} is no good name")
    return samples, kinds


def check_listed(metric, family):
    """`metric` of the list tells all of this family; the parser leaves `_total` away."""
    if metric is None:
        raise Failure(f"{family.name} is not in {metric_list.LIST}")
    if (metric["type"], metric["help"]) != (family.type, family.documentation):
        raise Failure(f"{family.name} is a {family.type}, '{family.documentation}', and not as {metric_list.LIST} says")
    for sample in family.samples:
        if set(sample.labels) - {"le"} != set(metric["labels"]):
            raise Failure(f"{sample.name} has the labels {sorted(sample.labels)}, and not {metric['labels']}")


def check(millrace):
    before, kinds = read(millrace)
    millrace.send("events", b'{"n":1}\n{"n":-1}\n{"n":500}\n{"n":"x"}\n')
    millrace.settle()
    millrace.query("SELECT count(*) FROM kept")
    code, _, errors = millrace.command("job", "run", "totals", "--data", "data")
    if code != 0:
        raise Failure(f"the job ended with {code}: {errors}")
    after, kinds = read(millrace)
    missing = {name for name in SEEN if f"millrace_{name.removesuffix('_total')}" not in kinds}
    if missing:
        raise Failure(f"not shown: {sorted(missing)}")
    grown = 0
    for (name, labels), value in before.items():
        family = re.sub(r"_(total|count|sum|bucket|created)$", "", name)
        if kinds.get(family) != "counter" and not name.endswith(("_count", "_bucket")):
            continue
        if after.get((name, labels), -1) < value:
            raise Failure(f"{name}{dict(labels)} fell from {value} to {after.get((name, labels))}")
    for key, value in after.items():
        grown += value > before.get(key, 0)
    if grown == 0:
        raise Failure("no metric moved with four records")
    print(f"{len(after)} samples of {len(kinds)} families")


if __name__ == "__main__":
    sys.exit(judged(PIPELINE, check))
