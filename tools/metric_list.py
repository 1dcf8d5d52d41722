#!/usr/bin/env python3
"""The one list of metrics, src/watch/metrics.json, against the code that registers them, and the page made of it, docs/metrics.md.

    metric_list.py            prints what differs; exit code 1 if anything does
    metric_list.py --write    writes the list's facts from the code, and the page; says what is still to be explained by hand

The list is what Prometheus, CloudWatch, the dashboard, the alert rules and the documents go by. Of each metric the code tells name, type,
help and labels where it registers it: once, with all of them written out there. The list adds the unit and what labels mean.
"""
import argparse
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = "src/watch/metrics.json"
PAGE = "docs/metrics.md"
LABELS_AT = {"counter": 2, "gauge": 2, "histogram": 3}
OPENING, CLOSING = "([{", ")]}"
FACTS = ("name", "type", "unit", "labels", "help", "room")


def unit_of(name, kind):
    """As CloudWatch calls it: the rule of watch/metric_data.hpp, which judges/cloudwatch.py holds against what is sent."""
    stem = name.removesuffix("_total")
    if stem.endswith("_seconds"):
        return "Seconds"
    if stem.endswith("_bytes"):
        return "Bytes"
    return "Count" if kind == "counter" else "None"


def without_comments(text):
    return re.sub(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?\*/', lambda found: found[1] or " ", text, flags=re.S)


def arguments_at(text, start):
    """The arguments of the call whose parenthesis ends before `start`, as written."""
    found, depth, begin, at = [], 0, start, start
    while at < len(text):
        if text[at] == '"':
            at = re.compile(r'"(?:\\.|[^"\\])*"').match(text, at).end()
            continue
        if text[at] in OPENING:
            depth += 1
        elif text[at] in CLOSING:
            if depth == 0:
                return [*found, text[begin:at].strip()]
            depth -= 1
        elif text[at] == "," and depth == 0:
            found.append(text[begin:at].strip())
            begin = at + 1
        at += 1
    raise ValueError("a call without an end")


def literal(argument):
    """The text of one literal, or of several that stand side by side; None if it is something else."""
    parts = re.findall(r'"((?:\\.|[^"\\])*)"', argument)
    return "".join(parts) if parts and not re.sub(r'"(?:\\.|[^"\\])*"', "", argument).strip() else None


def label_names(argument):
    """Of `{{"table", table}, {"stage", name}}`; None if it is something else."""
    if argument in ("", "{}"):
        return []
    if not argument.startswith("{"):
        return None
    pairs = [arguments_at(pair, 1) for pair in arguments_at(argument, 1)]
    names = [literal(pair[0]) if len(pair) == 2 else None for pair in pairs]
    return None if None in names else names


def sources(root):
    for path in sorted((root / "src").rglob("*.[ch]pp")):
        is_test = path.stem.endswith("_test") or path.stem.startswith(("test_", "fake_"))
        if not is_test and path.relative_to(root).as_posix() not in ("src/base/metrics.cpp", "src/base/metrics.hpp"):
            yield path


def registered(root):
    """What the code registers, by name, and what is wrong with how it does."""
    found, problems = {}, []
    for path in sources(root):
        text = without_comments(path.read_text())
        for call in re.finditer(r"(?:\.|->)\s*(counter|gauge|histogram)\s*\(", text):
            place = f"{path.relative_to(root)}:{text[:call.start()].count(chr(10)) + 1}"
            arguments = arguments_at(text, call.end())
            name, told = literal(arguments[0]), literal(arguments[1]) if len(arguments) > 1 else None
            labels = label_names(arguments[LABELS_AT[call[1]]] if len(arguments) > LABELS_AT[call[1]] else "")
            if name is None or told is None or labels is None:
                problems.append(f"{place}: write name, help and labels of a metric out where it is registered")
                continue
            if name in found:
                problems.append(f"{place}: {name} is registered at {found[name]['place']} already: a metric has one place")
                continue
            found[name] = {"name": name, "type": call[1], "unit": unit_of(name, call[1]), "labels": labels, "help": told,
                           "room": path.relative_to(root).parts[1], "place": place}
    return found, problems


def read(root=ROOT):
    """The list: {"labels": {name: meaning}, "metrics": [{name, type, unit, labels, help, room, values}, …]}."""
    return json.loads((root / LIST).read_text())


def meaning(listed, metric, label):
    return metric.get("values", {}).get(label) or listed["labels"].get(label, "")


def problems_of(root):
    found, problems = registered(root)
    listed = read(root)
    by_name = {metric["name"]: metric for metric in listed["metrics"]}
    problems += [f"{place['place']}: {name} is not in {LIST}" for name, place in found.items() if name not in by_name]
    problems += [f"{LIST}: {name} is registered nowhere" for name in by_name if name not in found]
    if [metric["name"] for metric in listed["metrics"]] != sorted(by_name):
        problems.append(f"{LIST}: not sorted by name, or a name is there twice")
    for name in sorted(set(found) & set(by_name)):
        for fact in FACTS:
            if found[name][fact] != by_name[name].get(fact):
                problems.append(f"{LIST}: {fact} of {name} is {by_name[name].get(fact)!r}, and {found[name][fact]!r} in the code")
        problems += [f"{LIST}: what the label {label} of {name} means is not told"
                     for label in by_name[name]["labels"] if not meaning(listed, by_name[name], label)]
        problems += [f"{LIST}: {name} has no label {label}"
                     for label in by_name[name].get("values", {}) if label not in by_name[name]["labels"]]
    used = {label for metric in listed["metrics"] for label in metric["labels"]}
    problems += [f"{LIST}: no metric has the label {label}" for label in listed["labels"] if label not in used]
    if not (root / PAGE).exists() or (root / PAGE).read_text() != page(listed, root):
        problems.append(f"{PAGE}: not what {LIST} says: run tools/metric_list.py --write")
    return problems


def purposes(root):
    """What each room is for, in the order of docs/architecture.md."""
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", (root / "docs/architecture.md").read_text(), re.M))


PREFACE = """# Metrics

All that a running instance counts and measures. This page is made of the one list, [metrics.json](../src/watch/metrics.json), which tests
hold against the code and against what a running instance shows; the [dashboard and alert rules](how_to/watch_with_prometheus.md) name
nothing else.

- **Prometheus** reads them at `GET /metrics`, in the text format. A histogram is there as `…_bucket`, `…_sum` and `…_count`.
- **CloudWatch** gets them [when the pipeline file says so](aws.md#metrics-in-cloudwatch), by the same names, in the unit that is told here.

A series with labels is there from the first time that something happened to it, so a counter may begin at 1: ask for growth and for what
is new. Everything counts from the start of the process.
"""


def page(listed, root):
    lines = [PREFACE]
    for room, purpose in purposes(root).items():
        metrics = [metric for metric in listed["metrics"] if metric["room"] == room]
        if not metrics:
            continue
        lines += [f"## `{room}`: {purpose.strip()}", "", "| metric | type, unit | labels | |", "|---|---|---|---|"]
        for metric in metrics:
            labels = "<br>".join(f"`{label}`: {meaning(listed, metric, label)}" for label in metric["labels"])
            unit = "" if metric["unit"] == "None" else f", {metric['unit']}"
            lines.append(f"| `{metric['name']}` | {metric['type']}{unit} | {labels} | {metric['help']} |".replace("|  |", "| |"))
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def write(root):
    found, _ = registered(root)
    listed = read(root) if (root / LIST).exists() else {"labels": {}, "metrics": []}
    values = {metric["name"]: metric["values"] for metric in listed["metrics"] if "values" in metric}
    listed["metrics"] = [{fact: found[name][fact] for fact in FACTS} | ({"values": values[name]} if name in values else {})
                         for name in sorted(found)]
    lines = [json.dumps(metric, ensure_ascii=False) for metric in listed["metrics"]]
    labels = json.dumps(listed["labels"], ensure_ascii=False, indent=1)
    (root / LIST).write_text('{"labels": %s,\n "metrics": [\n%s\n]}\n' % (labels, ",\n".join(lines)))
    (root / PAGE).write_text(page(listed, root))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        write(ROOT)
    problems = problems_of(ROOT)
    print("\n".join(problems) or f"{len(read()['metrics'])} metrics")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
