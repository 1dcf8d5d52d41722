"""The types of a source's schema: `varchar`, `decimal(12,2)`, `struct(a integer, b varchar[])`, …"""

import re

from .errors import did_you_mean
from .sql_text import name

PLAIN = {
    "varchar": "VARCHAR",
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "timestamp": "TIMESTAMP",
    "json": "JSON",
}
TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*|\"(?:[^\"]|\"\")*\"|\d+|[(),\[\]])")
INTEGER_BITS = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}


class ColumnType:
    def __init__(self, kind, precision=0, scale=0, fields=()):
        self.kind, self.precision, self.scale, self.fields = kind, precision, scale, tuple(fields)

    @property
    def sql(self):
        if self.kind == "decimal":
            return f"DECIMAL({self.precision},{self.scale})"
        if self.kind == "list":
            return self.fields[0][1].sql + "[]"
        if self.kind == "struct":
            return "STRUCT(" + ", ".join(f"{name(field)} {inner.sql}" for field, inner in self.fields) + ")"
        return PLAIN[self.kind]


class Parser:
    def __init__(self, value):
        self.value, self.text, self.tokens, at = value, value.text(), [], 0
        rest = self.text.rstrip()
        while at < len(rest):
            match = TOKEN.match(rest, at)
            if not match:
                raise self.failure(f"unexpected '{rest[at:].strip()}'")
            self.tokens.append(match[1])
            at = match.end()
        self.tokens.append("")

    def failure(self, what):
        return self.value.refuse(f"'{self.text}' is not a type: {what}")

    def take(self, wanted=None):
        if wanted is None or self.tokens[0] == wanted:
            return self.tokens.pop(0)
        return None

    def must(self, wanted):
        if self.take(wanted) is None:
            raise self.failure(f"'{wanted}' is missing")

    def whole(self):
        read = self.read()
        if self.tokens[0]:
            raise self.failure(f"unexpected '{self.tokens[0]}'")
        return read

    def read(self):
        word = self.take().lower()
        if word in PLAIN:
            made = ColumnType("integer" if word == "int" else word)
        elif word == "decimal":
            self.must("(")
            precision = self.number()
            self.must(",")
            made = ColumnType("decimal", precision, self.number())
            self.must(")")
            if not 1 <= made.precision <= 38 or made.scale > made.precision:
                raise self.failure("the precision is within 1 to 38 and the scale within 0 to the precision")
        elif word == "list":
            self.must("(")
            made = ColumnType("list", fields=[("element", self.read())])
            self.must(")")
        elif word == "struct":
            made = ColumnType("struct", fields=self.fields())
        else:
            raise self.failure(f"there is no type '{word}'{did_you_mean(word, [*PLAIN, 'decimal', 'struct', 'list'])}")
        while self.take("["):
            self.must("]")
            made = ColumnType("list", fields=[("element", made)])
        return made

    def number(self):
        token = self.take()
        if not token.isdigit():
            raise self.failure("a number is missing")
        return int(token)

    def fields(self):
        self.must("(")
        found = []
        while True:
            field = self.take()
            field = field[1:-1].replace('""', '"') if field.startswith('"') else field
            found.append((field, self.read()))
            if not self.take(","):
                break
        self.must(")")
        return found


def parse(value):
    """From a value of the file. Errors: Refused."""
    return Parser(value).whole()
