#!/usr/bin/env python3
"""Holds the source tree against the house rules. Prints `file:line: message` per finding; exit code 1 if any.

    tidy.py [--root DIR] [--no-format]

The room table in docs/architecture.md is the truth about rooms: folders, CMake files and #include lines follow it.
Each rule is one function from a Tree to findings; tidy_test.py shows that each of them fires.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from cpp_functions import functions_in, without_comments_and_strings

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 5
README_LINES_MAX = 40
COLUMNS_MAX = {".cpp": 100, ".hpp": 100, ".py": 140, ".md": 140}
SKIPPED_FOLDERS = {"build", ".git", "__pycache__", "node_modules", "millrace-data", "venv", ".cache"}
TEXT_SUFFIXES = {".cpp", ".hpp", ".py", ".md", ".cmake", ".txt", ".sh", ".yaml", ".yml", ".json", ".test", ".toml", ""}

# Which rooms may include a foreign header, by the start of its name. What is not listed is free.
FOREIGN = {
    "duckdb": {"sql", "decode"},
    "simdjson": {"decode"},
    "boost/": {"http"},
    "curl/": {"http"},
    "nghttp2/": {"http"},
    "yaml-cpp/": {"config"},
    "openssl/": {"http", "aws", "kinesis"},
    "aws/": {"aws"},
    "lmdb": {"flow"},
    "libpq-fe.h": {"postgres"},
    "librdkafka/": {"source"},
    "google/protobuf/": {"decode"},
    "prometheus/": {"base"},
    "spdlog/": {"base"},
    "CLI/": {"app"},
    "flatbuffers/": {"serve"},
    "zstd": {"http", "source", "decode", "parquet"},
    "zlib": {"http", "source", "decode"},
}
# So slow to compile that no header may include them.
HEAVY = ("CLI/", "spdlog/", "nlohmann/json.hpp")
MACROS = {"TRY", "CHECK"}

BANNED_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "data2"}
# The standard library's own names.
ALLOWED_NAMES = {"common_type", "common_type_t", "common_reference", "common_reference_t"}
# Written in two parts, so that this file does not find itself.
BANNED_TEXT = [
    (re.compile(r"\bto" r"do\b", re.I), "unfinished work is not marked, it is finished"),
    (re.compile(r"\bfix" r"me\b", re.I), "unfinished work is not marked, it is finished"),
    (re.compile(r"/wo" r"rk/"), "a path of one machine"),
    (re.compile(r"(?<![\w/.-])shar" r"ed/"), "a path outside of the project"),
    (re.compile(r"\bissue" r" #?\d", re.I), "explain the matter itself"),
    (re.compile(r"\b(DESI" r"GN|STY" r"LE|PROTO" r"COLS|RECI" r"PES)\.md\b"), "no such document in the project"),
    (re.compile(r"\(?\b[RG](1[0-2]|[1-9])\b(?=[):.,])"), "explain the rule itself"),
]


class Tree:
    """The files below `root`, read once."""

    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        self.paths = sorted(self._walk())
        self.texts = {path: (self.root / path).read_text(encoding="utf-8", errors="replace") for path in self.paths}
        self.stripped = {path: without_comments_and_strings(self.texts[path]) for path in self.cpp()}
        self.table = self._room_table()

    def _walk(self):
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
            for name in names:
                path = pathlib.Path(folder, name)
                if path.suffix in TEXT_SUFFIXES and path.is_file() and name != ".git":
                    yield path.relative_to(self.root)

    def _room_table(self):
        """room -> (line, rooms it may include, or None for all), in the order of docs/architecture.md."""
        table = {}
        for number, line in enumerate(self.text("docs/architecture.md").splitlines(), 1):
            row = re.fullmatch(r"\|\s*`(\w+)`\s*\|.*\|([^|]*)\|", line)
            if row:
                words = row[2].split()
                table[row[1]] = (number, None if words == ["all"] else words)
        return table

    def text(self, path):
        return self.texts.get(pathlib.Path(path), "")

    def lines(self, path):
        return enumerate(self.text(path).splitlines(), 1)

    def cpp(self):
        return [path for path in self.paths if path.suffix in (".cpp", ".hpp")]

    def in_rooms(self):
        """(path, room) of all C++ files below src/<room>/."""
        return [(path, path.parts[1]) for path in self.cpp() if path.parts[0] == "src" and len(path.parts) > 2]

    def folders_of_rooms(self):
        return sorted({path.parts[1] for path in self.paths if path.parts[0] == "src" and len(path.parts) > 2})

    def may_include(self, room):
        _, allowed = self.table.get(room, (0, []))
        return list(self.table) if allowed is None else allowed


def room_table(tree):
    rooms, above = list(tree.table), []
    page = "docs/architecture.md"
    for room, (line, allowed) in tree.table.items():
        if not (tree.root / "src" / room).is_dir():
            yield page, line, f"room '{room}' has no folder src/{room}"
        for other in allowed or []:
            if other not in above:
                yield page, line, f"room '{room}' may include '{other}', which is no room above it"
        above.append(room)
    for folder in tree.folders_of_rooms():
        if folder not in tree.table:
            yield page, 1, f"src/{folder} is no room of the table"
    listed = re.search(r"foreach\(room ([\w\s]+)\)", tree.text("CMakeLists.txt"))
    if (listed[1].split() if listed else []) != rooms:
        yield "CMakeLists.txt", 1, f"foreach(room ...) is not the room table: {' '.join(rooms)}"


def room_build_files(tree):
    for room in tree.folders_of_rooms():
        path = pathlib.Path("src", room, "CMakeLists.txt")
        text = re.sub(r"#.*", "", tree.text(path))
        if not text:
            yield path, 1, f"room '{room}' has no CMakeLists.txt"
            continue
        uses = re.search(r"\bUSES\s+([\w\s]*?)\s*(?:\b(?:SOURCES|TESTS|LIBRARIES)\b|\))", text)
        named, allowed = set(uses[1].split() if uses else []), set(tree.may_include(room)) - {room}
        if named != allowed:
            yield path, 1, f"USES {' '.join(sorted(named)) or 'nothing'}, but the table says {' '.join(sorted(allowed)) or 'nothing'}"
        for source, its_room in tree.in_rooms():
            name = source.relative_to(pathlib.Path("src", room)).as_posix() if its_room == room else ""
            if name.endswith(".cpp") and not re.search(rf"(?<![\w/]){re.escape(name)}\b", text):
                yield source, 1, f"is not in src/{room}/CMakeLists.txt"


def room_readmes(tree):
    for room in tree.folders_of_rooms():
        path = pathlib.Path("src", room, "README.md")
        count = len(tree.text(path).splitlines())
        if count == 0:
            yield path, 1, f"room '{room}' has no README.md"
        if count > README_LINES_MAX:
            yield path, count, f"{count} lines, more than {README_LINES_MAX}"


def includes(tree):
    known = set(tree.paths)
    for path, room in tree.in_rooms():
        allowed = {room, *tree.may_include(room), *(["base", "os"] if path.stem.endswith("_test") else [])}
        for number, line in tree.lines(path):
            own = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if own and pathlib.Path("src", own[1]) not in known:
                yield path, number, f"includes \"{own[1]}\", but there is no src/{own[1]}"
            elif own and own[1].split("/")[0] not in allowed:
                yield path, number, f"room '{room}' may not include room '{own[1].split('/')[0]}'"
            foreign = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            if foreign:
                yield from foreign_include(path, room, number, foreign[1])


def foreign_include(path, room, number, header):
    for start, rooms in FOREIGN.items():
        if header.startswith(start) and room not in rooms:
            yield path, number, f"<{header}> belongs to room {' and '.join(sorted(rooms))}, not to '{room}'"
    if path.suffix == ".hpp" and header.startswith(HEAVY):
        yield path, number, f"<{header}> is slow to compile: include it in a .cpp file"


def dead_headers(tree):
    included = set()
    for path in tree.cpp():
        included.update(re.findall(r'#\s*include\s+"([^"]+)"', tree.text(path)))
    for path, _ in tree.in_rooms():
        if path.suffix == ".hpp" and path.relative_to("src").as_posix() not in included:
            yield path, 1, "no file includes it"


def headers_and_macros(tree):
    for path in tree.cpp():
        if path.suffix == ".hpp" and "#pragma once" not in tree.text(path):
            yield path, 1, "#pragma once is missing"
        for number, line in tree.lines(path):
            macro = re.match(r"\s*#\s*define\s+(\w+)", line)
            if macro and macro[1] not in MACROS:
                yield path, number, f"macro {macro[1]}: only {' and '.join(sorted(MACROS))} exist; write a function or constant"


def sizes(tree):
    for path in tree.paths:
        columns_max = COLUMNS_MAX.get(path.suffix)
        if columns_max is None:
            continue
        count = len(tree.text(path).splitlines())
        if path.suffix != ".md" and count > FILE_LINES_MAX:
            yield path, count, f"{count} lines, more than {FILE_LINES_MAX}"
        for number, line in tree.lines(path):
            is_table = path.suffix == ".md" and line.startswith("|")
            if len(line) > columns_max and not is_table and not re.search(r"https?://\S{60}", line):
                yield path, number, f"{len(line)} columns, more than {columns_max}"


def functions(tree):
    for path in tree.cpp():
        for function in functions_in(tree.stripped[path]):
            if function.lines > FUNCTION_LINES_MAX:
                yield path, function.line, f"function {function.name} has {function.lines} lines, more than {FUNCTION_LINES_MAX}"
            if function.parameters > PARAMETERS_MAX:
                yield path, function.line, (f"function {function.name} has {function.parameters} parameters, "
                                            f"more than {PARAMETERS_MAX}: take an options struct")


def types_of(text):
    """(line, namespace, name) of the types that stand in a named namespace and nothing else."""
    namespace, depth, hidden_from = "", 0, None
    for number, line in enumerate(text.splitlines(), 1):
        if opened := re.match(r"namespace\s+([\w:]+)\s*\{", line):
            namespace = opened[1]
        elif re.match(r"namespace\s*\{", line) and hidden_from is None:
            hidden_from = depth
        elif hidden_from is None and (found := re.match(r"(?:struct|class|enum class)\s+(\w+)(?:\s+final)?\s*(?::(?!:).*)?\{", line)):
            yield number, namespace, found[1]
        depth += line.count("{") - line.count("}")
        if hidden_from is not None and depth <= hidden_from:
            hidden_from = None


def doubled_types(tree):
    """Two types of one name in a namespace are mixed up when the program is linked, without a word of any tool."""
    seen = {}
    for path, _ in tree.in_rooms():
        for number, namespace, name in types_of(tree.stripped[path]):
            where = seen.setdefault((namespace, name), path)
            if where != path:
                yield path, number, f"{namespace} has a type {name} in {where} too: give one another name"


def words_of(name):
    return {word.lower() for part in name.split("_") for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+", part)}


def names(tree):
    for path in tree.paths:
        for part in path.parts:
            if words_of(pathlib.Path(part).stem.replace("-", "_").replace(".", "_")) & BANNED_NAMES:
                yield path, 1, f"'{part}' says nothing: name it after what it does"
    for path in tree.cpp():
        for number, line in enumerate(tree.stripped[path].splitlines(), 1):
            if line.lstrip().startswith("#"):
                continue
            # What follows :: is declared elsewhere, maybe by a library.
            for name in set(re.findall(r"(?<![:\w])[A-Za-z_]\w*", line)) - ALLOWED_NAMES:
                if words_of(name) & BANNED_NAMES:
                    yield path, number, f"'{name}' says nothing: name it after what it does"


def words(tree):
    for path in tree.paths:
        for number, line in tree.lines(path):
            for pattern, why in BANNED_TEXT:
                found = pattern.search(line)
                if found:
                    yield path, number, f"'{found[0]}': {why}"


def links(tree):
    for path in tree.paths:
        for number, line in tree.lines(path):
            targets = [(tree.root / name, name) for name in re.findall(r"(?<![\w/.-])docs/[\w/.-]+\.md\b", line)]
            if path.suffix == ".md":
                names_linked = re.findall(r"\]\(([^)#\s]+)[^)]*\)", line)
                targets += [(tree.root / path.parent / name, name) for name in names_linked if "://" not in name]
            for target, name in targets:
                if not target.exists() and path.name != "tidy_test.py":
                    yield path, number, f"names {name}, which does not exist"


def spark_versions(tree):
    """The Python package is of the project's version, and its SQL of the engine's."""
    pairs = (("spark/millrace_spark/__init__.py", r'__version__ = "([^"]*)"', "CMakeLists.txt", r"project\(\w+ VERSION ([\d.]+)"),
             ("spark/millrace_spark/duck.py", r'ENGINE = "([^"]*)"', "tools/fetch_duckdb.py", r'VERSION = "([^"]*)"'),
             ("spark/pyproject.toml", r"duckdb==([\d.]+)", "tools/fetch_duckdb.py", r'VERSION = "([^"]*)"'))
    for path, pattern, other, other_pattern in pairs:
        ours, theirs = re.search(pattern, tree.text(path)), re.search(other_pattern, tree.text(other))
        if (ours or path in map(str, tree.paths)) and (ours and ours[1]) != (theirs and theirs[1]):
            line = tree.text(path)[:ours.start()].count("\n") + 1 if ours else 1
            yield path, line, f"says version {ours and ours[1]}, and {other} {theirs and theirs[1]}"


RULES = [room_table, room_build_files, room_readmes, includes, dead_headers, headers_and_macros, sizes, functions, doubled_types,
         names, words, links, spark_versions]


def badly_formatted(tree):
    """Asks clang-format about files that changed since it last found them clean."""
    tool = shutil.which("clang-format-19")
    if not tool:
        return
    style = tree.root / ".clang-format"
    salt = style.read_bytes() if style.exists() else b""
    memory = tree.root / "build" / "tidy_format.json"
    clean = json.loads(memory.read_text()) if memory.exists() else {}
    digests = {str(path): hashlib.sha256(salt + tree.text(path).encode()).hexdigest() for path in tree.cpp()}
    asked = [path for path, digest in digests.items() if clean.get(path) != digest]

    def ask(path):
        answer = subprocess.run([tool, "--dry-run", "-Werror", path], cwd=tree.root, capture_output=True, text=True, check=False)
        line = re.search(r":(\d+):\d+: error", answer.stderr)
        return path, answer.returncode == 0, int(line[1]) if line else 1

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, is_clean, line in pool.map(ask, asked):
            if not is_clean:
                digests.pop(path)
                yield path, line, "is not formatted: run ./mill format"
    if memory.parent.is_dir():
        memory.write_text(json.dumps(digests))


def findings(root, with_format=True):
    tree = Tree(root)
    for rule in RULES + ([badly_formatted] if with_format else []):
        for path, line, message in rule(tree):
            yield str(path), line, message


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--no-format", action="store_true", help="leave clang-format out")
    options = parser.parse_args()
    found = sorted(set(findings(options.root, not options.no_format)))
    for path, line, message in found:
        print(f"{path}:{line}: {message}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
