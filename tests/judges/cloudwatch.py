#!/usr/bin/env python3
"""Judges metrics that are sent: CloudWatch as moto plays it, asked by boto3, and lines of the embedded metric format, against what
/metrics tells; and that the stream goes on while CloudWatch refuses or is away.

    BUILD=build/release python cloudwatch.py
"""
import datetime
import json
import os
import pathlib
import shutil
import sys
import time

from harness.fault_proxy import FaultProxy
from harness.millrace import Failure, Millrace
from harness.s3_store import S3Store
from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import metric_list  # noqa: E402

PIPELINE = """
pipeline: shop
metrics:
  cloudwatch: {namespace: Shop, every: 1s, dimensions: {stage: test}, labels: [stream, table]}
  embedded: {namespace: Shop, every: 1s, to: metrics.log, labels: [stream, table]}
sources:
  events: {from: log, schema: {n: bigint}}
tables:
  kept:
    from: events
    sql: SELECT n FROM events
    commit: {every: 100ms}
"""
BATCHES = 40
LISTED = {metric["name"]: metric for metric in metric_list.read()["metrics"]}
# From the specification of the format.
DOCUMENT_BYTES_MAX, METRICS_MAX, DIMENSIONS_MAX, VALUES_MAX = 256 * 1024, 100, 30, 100
UNITS = {"Seconds", "Bytes", "Count", "None"}


def start(folder, environment):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    return Millrace(folder, environment=environment).start()


def environment_of(store, url=None):
    return {**store.environment(), "AWS_ENDPOINT_URL_CLOUDWATCH": url or store.url}


def send_some(millrace):
    for n in range(BATCHES):
        millrace.send("events", f'{{"n":{n}}}\n{{"n":{-n}}}\n'.encode())
    millrace.settle()


def scraped(millrace):
    """What /metrics tells: name and labels to the value."""
    text = millrace.request("GET", "/metrics")[2].decode()
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}


