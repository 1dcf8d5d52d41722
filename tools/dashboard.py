#!/usr/bin/env python3
"""Makes the Grafana dashboard, deploy/grafana/millrace.json, of the panels that are listed here.

    dashboard.py --write

In a query, `$in` stands for what chooses the instances that are shown, and `$range` for a time that suits the zoom.
"""
import argparse
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "deploy/grafana/millrace.json"
CHOSEN = 'instance=~"$instance"'
RANGE = "$__rate_interval"
WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def rate(metric, *labels, more=""):
    by = f" by ({', '.join(labels)})" if labels else ""
    return f"sum{by} (rate({metric}{{$in{more}}}[$range]))"


def quantile(share, histogram, *labels):
    return f"histogram_quantile({share}, sum by ({', '.join(('le', *labels))}) (rate({histogram}_bucket{{$in}}[$range])))"


def percentiles(histogram, *labels):
    """Median and the slowest hundredth, by labels."""
    told = " ".join("{{%s}}" % label for label in labels)
    return [(quantile(share, histogram, *labels), f"{name} {told}".strip()) for name, share in (("p50", 0.5), ("p99", 0.99))]


def graph(title, unit, queries, told="", width=8):
    return {"kind": "timeseries", "title": title, "unit": unit, "queries": queries, "told": told, "width": width, "height": 8}


def number(title, unit, query, told="", bad=None):
    """One number; red from `bad` on."""
    return {"kind": "stat", "title": title, "unit": unit, "queries": [(query, "")], "told": told, "width": 4, "height": 4, "bad": bad}


ROWS = [
    ("Now", [
        number("Instances", "none", "count(millrace_build_info{$in})"),
        number("Records a second", "cps", rate("millrace_source_records_total")),
        number("Rejects in the last hour", "none", "sum(increase(millrace_table_rejects_total{$in}[1h])) or vector(0)", bad=1),
        number("Farthest behind", "none", "max(millrace_lag_records{$in})", "Durable records that a table has not read yet.", bad=100000),
        number("Tables that halted", "none", "sum(millrace_table_halted{$in}) or vector(0)", bad=1),
        number("Free disk", "bytes", "min(millrace_disk_free_bytes{$in})", "Of the data folder's file system."),
    ]),
    ("Stream", [
        graph("Records by source", "cps", [(rate("millrace_source_records_total", "source"), "{{source}}")]),
        graph("Lag by table", "none", [("max by (table) (millrace_lag_records{$in})", "{{table}}")],
              "Durable records that a table has not read yet."),
        graph("Behind by source", "s", [("max by (source) (millrace_source_behind_seconds{$in})", "{{source}}")],
              "Kinesis and Kafka: age of what is read, of the shard that is farthest behind."),
        graph("Micro-batch: records read to rows visible", "s", percentiles("millrace_micro_batch_seconds", "source")),
        graph("Rows by table", "cps", [(rate("millrace_table_rows_total", "table"), "{{table}}")]),
        graph("Source trouble", "cps", [(rate("millrace_source_failures_total", "source", "reason"), "{{source}} {{reason}}"),
                                        (rate("millrace_micro_batch_failures_total", "source"), "{{source}} micro-batch"),
                                        (rate("millrace_source_look_failures_total", "source"), "{{source}} look for files")]),
    ]),
    ("Ingest and log", [
        graph("Acknowledged records", "cps", [(rate("millrace_ingest_records_total", "stream"), "{{stream}} HTTP"),
                                              (rate("millrace_kinesis_records_total", "stream"), "{{stream}} Kinesis API")]),
        graph("Refused bodies and appends", "cps", [(rate("millrace_ingest_refused_total", "stream", "reason"), "{{stream}} {{reason}}"),
                                                    (rate("millrace_log_refusals_total", "stream"), "{{stream}} log")]),
        graph("Write and sync", "s", percentiles("millrace_log_sync_seconds", "stream")),
        graph("Log on disk", "bytes", [("sum by (stream) (millrace_log_disk_bytes{$in})", "{{stream}}")]),
    ]),
    ("Rejects", [
        graph("Rejects by reason", "cps", [(rate("millrace_table_rejects_total", "table", "stage", "reason"),
                                            "{{table}} {{stage}} {{reason}}")], width=12),
        graph("Warnings by expectation", "cps", [(rate("millrace_table_warnings_total", "table", "expectation"),
                                                  "{{table}} {{expectation}}")]),
        graph("Filtered records", "cps", [(rate("millrace_table_filtered_total", "table"), "{{table}}")], width=4),
    ]),
    ("Commits and files", [
        graph("Commits", "cps", [(rate("millrace_table_commits_total", "table"), "{{table}}")]),
        graph("Commit: hot rows into the lake", "s", percentiles("millrace_commit_seconds", "table")),
        graph("Commits that failed, raced or were fenced", "cps", [(rate("millrace_commit_failures_total", "table"), "{{table}} failed"),
                                                                   (rate("millrace_table_commit_races_total", "table"), "{{table}} raced"),
                                                                   (rate("millrace_fenced_commits_total", "source"), "{{source}} fenced")]),
        graph("Rows that wait for a commit", "none", [("sum by (table) (millrace_hot_rows{$in})", "{{table}}")]),
        graph("Files found and read", "cps", [(rate("millrace_source_files_total", "source"), "{{source}} found"),
                                              (rate("millrace_source_files_finished_total", "source"), "{{source}} read")]),
        graph("Files of the lake, from the cache or not", "cps", [(rate("millrace_lake_cache_files_total", "found"), "cached: {{found}}")]),
    ]),
    ("Lookups and jobs", [
        graph("Age of lookups", "s", [("max by (lookup) (time() - millrace_lookup_current_timestamp_seconds{$in})", "{{lookup}}")],
              "Since a lookup was last known to be what its file says."),
        graph("Runs of jobs", "none", [("sum by (job_name, status) (increase(millrace_job_runs_total{$in}[$range]))",
                                        "{{job_name}} {{status}}")]),
        graph("Due and not done", "s", [("max by (job_name) ((time() - millrace_job_due_timestamp_seconds{$in}) "
                                         "* (millrace_job_due_timestamp_seconds{$in} > bool 0))", "{{job_name}}")],
              "How long ago a run was scheduled that is not done yet."),
        graph("Run time", "s", percentiles("millrace_job_run_seconds", "job_name")),
        graph("Stale partitions, and loads that wait", "none", [("max by (job_name) (millrace_job_partitions_stale{$in})", "{{job_name}}"),
                                                                ("max by (load) (millrace_loads_waiting{$in})", "{{load}}")]),
        graph("Checks that do not hold", "none", [("sum by (job_name, check, outcome) "
                                                   '(increase(millrace_job_checks_total{$in,outcome!="passed"}[$range]))',
                                                   "{{job_name}} {{check}} {{outcome}}")]),
    ]),
    ("Alerts", [
        graph("Alerts by outcome", "cps", [(rate("millrace_alerts_total", "alert", "target", "outcome"),
                                            "{{alert}} {{target}} {{outcome}}")]),
        graph("From a record's arrival to its alert", "s", percentiles("millrace_alert_seconds", "alert")),
        graph("Records whose alerts have not ended", "none", [("max by (alert, target) (millrace_alert_behind_records{$in})",
                                                               "{{alert}} {{target}}")]),
    ]),
    ("HTTP and queries", [
        graph("Requests by status", "reqps", [(rate("millrace_http_requests_total", "status"), "{{status}}")]),
        graph("Request time by route, p99", "s", [(quantile(0.99, "millrace_http_request_seconds", "route"), "{{route}}")]),
        graph("Queries", "reqps", [(rate("millrace_queries_total", "status"), "{{status}}")], width=4),
        graph("Query time", "s", percentiles("millrace_query_seconds"), width=4),
    ]),
    ("Process", [
        graph("Memory", "bytes", [("process_resident_memory_bytes{$in}", "{{instance}}"),
                                  ("millrace_memory_limit_bytes{$in}", "limit {{instance}}"),
                                  ("sum by (instance) (millrace_hot_bytes{$in})", "hot rows {{instance}}")]),
        graph("CPU", "none", [("sum by (instance) (rate(millrace_process_cpu_seconds{$in}[$range]))", "{{instance}}")], "Cores in use."),
        graph("Free disk", "bytes", [("millrace_disk_free_bytes{$in}", "{{instance}}")]),
        graph("Connections and open files", "none", [("millrace_http_connections{$in}", "connections {{instance}}"),
                                                     ("process_open_fds{$in}", "files {{instance}}")]),
        graph("AWS calls", "cps", [(rate("millrace_aws_calls_total", "service", "outcome"), "{{service}} {{outcome}}")]),
        graph("AWS retries", "cps", [(rate("millrace_aws_retries_total", "service", "reason"), "{{service}} {{reason}}")]),
    ]),
]


