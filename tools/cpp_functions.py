"""Finds the functions in clang-formatted C++ by its indentation, for tidy.py. No parser: it relies on the format."""
import dataclasses
import re

_TOKENS = re.compile(
    r'R"(?P<tag>[^(\s"]{0,16})\(.*?\)(?P=tag)"'  # raw string
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"  # a character, not a digit separator
    r"|//[^\n]*|/\*.*?\*/", re.S)
_NO_FUNCTION = re.compile(r"(namespace|class|struct|enum|union|if|for|while|switch|do|else|try|catch|return|case|default|extern|using)\b")
_LAMBDA = re.compile(r"(?<!operator)\[[^\[\]]*\]\s*(?:[({]|mutable|->|<)")


@dataclasses.dataclass
class Function:
    name: str
    line: int  # of its first line, from 1
    lines: int
    parameters: int


def without_comments_and_strings(text):
    """The same lines, with strings emptied and comments gone."""
    def blank(match):
        token = match[0]
        quotes = '""' if token[0] in 'R"' else "0" if token[0] == "'" else ""
        return quotes + "\n" * token.count("\n")
    return _TOKENS.sub(blank, text)


def functions_in(stripped):
    """Yields the functions that are defined in `stripped` (see without_comments_and_strings)."""
    lines = ["" if line.lstrip().startswith("#") else line.rstrip() for line in stripped.splitlines()]
    for number, line in enumerate(lines):
        if line.endswith(" {"):
            first = _first_line_of_head(lines, number)
            head = " ".join(part.strip() for part in lines[first:number + 1])[:-1]
            last = _closing_line(lines, number, _indent(lines[first]))
        elif line.endswith("}") and " {" in line:
            first, last = _first_line_of_head(lines, number), number
            head = " ".join(part.strip() for part in lines[first:number + 1]).split(" {")[0]
        else:
            continue
        name, parameters = _signature(head)
        if name:
            yield Function(name, first + 1, last - first + 1, parameters)


def _indent(line):
    return len(line) - len(line.lstrip())


def _first_line_of_head(lines, number):
    first = number
    while first > 0 and lines[first - 1] and lines[first - 1][-1] not in ";{}" and not _is_label(lines[first - 1]):
        first -= 1
    return first


def _is_label(line):
    return re.fullmatch(r"\s*(public|private|protected|default|case .*):", line) is not None


def _closing_line(lines, number, indent):
    for last in range(number + 1, len(lines)):
        if lines[last].startswith(" " * indent + "}"):
            return last
    return len(lines) - 1


def _signature(head):
    """(name, count of parameters) of a function's head; (None, 0) if it is none."""
    head = re.sub(r"\[\[.*?\]\]", "", head).lstrip("} ").strip()
    if head.startswith("template"):
        head = head[_matching(head, head.index("<")) + 1:].strip()
        if head.startswith("requires"):
            head = head.split(" ", 1)[1]
    if _NO_FUNCTION.match(head) or _LAMBDA.search(head) or head.count("(") != head.count(")"):
        return None, 0
    named = re.search(r"(operator\s*(?:\(\)|[^\s(\w]+)|~?[A-Za-z_]\w*)\s*\(", head)
    if not named or "=" in head[:named.start()].replace("operator", "") or "." in head[:named.start()]:
        return None, 0
    opening = named.end() - 1
    return named[1].strip(), _count_parameters(head[opening + 1:_matching(head, opening)])


def _matching(text, opening):
    pairs = {"(": ")", "<": ">"}
    depth = 0
    for index in range(opening, len(text)):
        depth += text[index] == text[opening]
        depth -= text[index] == pairs[text[opening]] and text[index - 1] != "-"
        if depth == 0:
            return index
    return len(text) - 1


def _count_parameters(text):
    text = text.replace("->", "").strip()
    if not text or text == "void":
        return 0
    depth, count = 0, 1
    for character in text:
        depth += character in "(<{["
        depth -= character in ")>}]"
        count += character == "," and depth == 0
    return count
