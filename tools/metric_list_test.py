#!/usr/bin/env python3
"""Shows that the list of metrics and the code cannot part, nor the documents, and that each check fires."""
import json
import pathlib
import re
import shutil
import tempfile
import unittest

import metric_list

ROOT = metric_list.ROOT
CODE = '''
// telemetry.metrics.counter("millrace_of_a_comment", "no");
Rows::Rows(Telemetry telemetry, std::string table)
    : rows_(telemetry.metrics.counter("millrace_rows_total",
                                      "Rows, (all) of "
                                      "them.",
                                      {{"table", table}, {"how", std::string(name_of(how, 1))}})) {}
void took(Telemetry telemetry) {
  telemetry.metrics
      .histogram("millrace_wait_seconds", "A wait.", latency_bounds(), {{"table", table}})
      .observe(1);
}
'''
ARCHITECTURE = "| `flow` | the worker: all of it | base |\n"


class MetricsTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="millrace-metrics-"))
        self.addCleanup(shutil.rmtree, self.root)
        for folder in ("docs", "src/flow", "src/watch"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "docs/architecture.md").write_text(ARCHITECTURE)
        self.write(CODE)
        metric_list.write(self.root)
        self.change(lambda listed: listed["labels"].update(table="a table", how="a way"))
        metric_list.write(self.root)

    def write(self, code):
        (self.root / "src/flow/events.cpp").write_text(code)

    def change(self, change):
        path = self.root / metric_list.LIST
        listed = json.loads(path.read_text())
        change(listed)
        path.write_text(json.dumps(listed))

    def expect(self, *parts):
        found = metric_list.problems_of(self.root)
        self.assertTrue(any(all(part in problem for part in parts) for problem in found), f"{parts} is not in {found}")

    def test_the_code_tells_its_metrics(self):
        self.assertEqual(metric_list.problems_of(self.root), [])
        rows, wait = metric_list.read(self.root)["metrics"]
        self.assertEqual(rows, {"name": "millrace_rows_total", "type": "counter", "unit": "Count", "labels": ["table", "how"],
                                "help": "Rows, (all) of them.", "room": "flow"})
        self.assertEqual((wait["type"], wait["unit"], wait["labels"]), ("histogram", "Seconds", ["table"]))
        row = "| `millrace_wait_seconds` | histogram, Seconds | `table`: a table | A wait. |"
        self.assertIn(row, (self.root / metric_list.PAGE).read_text())

    def test_a_metric_that_is_not_listed(self):
        self.write(CODE + 'void more() { metrics.gauge("millrace_more", "More.").set(1); }\n')
        self.expect("src/flow/events.cpp:13", "millrace_more is not in")

    def test_a_metric_that_nothing_registers(self):
        self.write(CODE.replace("millrace_wait_seconds", "millrace_pause_seconds"))
        self.expect("millrace_wait_seconds is registered nowhere")

    def test_a_metric_that_changed(self):
        self.write(CODE.replace("A wait.", "Waiting."))
        self.expect("help of millrace_wait_seconds is 'A wait.', and 'Waiting.'")
        self.write(CODE.replace('latency_bounds(), {{"table"', 'latency_bounds(), {{"stream"'))
        self.expect("labels of millrace_wait_seconds")
        self.write(CODE.replace("counter(", "gauge("))
        self.expect("type of millrace_rows_total is 'counter', and 'gauge'")

    def test_a_metric_with_two_places(self):
        self.write(CODE + CODE)
        self.expect("millrace_rows_total is registered at src/flow/events.cpp:4 already")

    def test_a_metric_that_is_not_written_out(self):
        for how in ('metrics.counter(name, "More.")', 'metrics.counter("m", "More.", labels)', 'metrics->gauge("m", help)'):
            self.write(CODE + f"void more() {{ {how}.add(1); }}\n")
            self.expect("src/flow/events.cpp:13", "write name, help and labels")

    def test_labels_are_explained(self):
        self.change(lambda listed: listed["labels"].pop("how"))
        self.expect("what the label how of millrace_rows_total means")
        self.change(lambda listed: listed["labels"].update(how="a way", colour="none"))
        self.expect("no metric has the label colour")

    def test_the_page_is_that_of_the_list(self):
        (self.root / metric_list.PAGE).write_text("# Metrics\n")
        self.expect("docs/metrics.md: not what")


class TheProjectsOwn(unittest.TestCase):
    def test_the_list_is_what_the_code_registers(self):
        self.assertEqual(metric_list.problems_of(ROOT), [])
        self.assertGreater(len(metric_list.read()["metrics"]), 90)

    def test_alarms_on_aws_name_what_exists(self):
        listed = metric_list.read()
        known, labels = {metric["name"] for metric in listed["metrics"]}, set(listed["labels"])
        text = "".join(path.read_text() for path in sorted((ROOT / "src/deploy").glob("*.cpp")))
        named, grouped = set(re.findall(r'"(millrace_[a-z0-9_]+)"', text)), set(re.findall(r'own\(site, "(\w+)"', text))
        self.assertTrue(named and grouped)
        self.assertEqual((named - known, grouped - labels), (set(), set()))

    def test_documents_name_metrics_that_exist(self):
        known = {metric["name"]: set(metric["labels"]) for metric in metric_list.read()["metrics"]}
        found = set()
        for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]:
            # A name in code marks, with its labels perhaps: not millrace_spark, a module, nor tables of the warehouse.
            for name, inside in re.findall(r"`(millrace_[a-z0-9_]+)(?:\{([^}`]*)\})?`", path.read_text()):
                labels = [label.split("=")[0].strip() for label in inside.split(",") if label]
                if name not in ("millrace_spark", "millrace_loads", "millrace_room", "millrace_run"):
                    found.add((path.relative_to(ROOT).as_posix(), name, *labels))
        self.assertGreater(len(found), 100)
        self.assertEqual([one for one in sorted(found) if one[1] not in known or not set(one[2:]) <= known[one[1]]], [])


if __name__ == "__main__":
    unittest.main()
