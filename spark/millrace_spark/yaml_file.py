"""YAML with places: every value knows its line and column; variables of the environment are put in."""

import os
import re

import yaml

from .errors import Problems, Refused, did_you_mean

VARIABLE = re.compile(r"\$\$|\$\{([^}]*)(\}?)")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Sql:
    """A text of SQL; `place_of` says where one of its bytes stands in the file."""

    def __init__(self, text, file, line, column, is_block):
        self.text, self.file, self.line, self.column, self.is_block = text, file, line, column, is_block

    def place_of(self, byte=0):
        before = self.text.encode()[:byte].decode(errors="replace")
        row = before.count("\n")
        in_line = len(before) - (before.rfind("\n") + 1)
        column = in_line + (self.column if self.is_block or row == 0 else 1)
        return f"{self.file}:{self.line + row}:{column}"

    @property
    def place(self):
        return self.place_of(0)


class Value:
    """A node of the file: a scalar, a list or a mapping."""

    def __init__(self, node, file, lines):
        self.node, self.file, self.lines = node, file, lines

    @property
    def place(self):
        return f"{self.file}:{self.node.start_mark.line + 1}:{self.node.start_mark.column + 1}"

    def refuse(self, message):
        return Refused(message, self.place)

    def is_map(self):
        return isinstance(self.node, yaml.MappingNode)

    def is_list(self):
        return isinstance(self.node, yaml.SequenceNode)

    def is_null(self):
        return (
            isinstance(self.node, yaml.ScalarNode) and self.node.tag == "tag:yaml.org,2002:null" and self.node.value in ("", "~", "null")
        )

    def text(self):
        if not isinstance(self.node, yaml.ScalarNode) or self.is_null():
            raise self.refuse("one value is expected here")
        return VARIABLE.sub(self._variable, self.node.value)

    def _variable(self, match):
        if match[0] == "$$":
            return "$"
        name, has_default, default = match[1].partition(":-")
        if not match[2] or not NAME.match(name):
            raise self.refuse(f"'{match[0]}' is no variable; write ${{NAME}} or ${{NAME:-default}}, and '$$' for a plain '$'")
        value = os.environ.get(name)
        if value is None and not has_default:
            raise self.refuse(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
        return value if value or not has_default else default

    def sql(self):
        text, mark = self.text(), self.node.start_mark
        if not text.strip():
            raise self.refuse("SQL is expected here")
        if self.node.style not in ("|", ">"):
            return Sql(text, self.file, mark.line + 1, mark.column + 1 + (self.node.style in ("'", '"')), False)
        row = mark.line + 1
        while row < len(self.lines) and not self.lines[row].strip():
            row += 1
        indent = len(self.lines[row]) - len(self.lines[row].lstrip(" ")) if row < len(self.lines) else 0
        return Sql(text, self.file, mark.line + 2, indent + 1, True)

    def items(self):
        if not self.is_list():
            raise self.refuse("a list is expected here")
        return [Value(node, self.file, self.lines) for node in self.node.value]

    def texts(self):
        return [item.text() for item in self.items()] if self.is_list() else [self.text()]

    def entries(self):
        """name -> Value, in the file's order."""
        if self.is_null():
            return {}
        if not self.is_map():
            raise self.refuse("a mapping is expected here")
        found = {}
        for key, node in self.node.value:
            name = Value(key, self.file, self.lines).text()
            if name in found:
                raise Value(key, self.file, self.lines).refuse(f"the key '{name}' stands here twice")
            found[name] = Value(node, self.file, self.lines)
            found[name].key_place = Value(key, self.file, self.lines).place
        return found

    def keys_among(self, known, what):
        """The entries, all of which must have a known name."""
        entries = self.entries()
        for key, node in self.node.value if self.is_map() else []:
            name = Value(key, self.file, self.lines).text()
            if name not in known:
                raise Value(key, self.file, self.lines).refuse(f"a {what} has no key '{name}'{did_you_mean(name, known)}")
        return entries


def read(path, shown=None):
    """The root value of a file."""
    shown = shown or path
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"the pipeline file cannot be read: {error}", shown) from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise Refused(f"not YAML: {error.problem}", f"{shown}:{mark.line + 1}:{mark.column + 1}") from None
    except yaml.YAMLError as error:
        raise Refused(f"not YAML: {error}", shown) from None
    if node is None:
        raise Problems([Refused("the file is empty; it must say `pipeline:` and more", shown)])
    return Value(node, shown, text.splitlines())
