"""The tables of parity.yaml: records with what SQL is awkward about, and a pipeline file that has the cases as jobs."""

import datetime
import json
import pathlib
import random
import subprocess

import bench
import yaml
from harness.millrace import BINARY

CASES = pathlib.Path(__file__).with_suffix("").parent / "parity.yaml"
DAYS = {"autumn": ("2025-10-25", "2025-10-28"), "spring": ("2025-03-29", "2025-03-31")}
SOURCES = """\
pipeline: parity
timezone: Europe/Berlin
sources:
  events:
    from: log
    schema:
      id: bigint
      k: varchar
      g: varchar
      n: bigint
      b: bigint
      d: decimal(12,2)
      w: decimal(38,10)
      t: tinyint
      h: smallint
      f: float
      xt: varchar
      ok: boolean
      s: varchar
      ts: timestamptz
      on_day: date
      tags: varchar[]
      st: struct(a integer, b varchar)
      pts: struct(x double, y integer)[]
      j: json
    event_time: {column: ts, lateness: 10m}
  rates: {from: log, schema: {g: varchar, n: integer, since: timestamptz, rate: "decimal(10,4)", note: varchar}}
  people: {from: log, schema: {k: varchar, born: date, vip: boolean}}
tables:
  facts:
    from: events
    sql: |
      SELECT * EXCLUDE (xt), CAST(xt AS DOUBLE) AS x, CAST(ts AT TIME ZONE 'Europe/Berlin' AS DATE) AS day FROM events
    partition_by: [day]
  prices: {from: rates, sql: SELECT * FROM rates}
  members: {from: people, sql: SELECT * FROM people}
"""
KEYS = ["anna", "bob", "", "Zoë", "Zoe\u0308", "日本", "O'Neill", "c-7", None]
GROUPS = ["a", "b", "ç", None]
TEXTS = ["Zoë went", "", "a \"quoted\" word", "100%", "日本語のテキスト", "👩‍👩‍👧 family", "line\nbreak\ttab", "O'Neill", " x ", "straße", None]
DOUBLES = ["NaN", "-0.0", "0.0", "inf", "-inf", "0.1", "1e300", "-2.5", None]
JSONS = [{"a": 1, "b": [1, 2, None]}, {"a": "ü", "b": []}, [1, {"a": 2}], "text", 7.5, None, {"a": None}]


def times():
    """Moments of all days, many around the changes of the clock, one at each end of a day."""
    zone = datetime.timezone.utc
    for first, last in ((datetime.datetime(2025, 10, 24, 22, tzinfo=zone), 72 + 1), (datetime.datetime(2025, 3, 28, 23, tzinfo=zone), 71)):
        for hour in range(last):
            for minute, micros in ((0, 0), (30, 1), (59, 59_999_999)) if hour % 24 < 6 else ((17, 123_456),):
                yield first + datetime.timedelta(hours=hour, minutes=minute, microseconds=micros)


def events():
    pick = random.Random(7)
    for at, time in enumerate(times()):
        yield {
            "id": at,
            "k": pick.choice(KEYS),
            "g": pick.choice(GROUPS),
            "n": pick.choice([None, *range(-9, 60)]),
            "b": pick.choice([2**63 - 1, -(2**63), 0, 2**53 + 1, None]),
            "d": None if at % 13 == 5 else str(pick.randrange(-99999, 9999999) / 100),
            "w": pick.choice(["12345678901234567890123456.7890123456", "-0.0000000001", "0", None]),
            "t": pick.choice([-128, 127, 0, None]),
            "h": pick.choice([-32768, 32767, at, None]),
            "f": pick.choice([0.5, 1.5, 2.5, -0.1, None]),
            "xt": pick.choice(DOUBLES),
            "ok": pick.choice([True, False, None]),
            "s": pick.choice(TEXTS),
            "ts": time.isoformat(),
            "on_day": pick.choice(["1500-02-28", "2024-02-29", "9998-12-31", "1970-01-01", None]),
            "tags": pick.choice([None, [], ["x"], ["z", None, "a"], ["ü", "x", "x"]]),
            "st": pick.choice([None, {"a": 1, "b": "eins"}, {"a": None, "b": ""}, {"b": "nur b"}]),
            "pts": pick.choice([None, [], [{"x": 0.5, "y": 1}], [{"x": None, "y": 2}, None, {"x": -1.5, "y": 3}]]),
            "j": pick.choice(JSONS),
        }


def rates():
    for group in ("a", "b"):
        for day, rate, note in ((-400, "0.5000", "first"), (0, "1.2500", "summer"), (1, "1.3333", "winter"), (3, None, "later")):
            since = datetime.datetime(2025, 10, 25, 12, tzinfo=datetime.timezone.utc) + datetime.timedelta(days=day, hours=13 * (day == 0))
            yield {"g": group, "n": day, "since": since.isoformat(), "rate": rate, "note": note}


def people():
    for at, key in enumerate(["anna", "Zoë", "日本", "nobody", "", "c-7"]):
        yield {"k": key, "born": f"19{60 + at}-05-0{at + 1}", "vip": at % 2 == 0}


def cases():
    """name -> case, of those that run."""
    return yaml.safe_load(CASES.read_text())["cases"]


def refused():
    return yaml.safe_load(CASES.read_text())["refused"]


def job_text(name, case, with_key):
    """A job of the file; the SQL stands in a block, so that each of its places is one of the file."""
    each = case.get("each", "" if "key" in case else "day")
    lines = [f"  {name}:", *([f"    each: {each}"] if each else []), "    retry: {attempts: 1}"]
    if with_key and "key" in case:
        lines.append(f"    distribute_by: {case['key']}")
    return "\n".join([*lines, "    sql: |", *(f"      {line}" for line in case["sql"].splitlines())]) + "\n"


def pipeline_text(chosen, with_key):
    return SOURCES + "jobs:\n" + "".join(job_text(name, case, with_key) for name, case in chosen.items())


def make(path, chosen):
    """Two pipeline files and millrace's tables with all records in them: `data`, and `theirs` for millrace's own runs."""
    (path / "pipeline.yaml").write_text(pipeline_text(chosen, with_key=False))
    (path / "spark.yaml").write_text(pipeline_text(chosen, with_key=True))
    with bench.millrace(path, "pipeline.yaml") as program:
        for source, rows in (("events", events()), ("rates", rates()), ("people", people())):
            program.send(source, "".join(json.dumps(row) + "\n" for row in rows).encode())
        program.catch_up()
        program.stop()


def command(data, *words):
    """A command of millrace on a data folder: its exit code, output and errors."""
    done = subprocess.run([BINARY, *words, "--data", str(data)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr
