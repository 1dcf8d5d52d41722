"""Days and hours of a zone, as runs of jobs have them."""

import datetime
import re
import zoneinfo

from .errors import Refused

UTC = datetime.timezone.utc
HOUR = datetime.timedelta(hours=1)
RANGE_MAX = 100_000


def format_time(time):
    """`2026-11-20T01:00:00.000000Z`"""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Zone:
    """A time zone by its IANA name."""

    def __init__(self, name):
        self.name = name
        try:
            self.info = zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise Refused(f"'{name}' is no time zone, like Europe/Berlin") from None
        # Where the zone's hours begin, after those of UTC: one choice for all times.
        offset = datetime.datetime(2020, 1, 1, tzinfo=UTC).astimezone(self.info).utcoffset()
        self.hour_shift = offset % HOUR

    def moment(self, wall):
        """The moment of a clock's reading: the first of two, and the change where there is none."""
        return wall.replace(tzinfo=self.info, fold=0).astimezone(UTC)

    def day_start(self, day):
        return self.moment(datetime.datetime(day.year, day.month, day.day))


class Partition:
    """One run's share: a day, an hour, or everything."""

    def __init__(self, each, start=None, end=None, day=None):
        self.each, self.start, self.end, self.day = each, start, end, day

    @property
    def value(self):
        """As in the table's log."""
        if self.each == "day":
            return self.day.isoformat()
        return format_time(self.start) if self.each == "hour" else ""

    @property
    def label(self):
        """As in the history of runs."""
        if not self.each:
            return "all"
        return self.value if self.each == "day" else format_time(self.start)[:16] + "Z"

    @property
    def literal(self):
        return f"{'DATE' if self.each == 'day' else 'TIMESTAMPTZ'} '{self.value}'"

    def __eq__(self, other):
        return (self.each, self.value) == (other.each, other.value)

    def __hash__(self):
        return hash((self.each, self.value))

    def __repr__(self):
        return self.label


def of_day(day, zone):
    return Partition("day", zone.day_start(day), zone.day_start(day + datetime.timedelta(days=1)), day)


def at(each, time, zone):
    """The partition that a moment lies in."""
    if each == "day":
        return of_day(time.astimezone(zone.info).date(), zone)
    since = (time - datetime.datetime(1970, 1, 1, tzinfo=UTC) + zone.hour_shift) // HOUR
    start = datetime.datetime(1970, 1, 1, tzinfo=UTC) + since * HOUR - zone.hour_shift
    return Partition("hour", start, start + HOUR, start.astimezone(zone.info).date())


def parse_day(text):
    try:
        day = datetime.date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None
    return day if day and 1 < day.year < 9999 else None  # both ends are moments in every zone


def parse(each, text, zone):
    """What a user writes: `2026-11-20`, `2026-11-20T02` by the clock, `2026-11-20T01:00Z`."""
    if each == "day":
        day = parse_day(text)
        if day is None:
            raise Refused(f"'{text}' is not a day like 2026-11-20")
        return of_day(day, zone)
    wrong = Refused(f"'{text}' is not the start of an hour like 2026-11-20T02 (in the pipeline's time zone) or 2026-11-20T01:00Z")
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ](\d\d)(?::(\d\d))?(?::\d\d(?:\.0+)?)?(Z|[+-]\d\d:\d\d)?", text)
    if not match:
        raise wrong
    try:
        wall = datetime.datetime.fromisoformat(f"{match[1]}T{match[2]}:{match[3] or '00'}:00")
        zoned = match[4] and datetime.datetime.fromisoformat(f"{wall.isoformat()}{match[4].replace('Z', '+00:00')}").astimezone(UTC)
    except ValueError:
        raise wrong from None
    time = zoned or zone.moment(wall)
    partition = at("hour", time, zone)
    if partition.start != time:
        raise wrong
    return partition


def from_value(each, value, zone):
    """From the log of a table; None if it is no such value."""
    try:
        return parse(each, value, zone)
    except Refused:
        return None


def parse_range(each, first, last, zone):
    """All partitions from one to another, both in it; days may stand for their hours."""

    def bounds(text):
        day = parse_day(text)
        whole = of_day(day, zone) if day else parse(each, text, zone)
        return whole.start, whole.end

    start, end = bounds(first)[0], bounds(last)[1]
    if end <= start:
        raise Refused(f"'{first}' is after '{last}'; swap them")
    found = []
    while start < end:
        found.append(at(each, start, zone))
        start = found[-1].end
        if len(found) > RANGE_MAX:
            raise Refused(f"from '{first}' to '{last}' are more than {RANGE_MAX} partitions; ask for fewer at once")
    return found
