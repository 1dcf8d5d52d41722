#!/usr/bin/env python3
"""Judges the dashboard and the alert rules by Prometheus itself: promtool runs the rules' tests, and a real server scrapes a millrace at
work and answers every query of the dashboard. Left out where Prometheus is not there: ./mill test brings it to build/prometheus.
"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from harness.millrace import Failure, Millrace
from harness.ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import dashboard  # noqa: E402

LEFT_OUT = 77
RULES = ROOT / "deploy" / "prometheus"
BUILD = pathlib.Path(os.environ["BUILD"]).resolve().parent
PIPELINE = """
pipeline: watched
sources:
  events: {from: log, partition_key: k, schema: {n: bigint, k: varchar}}
lookups:
  names: {from: names.csv, key: k}
tables:
  kept:
    from: events
    lookups: {names: k}
    expect: {positive: {check: n > 0}, small: {check: n < 100, otherwise: warn}}
    sql: SELECT n, k, names.name AS name FROM events WHERE n <> 7
    commit: {every: 100ms}
alerts:
  big: {from: kept, when: n >= 100, send: {log: info}}
jobs:
  totals: {at: "0 1 * * *", sql: SELECT count(*) AS n FROM kept}
"""
# What nothing happens to here: no Kinesis or Kafka, no files, no S3, no warehouse, nothing that fails.
EMPTY = {"Behind by source", "Source trouble", "Files found and read", "Files of the lake, from the cache or not", "AWS calls",
         "AWS retries", "Checks that do not hold", "Commits that failed, raced or were fenced"}
PARTLY = {"Acknowledged records", "Refused bodies and appends", "Stale partitions, and loads that wait"}
SCRAPES_SECONDS = 12


def program(name):
    own = BUILD / "prometheus" / "usr" / "bin" / name
    return str(own) if own.exists() else shutil.which(name)


def check_rules():
    for words in (["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"], ["check", "config", "prometheus.yml"]):
        done = subprocess.run([program("promtool"), *words], cwd=RULES, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"promtool {' '.join(words)}: {done.stdout}{done.stderr}")


class Prometheus:
    """A server of its own that scrapes `target` each second, with the project's rules."""

    def __init__(self, folder, target):
        self.folder, self.target, self.port = folder, target, free_port()

    @contextlib.contextmanager
    def running(self):
        configuration = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(RULES / "rules.yml")],
                         "scrape_configs": [{"job_name": "millrace", "static_configs": [{"targets": [self.target]}]}]}
        (self.folder / "prometheus.yml").write_text(json.dumps(configuration))
        with open(self.folder / "prometheus.log", "w", encoding="utf-8") as log:
            server = subprocess.Popen([program("prometheus"), f"--config.file={self.folder}/prometheus.yml",
                                       f"--storage.tsdb.path={self.folder}/tsdb", f"--web.listen-address=127.0.0.1:{self.port}"],
                                      stdout=log, stderr=log)
        try:
            self.await_up(server)
            yield self
        finally:
            server.terminate()
            server.wait(timeout=30)

    def await_up(self, server):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and server.poll() is None:
            with contextlib.suppress(OSError, Failure):  # it refuses while it starts
                if [sample["value"][1] for sample in self.query("up")] == ["1"]:
                    return
            time.sleep(0.2)
        raise Failure(f"Prometheus does not scrape:\n{(self.folder / 'prometheus.log').read_text()[-2000:]}")

    def query(self, text):
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": text})
        try:
            with urllib.request.urlopen(url, timeout=30) as reply:
                return json.load(reply)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise Failure(f"Prometheus refuses {text}: {error.read().decode()}") from None

    def problems_of_rules(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/rules", timeout=30) as reply:
            rules = [rule for group in json.load(reply)["data"]["groups"] for rule in group["rules"]]
        if len(rules) < 20:
            raise Failure(f"{len(rules)} rules are loaded")
        return [f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}" for rule in rules if rule["health"] != "ok"]


def work(millrace):
    """A bit of everything, again and again, so that rates are there; one record that does not decode and one below zero."""
    until = time.monotonic() + SCRAPES_SECONDS
    number = 0
    while time.monotonic() < until:
        number += 1
        millrace.send("events", b'{"n":1,"k":"a"}\n{"n":7,"k":"a"}\n{"n":500,"k":"b"}\n{"n":-1,"k":"c"}\n{"n":"x"}\n')
        millrace.query("SELECT count(*) FROM kept")
        if number % 5 == 1:
            millrace.request("POST", "/v1/streams/none/records", b"{}", {"Content-Type": "application/json"})
            millrace.command("job", "run", "totals", "--data", "data")
            millrace.json("GET", "/v1/jobs")
        time.sleep(0.5)


def judge_dashboard(server):
    problems, found = [], {}
    for title, query, legend in dashboard.queries():
        result = server.query(query.replace(dashboard.CHOSEN, 'instance=~".*"').replace(dashboard.RANGE, "8s"))
        found.setdefault(title, []).append(len(result))
        if any(sample["value"][1] == "NaN" for sample in result) and not any(sample["value"][1] != "NaN" for sample in result):
            problems.append(f"{title}: nothing but NaN: {query}")
        labels = {label for label in legend.replace("}}", "{{").split("{{")[1::2]}
        problems += [f"{title}: the legend names {label}, the series have {sorted(sample['metric'])}"
                     for sample in result for label in sorted(labels - set(sample["metric"]))]
    for title, counts in found.items():
        if title in EMPTY and any(counts):
            problems.append(f"{title}: has data: take it from the panels that are expected to be empty")
        if title not in EMPTY and not (any(counts) if title in PARTLY else all(counts)):
            problems.append(f"{title}: without data: {counts}")
    return problems


def judge_alerts(server):
    """What was done is what is told of: rejects, a tenth and more of the records not yet for five minutes, and nothing else."""
    firing = {sample["metric"]["alertname"] for sample in server.query('ALERTS{alertstate="firing"}')}
    return [] if firing == {"MillraceRejects"} else [f"alerts that fire: {sorted(firing)}"]


def main():
    if not program("promtool") or not program("prometheus"):
        print("Prometheus is not there")
        return LEFT_OUT
    folder = BUILD / "test_data" / "prometheus"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    (folder / "names.csv").write_text("k,name\na,Ann\nb,Bob\n")
    try:
        check_rules()
        with Millrace(folder).start() as millrace:
            with Prometheus(folder, f"127.0.0.1:{millrace.port}").running() as server:
                work(millrace)
                problems = judge_dashboard(server) + judge_alerts(server) + server.problems_of_rules()
            millrace.stop()
    except Failure as failure:
        problems = [str(failure)]
    print("\n".join(problems))
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
