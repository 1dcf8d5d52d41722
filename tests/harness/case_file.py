"""Reads a text case (tests/README.md): sections that begin with `--- word arguments`."""
import dataclasses
import re
import shlex

WORDS = {
    "pipeline", "file", "records", "request", "answer", "query", "await", "rows", "error", "command", "output", "errors", "exit",
    "settle", "restart", "kill", "stop", "only", "wait",
}
EXPECTATIONS = {"query": {"rows", "error"}, "await": {"rows"}, "command": {"output", "errors", "exit"}, "request": {"answer"}}


@dataclasses.dataclass
class Section:
    word: str
    arguments: list
    text: str
    line: int
    expected: list = dataclasses.field(default_factory=list)


def expanded(text):
    """`{{x*3}}` is xxx, and `\\x41` is the byte A: what a text file cannot or should not hold."""
    raw = text.encode()
    raw = re.sub(rb"\{\{(.+?)\*(\d+)\}\}", lambda found: found[1] * int(found[2]), raw)
    return re.sub(rb"\\x([0-9a-fA-F]{2})", lambda found: bytes([int(found[1], 16)]), raw)


def body_of(section):
    return expanded(section.text) if "expanded" in section.arguments else section.text.encode()


def read(path):
    """The case's steps; what is expected of a step hangs on it. ValueError says what is wrong with the file."""
    steps = []
    lines = path.read_text().splitlines()
    current = None
    for number, line in enumerate(lines, 1):
        if line.startswith("--- "):
            word, *arguments = line[4:].split(" ")
            if word == "command":
                arguments = shlex.split(line[4:])[1:]
            if word not in WORDS:
                raise ValueError(f"{path}:{number}: unknown section '{word}'")
            current = Section(word, arguments, "", number)
            if word in {name for names in EXPECTATIONS.values() for name in names}:
                if not steps or word not in EXPECTATIONS.get(steps[-1].word, ()):
                    raise ValueError(f"{path}:{number}: '{word}' does not follow what it is about")
                steps[-1].expected.append(current)
            else:
                steps.append(current)
        elif current is not None:
            current.text += line + "\n"
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"{path}:{number}: text before the first section; comments begin with #")
    for step in steps:
        for section in [step, *step.expected]:
            section.text = section.text.strip("\n") + "\n" if section.text.strip("\n") else ""
        if step.word in EXPECTATIONS and not step.expected:
            raise ValueError(f"{path}:{step.line}: nothing is expected of this {step.word}")
    return steps


def rewritten(path, answers):
    """The file's text with the sections at the lines `answers` names replaced by their actual text."""
    out, skipping = [], False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("--- "):
            skipping = False
            if number in answers:
                heading, text = answers[number]
                out += [heading or line, *text.rstrip("\n").splitlines(), ""]
                skipping = True
                continue
        if not skipping:
            out.append(line)
    return "\n".join(out).rstrip("\n") + "\n"
