#!/usr/bin/env python3
"""Shows that the dashboard and the alert rules name metrics and labels that exist, and that what reads their queries sees what they name.

Whether the queries work is judged by Prometheus itself: tests/judges/prometheus.py.
"""
import json
import re
import unittest

import dashboard
import metric_list
import promql

RULES = metric_list.ROOT / "deploy/prometheus/rules.yml"
RULES_TEST = metric_list.ROOT / "deploy/prometheus/rules_test.yml"
LISTED = {"metrics": [{"name": "m_total", "type": "counter", "labels": ["table", "reason"]},
                      {"name": "w_seconds", "type": "histogram", "labels": ["table"]}]}


def rules():
    """(name, expression, annotations), read by their indentation, so that the test needs no library."""
    for block in re.split(r"^      - alert: ", RULES.read_text(), flags=re.M)[1:]:
        expression = re.search(r"^        expr: (?:>-\n)?(.*?)\n        (?:for|labels):", block, re.S | re.M)[1]
        yield block.split("\n")[0], expression, block[block.index("annotations:"):]


class PromqlTest(unittest.TestCase):
    known = promql.series(LISTED)

    def problems(self, query, told=""):
        return [problem.split(":")[0] for problem in promql.problems_of(query, self.known, told)]

    def test_what_a_query_names_is_seen(self):
        query = 'sum by (table) (rate(m_total{reason!="a{b}", table=~"x"}[5m])) / 2e3 or w_seconds_sum offset 1h > bool 0'
        self.assertEqual(promql.names_in(query), ([("m_total", {"reason", "table"}), ("w_seconds_sum", set())], {"table"}))
        self.assertEqual(self.problems(query, "{{table}}"), [])
        query = "histogram_quantile(0.9, sum by (le, table) (rate(w_seconds_bucket[5m])))"
        self.assertEqual(self.problems(query, "{{ $labels.table }}"), [])

    def test_what_does_not_exist_is_told(self):
        self.assertEqual(self.problems("rate(n_total[5m])"), ["there is no metric n_total"])
        self.assertEqual(self.problems("w_seconds > 1"), ["there is no metric w_seconds"])
        self.assertEqual(self.problems('m_total{stream="a"}'), ["m_total has no label stream"])
        self.assertEqual(self.problems("sum by (stream) (m_total)"), ["nothing that is asked for has the label stream"])
        self.assertEqual(self.problems("sum by (table) (m_total)", "{{reason}}"), ["reason is told of, and is no label of the result"])
        self.assertEqual(self.problems("vector(1)"), ["names no metric"])


class WatchingTest(unittest.TestCase):
    known = promql.series(metric_list.read())

    def test_the_dashboard_names_what_exists(self):
        queries = dashboard.queries()
        self.assertGreater(len(queries), 50)
        self.assertEqual([problem for _, query, legend in queries for problem in promql.problems_of(query, self.known, legend)], [])

    def test_the_dashboard_is_the_one_that_is_made(self):
        self.assertEqual(dashboard.PAGE.read_text(), dashboard.text(), "run tools/dashboard.py --write")
        made = json.loads(dashboard.text())
        written = [target["expr"] for panel in made["panels"] for target in panel.get("targets", [])]
        self.assertEqual(written, [query for _, query, _ in dashboard.queries()])
        self.assertEqual(len({panel["id"] for panel in made["panels"]}), len(made["panels"]))

    def test_panels_do_not_lie_on_each_other(self):
        cells = [(x, y) for panel in dashboard.dashboard()["panels"] for place in [panel["gridPos"]]
                 for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])]
        self.assertEqual(len(cells), len(set(cells)))
        self.assertLess(max(x for x, _ in cells), dashboard.WIDTH)

    def test_the_rules_name_what_exists_and_say_what_to_do(self):
        found = list(rules())
        self.assertGreater(len(found), 20)
        self.assertEqual([problem for _, query, told in found for problem in promql.problems_of(query, self.known, told)], [])
        for name, _, told in found:
            self.assertRegex(told, r"summary: .+\n\s+mend: .+", name)

    def test_each_rule_has_a_test(self):
        tested = set(re.findall(r'alertname(?:: |=")(\w+)', RULES_TEST.read_text()))
        self.assertEqual({name for name, _, _ in rules()}, tested)


if __name__ == "__main__":
    unittest.main()
