"""The pipeline file, as far as it is needed here. `millrace validate FILE` checks all of it."""

import dataclasses
import pathlib
import re

from . import yaml_file
from .errors import Problems, Refused
from .partition import Zone

TOP = (
    "pipeline",
    "timezone",
    "lake",
    "sources",
    "lookups",
    "tables",
    "jobs",
    "reports",
    "alerts",
    "metrics",
    "maintenance",
    "tests",
    "warehouses",
    "engines",
)
JOB = ("at", "each", "sql", "reads", "reconcile", "retry", "load", "expect", "keep", "distribute_by", "engine")
TABLE = ("from", "lookups", "unique", "expect", "sql", "partition_by", "commit", "keep")
CHECKS = ("no_rows", "rows", "unique", "references", "fresh", "drift")
DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(value):
    text = value.text()
    parts = DURATION.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise value.refuse(f"'{text}' is no duration like 10s, 5m or 1h30m")
    return sum(int(number) * SECONDS[unit] for number, unit in parts)


def whole(value):
    if not re.fullmatch(r"\d+", value.text()):
        raise value.refuse(f"'{value.text()}' is no whole number")
    return int(value.text())


@dataclasses.dataclass
class Check:
    """What must hold for a job's result."""

    name: str
    kind: str
    place: str
    is_warning: bool = False
    sql: object = None
    columns: tuple = ()
    table: str = ""
    key: str = ""
    least: int = 0
    most: object = None
    within: float = 0
    runs: int = 7


@dataclasses.dataclass
class Job:
    name: str
    place: str
    sql: object
    each: str = ""
    reads: list = dataclasses.field(default_factory=list)
    reconcile: list = dataclasses.field(default_factory=list)
    checks: list = dataclasses.field(default_factory=list)
    distribute_by: str = ""
    distribute_place: str = ""
    has_load: bool = False
    attempts: int = 3
    wait: float = 10


@dataclasses.dataclass
class Expectation:
    name: str
    check: object
    otherwise: str


@dataclasses.dataclass
class Table:
    name: str
    place: str
    source: str
    sql: object
    lookups: dict
    expectations: list
    partition_by: list
    unique: object = None
    commit_seconds: float = 60


@dataclasses.dataclass
class Pipeline:
    file: pathlib.Path
    name: str
    timezone: str
    lake: str
    sources: dict
    lookups: dict
    tables: dict
    jobs: dict
    alerts: dict

    def __post_init__(self):
        self.zone = Zone(self.timezone)

    def root_source(self, table):
        while table.source in self.tables:
            table = self.tables[table.source]
        return self.sources[table.source]


def read_check(name, value):
    entries = value.keys_among((*CHECKS, "otherwise"), "check of a result")
    kinds = [kind for kind in CHECKS if kind in entries]
    if len(kinds) != 1:
        raise value.refuse(f"expect {name}: one of {', '.join(CHECKS)} is expected")
    check = Check(name, kinds[0], value.key_place, "otherwise" in entries and entries["otherwise"].text() == "warn")
    inner = entries[check.kind]
    if check.kind == "no_rows":
        check.sql = inner.sql()
    elif check.kind == "unique":
        check.columns = tuple(inner.texts())
    elif check.kind == "rows":
        bounds = inner.entries()
        check.least = whole(bounds["min"]) if "min" in bounds else 0
        check.most = whole(bounds["max"]) if "max" in bounds else None
    elif check.kind == "references":
        parts = {key: part.text() for key, part in inner.entries().items()}
        check.columns, check.table, check.key = (parts["column"],), parts["table"], parts["key"]
    elif check.kind == "fresh":
        parts = inner.entries()
        check.columns, check.within = (parts["column"].text(),), seconds(parts["within"])
    else:
        parts = inner.entries()
        check.sql, check.runs = parts["of"].sql(), whole(parts["runs"]) if "runs" in parts else 7
        check.within = float(parts["within"].text().rstrip("% ")) / 100
    return check


def read_job(name, value):
    entries = value.keys_among(JOB, "job")
    if "sql" not in entries:
        raise value.refuse(f"the job '{name}' has no `sql`")
    job = Job(name, value.place, entries["sql"].sql(), has_load="load" in entries)
    if "each" in entries:
        job.each = entries["each"].text()
        if job.each not in ("day", "hour"):
            raise entries["each"].refuse(f"'{job.each}' is not day or hour")
    if "distribute_by" in entries:
        job.distribute_by, job.distribute_place = entries["distribute_by"].text(), entries["distribute_by"].place
    job.reads = entries["reads"].texts() if "reads" in entries else []
    for pair in entries["reconcile"].items() if "reconcile" in entries else []:
        sides = pair.items()
        if len(sides) != 2:
            raise pair.refuse("reconcile: a pair of SELECTs is expected")
        job.reconcile.append((sides[0].sql(), sides[1].sql()))
    if "expect" in entries:
        job.checks = [read_check(key, check) for key, check in entries["expect"].entries().items()]
    if "retry" in entries:
        retry = entries["retry"].entries()
        job.attempts = whole(retry["attempts"]) if "attempts" in retry else 3
        job.wait = seconds(retry["wait"]) if "wait" in retry else 10
    return job


def read_table(name, value):
    entries = value.keys_among(TABLE, "table")
    for key in ("from", "sql"):
        if key not in entries:
            raise value.refuse(f"the table '{name}' has no `{key}`")
    expectations = []
    for key, one in (entries["expect"].entries() if "expect" in entries else {}).items():
        parts = one.keys_among(("check", "otherwise"), "expectation")
        otherwise = parts["otherwise"].text() if "otherwise" in parts else "reject"
        if otherwise not in ("reject", "warn", "halt"):
            raise parts["otherwise"].refuse(f"'{otherwise}' is not reject, warn or halt")
        expectations.append(Expectation(key, parts["check"].sql(), otherwise))
    commit = entries["commit"].entries() if "commit" in entries else {}
    lookups = {key: column.text() for key, column in entries["lookups"].entries().items()} if "lookups" in entries else {}
    return Table(
        name,
        value.place,
        entries["from"].text(),
        entries["sql"].sql(),
        lookups,
        expectations,
        entries["partition_by"].texts() if "partition_by" in entries else [],
        entries.get("unique"),
        seconds(commit["every"]) if "every" in commit else 60,
    )


def named(entries, key, read, errors):
    """name -> what `read` makes of it; what is wrong goes into `errors`."""
    found = {}
    for name, value in (entries[key].entries() if key in entries else {}).items():
        try:
            found[name] = read(name, value)
        except Refused as error:
            errors.append(error)
    return found


def read(path):
    """Errors: Problems, all of the file; Refused, if nothing can be read."""
    root = yaml_file.read(path)
    entries = root.keys_among(TOP, "pipeline file")
    if "pipeline" not in entries:
        raise root.refuse("`pipeline:` is missing, the pipeline's name")
    errors = []
    made = dict(
        sources=named(entries, "sources", lambda _, value: value, errors),
        lookups=named(entries, "lookups", lambda _, value: value, errors),
        tables=named(entries, "tables", read_table, errors),
        jobs=named(entries, "jobs", read_job, errors),
        alerts=named(entries, "alerts", lambda _, value: value, errors),
    )
    if errors:
        raise Problems(errors)
    zone = entries["timezone"].text() if "timezone" in entries else "UTC"
    try:
        return Pipeline(
            pathlib.Path(path).resolve(),
            entries["pipeline"].text(),
            zone,
            entries["lake"].text().rstrip("/") if "lake" in entries else "",
            **made,
        )
    except Refused as error:
        raise entries["timezone"].refuse(error.message) from None
