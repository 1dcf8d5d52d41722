#!/usr/bin/env python3
"""Judges /metrics with the parser of the Prometheus client library, under a small load.

Every line parses, every family has a help text and a type, names follow Prometheus' rules, no series is there twice, and
counters only grow.
"""
import pathlib
import re
import sys

from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
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
"""
NAME = re.compile(r"millrace_[a-z0-9_]+")


def read(millrace):
    """Every sample by name and labels."""
    status, headers, body = millrace.request("GET", "/metrics")
    if status != 200 or not headers["Content-Type"].startswith("text/plain"):
        raise Failure(f"/metrics answered {status} as {headers['Content-Type']}")
    samples, kinds = {}, {}
    for family in text_string_to_metric_families(body.decode()):
        if not family.documentation or family.type == "unknown":
            raise Failure(f"{family.name} has no help text or no type")
        if family.name in kinds:
            raise Failure(f"{family.name} is described twice")
        kinds[family.name] = family.type
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


def check(millrace):
    before, kinds = read(millrace)
    millrace.send("events", b'{"n":1}\n{"n":-1}\n{"n":500}\n{"n":"x"}\n')
    millrace.settle()
    after, _ = read(millrace)
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
