"""What a query of Prometheus names: metrics, the labels that it selects by, and those that it groups by.

It reads names only; whether a query is well formed is for promtool to say.
"""
import re

GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
SELECTOR = re.compile(r"([A-Za-z_:][\w:]*)\s*(\{[^}]*\})?")
WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right", "inf", "nan"}
# What a scrape adds to every series.
SCRAPED = {"job", "instance"}
OTHERS = {"up": set(), "ALERTS": {"alertname", "severity", "alertstate"}}
PARTS = {"histogram": {"_bucket": {"le"}, "_sum": set(), "_count": set()}, "counter": {"": set()}, "gauge": {"": set()}}


def series(listed):
    """The labels of each series by its name, as they are in Prometheus: of a histogram three."""
    found = {name: labels | SCRAPED for name, labels in OTHERS.items()}
    for metric in listed["metrics"]:
        for part, more in PARTS[metric["type"]].items():
            found[metric["name"] + part] = set(metric["labels"]) | more | SCRAPED
    return found


def names_in(query):
    """(metric, labels selected by) for each selector, and the set of all labels grouped by."""
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', query)
    grouped = {label.strip() for _, labels in GROUPING.findall(text) for label in labels.split(",") if label.strip()}
    text = GROUPING.sub(" ", text)
    text = re.sub(r"\[[^\]]*\]", " ", text)
    selectors = []
    for found in SELECTOR.finditer(re.sub(r"(?<![\w:])\d[\w.]*", " ", text)):
        name, braces = found[1], found[2] or ""
        if name.lower() in WORDS or found.string[found.end():].lstrip().startswith("("):
            continue
        selectors.append((name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", braces))))
    return selectors, grouped


def problems_of(query, known, told=""):
    """What a query, and the labels that `told` (a legend, an annotation) shows of its result, name that no series has."""
    selectors, grouped = names_in(query)
    if not selectors:
        return [f"names no metric: {query}"]
    problems, all_labels = [], set()
    for name, labels in selectors:
        if name not in known:
            problems.append(f"there is no metric {name}: {query}")
            continue
        all_labels |= known[name]
        problems += [f"{name} has no label {label}: {query}" for label in sorted(labels - known[name])]
    problems += [f"nothing that is asked for has the label {label}: {query}" for label in sorted(grouped - all_labels)]
    shown = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", told)) - {"value"}
    return problems + [f"{label} is told of, and is no label of the result: {query}" for label in sorted(shown - (grouped or all_labels))]
