"""One value of a record into one cell, exactly: src/decode/cell.cpp and parse_value.cpp in Python. docs/decoding.md has the rules.

A value is None, True, False, a str, a `Number` (the characters of a JSON number), a list, or `Fields` (an object's pairs). What a cell
gets is what `arrow.py` builds columns from: units of a decimal, days of a date, microseconds of a moment.
"""

import datetime
import decimal
import re

from .column_type import INTEGER_BITS

SHOWN_BYTES_MAX = 60
EXPONENT_MAX = 1000
DAY_FIRST = -719162
MICROS_PER_DAY = 86_400_000_000
MOMENT_FIRST, MOMENT_LAST = DAY_FIRST * MICROS_PER_DAY, (2932896 + 1) * MICROS_PER_DAY - 1
NUMBER = re.compile(r"([-+]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]\+?(-?[0-9]+))?")
PLAIN_DECIMAL = re.compile(r"(-?)([0-9]{1,17})(?:\.([0-9]{1,17}))?")
FLOATING = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?([Zz]|[-+][0-9]{2}(?::?[0-9]{2})?)"
)
FLOAT_MAX, FLOAT_LEAST = 3.4028235677973366e38, 2.0**-150
EXACT = decimal.Context(prec=80)
TIME_MEND = '; a number could count seconds or milliseconds: send it as text, like "2026-11-20T12:00:00Z"'


class Number(str):
    """The characters of a JSON number."""

    __slots__ = ()


class Fields(list):
    """The pairs of a JSON object, in their order."""

    __slots__ = ()


class Misfit(Exception):
    def __init__(self, reason, detail):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def printable(data, bytes_max):
    """Bytes for a person: what is no text, or no printable one, as \\xNN."""
    out, at = [], 0
    while at < len(data) and at < bytes_max:
        length = utf8_length(data, at)
        byte = data[at]
        is_c1 = length == 2 and byte == 0xC2 and data[at + 1] < 0xA0
        if length == 0 or byte < 0x20 or byte == 0x7F or is_c1:
            out.append(f"\\x{byte:02x}")
            at += 1
        else:
            out.append(data[at : at + length].decode())
            at += length
    return "".join(out) + ("..." if at < len(data) else "")


def utf8_length(data, at):
    first = data[at]
    length = 1 if first < 0x80 else 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2
    try:
        data[at : at + length].decode()
    except UnicodeDecodeError:
        return 0
    return length if at + length <= len(data) else 0