def statistics(cloudwatch, name, **dimensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    dimensions = [{"Name": key, "Value": value} for key, value in {"stage": "test", **dimensions}.items()]
    points = cloudwatch.get_metric_statistics(Namespace="Shop", MetricName=name, Dimensions=dimensions, Period=3600,
                                              StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(hours=1),
                                              Statistics=["Sum", "SampleCount", "Maximum"])["Datapoints"]
    return {key: sum(point[key] for point in points) for key in ("Sum", "SampleCount", "Maximum")}


def expect_equal(found, wanted, what):
    if abs(found - wanted) > 1e-6 * max(1, abs(wanted)):
        raise Failure(f"{what}: {found}, not {wanted}")


def judge_numbers(folder, store):
    """Counters and histograms end as /metrics told them, in CloudWatch and in the lines."""
    with start(folder, environment_of(store)) as millrace:
        send_some(millrace)
        told = scraped(millrace)
        millrace.stop()
    cloudwatch = store.boto3("cloudwatch")
    for counter, labels in [("millrace_ingest_records_total", {"stream": "events"}), ("millrace_table_rows_total", {"table": "kept"})]:
        wanted = told[(counter, tuple(sorted(labels.items())))]
        expect_equal(wanted, 2 * BATCHES, counter)
        expect_equal(statistics(cloudwatch, counter, **labels)["Sum"], wanted, f"{counter} in CloudWatch")
        expect_equal(embedded_sum(folder, counter, **labels), wanted, f"{counter} in the lines")
    table = (("table", "kept"),)
    found = statistics(cloudwatch, "millrace_commit_seconds", table="kept")
    count, total = told[("millrace_commit_seconds_count", table)], told[("millrace_commit_seconds_sum", table)]
    # A commit may come between the last look and the end.
    if not count <= found["SampleCount"] <= count + 1 or not total <= found["Sum"] * 1.000001 <= total + 10:
        raise Failure(f"millrace_commit_seconds: {found}, not {count} commits of {total} s")
    if statistics(cloudwatch, "millrace_log_segments", stream="events")["Maximum"] < 1:
        raise Failure("the gauge millrace_log_segments is not in CloudWatch")


def documents(folder):
    lines = (folder / "metrics.log").read_text().splitlines()
    if not lines:
        raise Failure("no lines of metrics")
    return [check_document(line) for line in lines]


def check_document(line):
    """What the specification demands of a document."""
    if len(line.encode()) > DOCUMENT_BYTES_MAX:
        raise Failure(f"a document of {len(line)} bytes")
    document = json.loads(line)
    meta = document["_aws"]
    if set(meta) != {"Timestamp", "CloudWatchMetrics"} or abs(meta["Timestamp"] / 1000 - time.time()) > 600:
        raise Failure(f"metadata: {line[:300]}")
    for directive in meta["CloudWatchMetrics"]:
        if set(directive) != {"Namespace", "Dimensions", "Metrics"} or directive["Namespace"] != "Shop":
            raise Failure(f"directive: {line[:300]}")
        if not 0 < len(directive["Metrics"]) <= METRICS_MAX:
            raise Failure(f"{len(directive['Metrics'])} metrics in one document")
        for names in directive["Dimensions"]:
            if len(names) > DIMENSIONS_MAX or not all(isinstance(document.get(name), str) and document[name] for name in names):
                raise Failure(f"dimensions: {line[:300]}")
        for metric in directive["Metrics"]:
            if not set(metric) <= {"Name", "Unit", "StorageResolution"} or metric["Unit"] not in UNITS:
                raise Failure(f"metric {metric}")
            if metric["Name"] not in LISTED or LISTED[metric["Name"]]["unit"] != metric["Unit"]:
                raise Failure(f"metric {metric} is not as {metric_list.LIST} says")
            check_value(metric["Name"], document[metric["Name"]])
    return document


def check_value(name, value):
    if isinstance(value, dict):
        counts = sum(value["Counts"])
        total = sum(one * count for one, count in zip(value["Values"], value["Counts"]))
        if not 0 < len(value["Values"]) == len(value["Counts"]) <= VALUES_MAX:
            raise Failure(f"{name}: {value}")
        expect_equal(value["Count"], counts, f"the count of {name}")
        expect_equal(value["Sum"], total, f"the sum of {name}")
    elif not isinstance(value, (int, float)) or isinstance(value, bool):
        raise Failure(f"{name}: {value} is no number")


def embedded_sum(folder, name, **dimensions):
    wanted = {"pipeline": "shop", **dimensions}
    total = 0
    for document in documents(folder):
        names = document["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]
        if name in document and {key: document[key] for key in names} == wanted:
            total += document[name]
    return total


def judge_away(folder, store):
    """What CloudWatch did not take is sent later, with its times; nothing counts twice."""
    away = [True]
    proxy = FaultProxy(store.address, lambda *_: ("drop" if len(proxy.seen) % 2 else 503) if away[0] else "pass")
    try:
        with start(folder, {**environment_of(store, proxy.url), "AWS_MAX_ATTEMPTS": "1"}) as millrace:
            send_some(millrace)
            millrace.wait_for("some requests fail", lambda: len(proxy.seen) >= 4)
            queued = scraped(millrace)[("millrace_metrics_queue_bytes", (("to", "cloudwatch"),))]
            if queued <= 0:
                raise Failure("nothing waits while CloudWatch is away")
            away[0] = False
            millrace.stop()
    finally:
        proxy.close()
    found = statistics(store.boto3("cloudwatch"), "millrace_table_rows_total", table="kept")
    expect_equal(found["Sum"], 2 * BATCHES, "rows after CloudWatch came back")
    log = millrace.log.read_text()
    if "metrics.sent_again" not in log or log.count("metrics.not_sent") > 3:
        raise Failure(f"{log.count('metrics.not_sent')} lines of failures:\n{log[-2000:]}")


def judge_denied(folder, store):
    """A wrong key is told once, with the mend, and disturbs nothing, not even the end."""
    with start(folder, {**environment_of(store), "AWS_SECRET_ACCESS_KEY": "wrong"}) as millrace:
        send_some(millrace)
        millrace.wait_for("two requests are refused", lambda: refused(millrace) >= 2)
        millrace.stop()
    log = millrace.log.read_text()
    if log.count("metrics.not_sent") != 1 or "allow cloudwatch:PutMetricData" not in log:
        raise Failure(f"what is told of a wrong key:\n{log[-2000:]}")


def refused(millrace):
    return sum(value for (name, labels), value in scraped(millrace).items()
               if name == "millrace_aws_calls_total" and ("service", "cloudwatch") in labels and ("outcome", "ok") not in labels)


def judge_unreachable(folder, store):
    """An end while CloudWatch hangs is no later than its deadline, far below the harness's limit."""
    proxy = FaultProxy(store.address, lambda *_: "hang")
    try:
        with start(folder, environment_of(store, proxy.url)) as millrace:
            send_some(millrace)
            millrace.wait_for("a request hangs", lambda: len(proxy.seen) >= 1)
            millrace.stop()
    finally:
        proxy.close()


def judge_no_region(folder, store):
    environment = {**environment_of(store), "AWS_REGION": "", "AWS_ENDPOINT_URL_CLOUDWATCH": ""}
    try:
        with start(folder, environment):
            pass
    except Failure as failure:
        if "ended with 2 at start" in str(failure) and "AWS_REGION" in str(failure):
            return
        raise
    raise Failure("a start without a region")


def main():
    folder = pathlib.Path(os.environ["BUILD"]).resolve().parent / "test_data" / "cloudwatch"
    shutil.rmtree(folder, ignore_errors=True)
    problems = []
    for judge in (judge_numbers, judge_away, judge_denied, judge_unreachable, judge_no_region):
        name = judge.__name__
        # Where it checks signatures, it does so of the body that it has unpacked: none of ours fits there.
        store = S3Store(folder / f"{name}_moto", checks_signatures=name == "judge_denied")
        try:
            judge(folder / name, store)
        except Failure as failure:
            problems.append(f"{name}: {failure}")
        finally:
            store.close()
    print("\n".join(problems))
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
