#!/usr/bin/env python3
"""Judges our schedules by croniter: when does each of some random expressions fire next?

    BUILD=build/release python cron.py [--count 300] [--seed N]

`implement_cron_bug` is what crontab(5) says: a day field that starts with `*` is not restricted, `*/2` included.
Around clock changes croniter and crontab(5) differ, so those are left to the unit tests' tables: zones are used, but
the few times within a day of a change are not compared.
"""
import argparse
import datetime
import os
import pathlib
import random
import subprocess
import sys
import zoneinfo

from croniter import croniter

TIMES = 12
LATEST = 2114380800  # 2037: the zone files' own lists of changes end there
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo"]
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()


def field(rng, first, last, names=()):
    def number():
        value = rng.randint(first, last)
        return names[value - first] if names and rng.random() < 0.3 and value - first < len(names) else str(value)

    def item():
        kind = rng.random()
        if kind < 0.5:
            return number()
        low, high = sorted(rng.sample(range(first, last + 1), 2))
        step = f"/{rng.randint(1, max(1, (last - first) // 2))}" if rng.random() < 0.4 else ""
        return f"*{step}" if kind < 0.6 and step else f"{low}-{high}{step}"

    return ",".join(item() for _ in range(rng.choice([1, 1, 1, 2, 3])))


def names_every_day(text):
    """True if a list has all days of the week: croniter takes it for `*`, crontab(5) does not, which tells beside a day of the month."""
    return text != "*" and len(croniter(f"0 0 * * {text}").expanded[4]) == 7


def expression(rng):
    def any_or(text, chance):
        return "*" if rng.random() < chance else text

    day = any_or(field(rng, 1, 28), 0.6)
    month = any_or(field(rng, 1, 12, MONTHS), 0.7)
    week_day = any_or(field(rng, 0, 6, DAYS), 0.6)
    if names_every_day(week_day):
        week_day = "*"
    return " ".join([any_or(field(rng, 0, 59), 0.2), any_or(field(rng, 0, 23), 0.3), day, month, week_day])


def changes_near(zone, moment):
    """True if the clock of `zone` changes within a day of `moment`."""
    day = datetime.timedelta(days=1)
    return (moment - day).astimezone(zone).utcoffset() != (moment + day).astimezone(zone).utcoffset()


def theirs(text, zone, start):
    times = croniter(text, start.astimezone(zone), implement_cron_bug=True)
    return [int(times.get_next(float)) for _ in range(TIMES)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    program = pathlib.Path(os.environ.get("BUILD", "build/release"), "src/config/cron_times")
    first = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    asked = [(expression(rng), rng.choice(ZONES), first + datetime.timedelta(seconds=rng.randrange(4 * 365 * 86400)))
             for _ in range(options.count)]
    lines = "".join(f"{TIMES}\t{text}\t{zone}\t{start:%Y-%m-%dT%H:%M:%SZ}\n" for text, zone, start in asked)
    answer = subprocess.run([program], input=lines, capture_output=True, text=True, check=True, timeout=120)
    answers = answer.stdout.splitlines()
    wrong, compared = 0, 0
    for (text, zone_name, start), line in zip(asked, answers, strict=True):
        zone = zoneinfo.ZoneInfo(zone_name)
        if line.startswith("error"):
            print(f"'{text}': {line}")
            wrong += 1
            continue
        for ours, expected in zip(map(int, line.split()), theirs(text, zone, start), strict=True):
            if max(ours, expected) >= LATEST:
                break
            # After a change the two may be one time apart for good: compare up to there.
            if any(changes_near(zone, datetime.datetime.fromtimestamp(at, datetime.timezone.utc)) for at in (ours, expected)):
                break
            compared += 1
            if ours != expected:
                print(f"'{text}' in {zone_name} from {start}: ours {ours}, croniter's {expected}")
                wrong += 1
                break
    print(f"cron: {options.count} schedules, {compared} times compared with croniter, {wrong} wrong (seed {options.seed})")
    return 1 if wrong or compared < options.count else 0


if __name__ == "__main__":
    sys.exit(main())