def text_of(data):
    """As VARCHAR: UTF-8 as it is, anything else made printable."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return printable(data, len(data))


def misfit(reason, found, kind):
    shown = printable(found.encode(errors="surrogatepass"), SHOWN_BYTES_MAX)
    return Misfit(reason, f"{shown} is not {'within' if reason == 'out_of_range' else 'a'} {kind.sql}")


def decimal_units(text, precision, scale):
    """Units of 10^-scale; None: no number; False: it does not fit."""
    parts = PLAIN_DECIMAL.fullmatch(text)
    if parts:
        sign, whole, fraction = parts[1], parts[2], parts[3] or ""
        if len(fraction) <= scale:
            units = int(whole + fraction) * 10 ** (scale - len(fraction))
            return (-units if sign else units) if units < 10**precision else False
    parts = NUMBER.fullmatch(text)
    if not parts:
        return None
    digits, exponent = parts[2] + (parts[3] or ""), int(parts[4] or 0)
    if not -(2**31) <= exponent < 2**31:
        exponent = EXPONENT_MAX + 1 if exponent > 0 else -EXPONENT_MAX - 1
    point = len(parts[2]) + scale + max(-2 * EXPONENT_MAX, min(exponent, 2 * EXPONENT_MAX))
    kept, dropped = digits[: max(point, 0)], digits[max(point, 0) :]
    if dropped.strip("0"):
        return False  # finer than the scale
    units = int(kept or "0")
    if units:
        if len(kept.lstrip("0")) + max(point - len(digits), 0) > precision:
            return False
        units *= 10 ** max(point - len(digits), 0)
    return -units if parts[1] == "-" else units


def days_of(text):
    """Days since 1970; None: no date."""
    parts = DATE.fullmatch(text)
    return _days(int(parts[1]), int(parts[2]), int(parts[3])) if parts else None


def _days(year, month, day):
    try:
        if year:
            return datetime.date(year, month, day).toordinal() - 719163
        return datetime.date(4, month, day).toordinal() - 719163 - 1461  # year 0 is a leap year as well
    except ValueError:
        return None


def micros_of(text, has_zone):
    """Microseconds since 1970; None: no moment, or one with a zone where none may be."""
    if len(text.encode(errors="surrogatepass")) > 64:
        return None
    parts = MOMENT.fullmatch(text if has_zone else text + "Z")
    if not parts:
        return None
    days, (hour, minute, second) = _days(int(parts[1]), int(parts[2]), int(parts[3])), map(int, parts.group(4, 5, 6))
    if days is None or hour > 23 or minute > 59 or second > 59:
        return None
    zone, offset = parts[8], 0
    if zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
        if hours > 18 or minutes > 59:
            return None
        offset = (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)
    fraction = int((parts[7] or "")[:6].ljust(6, "0"))
    return days * MICROS_PER_DAY + (((hour * 60 + minute - offset) * 60) + second) * 1_000_000 + fraction


def cell_of(kind, is_nested=False):
    """The function that turns a value, not None, into a cell of this type. It raises a Misfit."""
    makers = {"varchar": varchar, "boolean": boolean, "decimal": decimals, "float": floating, "double": floating, "date": date}
    if kind.kind in INTEGER_BITS:
        return integer(kind)
    if kind.kind in ("timestamptz", "timestamp"):
        return moment(kind)
    if kind.kind in ("decimal", "float"):
        return makers[kind.kind](kind, is_nested)
    if kind.kind in ("struct", "list"):
        return nested(kind)
    return makers[kind.kind](kind)


def shape(value):
    """How a value that is out of place is shown."""
    if value is True or value is False:
        return "true" if value else "false"
    return "an object" if isinstance(value, Fields) else "an array" if isinstance(value, list) else value


def varchar(kind):
    def read(value):
        if isinstance(value, str):
            return str(value) if type(value) is Number else value
        if isinstance(value, bool):
            return shape(value)
        raise misfit("wrong_type", shape(value), kind)

    return read


def boolean(kind):
    def read(value):
        if isinstance(value, bool):
            return value
        if type(value) is str and value in ("true", "false"):
            return value == "true"
        raise misfit("wrong_type", shape(value), kind)

    return read


def integer(kind):
    bits = INTEGER_BITS[kind.kind] - 1
    least, most = -(2**bits), 2**bits - 1

    def read(value):
        if not isinstance(value, str):
            raise misfit("wrong_type", shape(value), kind)
        units = decimal_units(value, 19, 0)
        if units is None:
            raise misfit("wrong_type", value, kind)
        if units is False or not least <= units <= most:
            raise misfit("out_of_range", value, kind)
        return units

    return read


def decimals(kind, is_nested):
    precision, scale = kind.precision, kind.scale

    def read(value):
        units = decimal_units(value, precision, scale) if isinstance(value, str) else None
        if units is None:
            raise misfit("wrong_type", shape(value), kind)
        if units is False:
            raise misfit("out_of_range", value, kind)
        return decimal.Decimal(units).scaleb(-scale, EXACT) if is_nested else units

    return read


def floating(kind, is_nested=False):
    is_float = kind.kind == "float"

    def read(value):
        if not isinstance(value, str) or not NUMBER.fullmatch(value):
            raise misfit("wrong_type", shape(value), kind)
        token = FLOATING.match(value.lstrip("+"))[0]
        number = float(token)
        magnitude = abs(number)
        is_zero = not token.split("e")[0].split("E")[0].strip("-0.")
        too_small = not is_zero and (magnitude <= FLOAT_LEAST if is_float else number == 0)
        if too_small or magnitude == float("inf") or (is_float and magnitude >= FLOAT_MAX):
            raise misfit("out_of_range", value, kind)
        if not is_float:
            return number
        return nearest_float(token) if is_nested else token

    return read


def nearest_float(token):
    import pyarrow as pa

    return pa.array([token]).cast(pa.float32())[0].as_py()


def date(kind):
    def read(value):
        if type(value) is Number:
            raise with_mend(misfit("wrong_type", value, kind))
        days = days_of(value) if type(value) is str else None
        if days is None:
            raise misfit("wrong_type", shape(value), kind)
        if days < DAY_FIRST:
            raise misfit("out_of_range", value, kind)
        return days

    return read


def moment(kind):
    has_zone = kind.kind == "timestamptz"

    def read(value):
        if type(value) is Number:
            raise with_mend(misfit("wrong_type", value, kind))
        micros = micros_of(value, has_zone) if type(value) is str else None
        if micros is None:
            raise misfit("wrong_type", shape(value), kind)
        if not MOMENT_FIRST <= micros <= MOMENT_LAST:
            raise misfit("out_of_range", value, kind)
        return micros

    return read


def with_mend(error):
    return Misfit(error.reason, error.detail + TIME_MEND)


def nested(kind):
    """Of values that were parsed whole. Those that are not fine are read anew, by `json_record`."""
    inner = [cell_of(one, True) if one.kind != "json" else None for _, one in kind.fields]
    names = [field for field, _ in kind.fields]

    def read(value):
        if kind.kind == "list":
            if not isinstance(value, list) or isinstance(value, Fields):
                raise misfit("wrong_type", shape(value), kind)
            return [None if one is None else inner[0](one) for one in value]
        if not isinstance(value, Fields):
            raise misfit("wrong_type", shape(value), kind)
        found = dict(value)
        if len(found) != len(value):
            raise Misfit("duplicate_field", "a field occurs twice")
        return {
            field: None if found.get(field) is None else read_inner(found[field]) for field, read_inner in zip(names, inner)
        }

    return read