def query_text(query):
    return query.replace("$in", CHOSEN).replace("$range", RANGE)


def queries():
    """(title, query, legend) of all panels."""
    return [(panel["title"], query_text(query), legend) for _, panels in ROWS for panel in panels for query, legend in panel["queries"]]


def panel_json(panel, identity, x, y):
    steps = [{"color": "green", "value": None}] + ([{"color": "red", "value": panel["bad"]}] if panel.get("bad") else [])
    found = {"id": identity, "type": panel["kind"], "title": panel["title"], "datasource": SOURCE,
             "gridPos": {"x": x, "y": y, "w": panel["width"], "h": panel["height"]},
             "fieldConfig": {"defaults": {"unit": panel["unit"], "min": 0, "thresholds": {"mode": "absolute", "steps": steps}},
                             "overrides": []},
             "targets": [{"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": query_text(query), "legendFormat": legend or "__auto",
                          "range": panel["kind"] == "timeseries", "instant": panel["kind"] == "stat"}
                         for i, (query, legend) in enumerate(panel["queries"])]}
    if panel["kind"] == "stat":
        found["options"] = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value"}
    return found | ({"description": panel["told"]} if panel["told"] else {})


def panels_json():
    found, y = [], 0
    for title, panels in ROWS:
        found.append({"id": len(found) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
                      "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})
        x, y = 0, y + 1
        for panel in panels:
            if x + panel["width"] > WIDTH:
                x, y = 0, y + panel["height"]
            found.append(panel_json(panel, len(found) + 1, x, y))
            x += panel["width"]
        y += panels[-1]["height"]
    return found


def variable(name, label, **more):
    return {"name": name, "label": label, "hide": 0, "skipUrlSync": False, **more}


def dashboard():
    instances = "label_values(millrace_build_info, instance)"
    return {
        "uid": "millrace", "title": "Millrace", "tags": ["millrace"], "schemaVersion": 39, "version": 1, "editable": True,
        "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "timezone": "", "graphTooltip": 1, "annotations": {"list": []},
        "templating": {"list": [
            variable("datasource", "Data source", type="datasource", query="prometheus", current={}, options=[], regex="", multi=False,
                     includeAll=False),
            variable("instance", "Instance", type="query", datasource=SOURCE, query={"query": instances, "refId": "instances"},
                     definition=instances, refresh=2, sort=1, multi=True, includeAll=True, allValue=".*", current={}, options=[],
                     regex="")]},
        "panels": panels_json()}


def text():
    return json.dumps(dashboard(), indent=1) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    PAGE.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
