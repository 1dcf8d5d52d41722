#!/usr/bin/env python3
"""Shows that each rule of tidy.py fires, and that a clean tree is left alone."""
import pathlib
import shutil
import tempfile
import unittest

import tidy
from cpp_functions import functions_in, without_comments_and_strings

CLEAN = {
    "CMakeLists.txt": "foreach(room base os app)\nendforeach()\n",
    "docs/architecture.md": "| room | purpose | may include |\n|---|---|---|\n| `base` | words | |\n| `os` | files | base |\n"
                            "| `app` | wiring | all |\n",
    "src/base/CMakeLists.txt": "millrace_room(base\n  SOURCES text.cpp\n  TESTS text_test.cpp)\n",
    "src/base/README.md": "# base\n",
    "src/base/text.hpp": "#pragma once\n\nnamespace millrace::base {\nint length(int width);\n}  // namespace millrace::base\n",
    "src/base/text.cpp": "#include \"base/text.hpp\"\n\nnamespace millrace::base {\n\nint length(int width) {\n  return width;\n}\n\n"
                         "}  // namespace millrace::base\n",
    "src/base/text_test.cpp": "#include \"base/text.hpp\"\n",
    "src/os/CMakeLists.txt": "millrace_room(os\n  SOURCES disk.cpp\n  USES base)\n",
    "src/os/README.md": "# os\nSee [the rooms](../../docs/architecture.md).\n",
    "src/os/disk.cpp": "#include \"base/text.hpp\"\n",
    "src/app/CMakeLists.txt": "millrace_room(app\n  SOURCES main.cpp\n  USES base os)\n",
    "src/app/README.md": "# app\n",
    "src/app/main.cpp": "#include <CLI/CLI.hpp>\n\n#include \"base/text.hpp\"\n",
}
BODY = "\n".join(f"  use({number});" for number in range(70))


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="millrace-tidy-"))
        self.addCleanup(shutil.rmtree, self.root)
        for path, text in CLEAN.items():
            self.write(path, text)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def add(self, path, text):
        self.write(path, CLEAN.get(path, "") + text)

    def findings(self, with_format=False):
        return [f"{path}:{line}: {message}" for path, line, message in tidy.findings(self.root, with_format)]

    def expect(self, *parts):
        found = self.findings()
        self.assertTrue(any(all(part in finding for part in parts) for finding in found), f"{parts} is not in {found}")

    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(self.findings(), [])

    def test_a_room_of_the_table_needs_a_folder(self):
        self.add("docs/architecture.md", "| `log` | log | base |\n")
        self.expect("docs/architecture.md:6", "no folder src/log")

    def test_a_type_has_its_name_alone_in_a_namespace(self):
        one = "namespace millrace::base {\nstruct Part {\n};\n}  // namespace millrace::base\n"
        self.write("src/base/text.cpp", one)
        self.write("src/base/text_test.cpp", one.replace("struct", "namespace {\nclass").replace("};\n", "};\n}  // namespace\n"))
        self.write("src/os/disk.cpp", one.replace("base", "os"))
        self.assertEqual(self.findings(), [])
        self.write("src/base/text_test.cpp", one.replace("struct Part", "class Part final : public Whole"))
        self.expect("src/base/text_test.cpp:2", "a type Part in src/base/text.cpp too")

    def test_a_folder_needs_a_row(self):
        self.write("src/extra/README.md", "# extra\n")
        self.expect("src/extra is no room of the table")

    def test_a_row_names_only_rooms_above(self):
        self.write("docs/architecture.md", CLEAN["docs/architecture.md"].replace("| words | |", "| words | os |"))
        self.expect("'os', which is no room above it")

    def test_the_build_lists_the_rooms_in_order(self):
        self.write("CMakeLists.txt", "foreach(room os base app)\nendforeach()\n")
        self.expect("CMakeLists.txt:1", "is not the room table")

    def test_uses_follows_the_table(self):
        self.write("src/os/CMakeLists.txt", "millrace_room(os\n  SOURCES disk.cpp)\n")
        self.expect("src/os/CMakeLists.txt", "USES nothing, but the table says base")

    def test_a_source_file_is_built(self):
        self.write("src/os/lost.cpp", "")
        self.expect("src/os/lost.cpp", "is not in src/os/CMakeLists.txt")

    def test_a_room_has_build_file_and_short_readme(self):
        (self.root / "src/os/CMakeLists.txt").unlink()
        self.write("src/os/README.md", "line\n" * 41)
        (self.root / "src/app/README.md").unlink()
        self.expect("room 'os' has no CMakeLists.txt")
        self.expect("src/os/README.md:41", "more than 40")
        self.expect("room 'app' has no README.md")

    def test_a_room_includes_only_what_its_row_names(self):
        self.write("src/os/disk.hpp", "#pragma once\n")
        self.add("src/base/text.cpp", "#include \"os/disk.hpp\"\n")
        self.expect("src/base/text.cpp:10", "may not include room 'os'")

    def test_a_test_may_include_os_as_well(self):
        self.write("src/os/disk.hpp", "#pragma once\n")
        self.add("src/base/text_test.cpp", "#include \"os/disk.hpp\"\n")
        self.assertEqual(self.findings(), [])

    def test_an_included_file_exists(self):
        self.add("src/base/text.cpp", "#include \"text.hpp\"\n")
        self.expect("src/base/text.cpp:10", "there is no src/text.hpp")

    def test_a_foreign_header_stays_in_its_room(self):
        for header in ("duckdb.h", "boost/asio.hpp", "simdjson.h", "yaml-cpp/yaml.h", "openssl/ssl.h", "lmdb.h", "spdlog/spdlog.h",
                       "prometheus/counter.h", "zlib.h", "zstd.h"):
            self.write("src/os/disk.cpp", f"#include <{header}>\n#include \"base/text.hpp\"\n")
            if header.startswith(("spdlog", "prometheus")):
                self.expect("src/os/disk.cpp:1", "belongs to room base")
            else:
                self.expect("src/os/disk.cpp:1", f"<{header}> belongs to room")

    def test_a_heavy_header_stays_out_of_headers(self):
        self.add("src/base/text.hpp", "#include <nlohmann/json.hpp>\n")
        self.expect("src/base/text.hpp:6", "slow to compile")

    def test_a_header_is_included_somewhere(self):
        self.write("src/os/lost.hpp", "#pragma once\n")
        self.expect("src/os/lost.hpp", "no file includes it")

    def test_a_header_has_pragma_once_and_no_macros(self):
        self.write("src/base/text.hpp", "#define TWICE(x) x\n")
        self.expect("#pragma once is missing")
        self.expect("src/base/text.hpp:1", "macro TWICE")

    def test_files_and_lines_are_short(self):
        self.add("src/base/text.cpp", "int x;\n" * 400)
        self.add("src/os/disk.cpp", "// " + "x" * 98 + "\n")
        self.write("docs/page.md", "x" * 141 + "\n|" + "x" * 200 + "\n")
        self.expect("src/base/text.cpp:409", "more than 400")
        self.expect("src/os/disk.cpp:2", "101 columns")
        self.expect("docs/page.md:1", "141 columns")
        self.assertFalse(any("page.md:2" in finding for finding in self.findings()))

    def test_functions_are_short_and_take_few_parameters(self):
        self.add("src/base/text.cpp", f"void long_one() {{\n{BODY}\n}}\nvoid wide(int a, int b, int c, int d, int e, int f) {{}}\n")
        self.expect("src/base/text.cpp:10", "function long_one has 72 lines")
        self.expect("src/base/text.cpp:82", "function wide has 6 parameters")

    def test_names_say_something(self):
        self.write("src/os/disk_" "utils.cpp", "")
        self.add("src/os/disk.cpp", "class Disk" "Manager;\nint std_value = std::common_type_t<int>{};\n")
        self.expect("disk_" "utils.cpp", "says nothing")
        self.expect("src/os/disk.cpp:2", "says nothing")
        self.assertFalse(any("disk.cpp:3" in finding for finding in self.findings()))

    def test_unfinished_work_and_foreign_places_are_not_mentioned(self):
        for text in ("later: TO" "DO", "fix" "me", "see /wo" "rk/main", "see shar" "ed/notes", "this issue" " 12", "DESI" "GN.md",
                     "as said (R" "5)"):
            self.write("src/os/disk.cpp", f"#include \"base/text.hpp\"\n// {text}\n")
            self.expect("src/os/disk.cpp:2", "'")

    def test_links_lead_somewhere(self):
        self.write("src/os/README.md", "[gone](../gone.md) and [fine](https://example.org/x.md)\n")
        self.add("src/os/disk.cpp", "// The format is in docs/" "formats/gone.md.\n")
        self.expect("src/os/README.md:1", "../gone.md")
        self.expect("src/os/disk.cpp:2", "formats/gone.md")

    def test_the_python_package_has_the_versions_of_the_program(self):
        self.write("CMakeLists.txt", CLEAN["CMakeLists.txt"] + "project(millrace VERSION 1.2.0)\n")
        self.write("tools/fetch_duckdb.py", 'VERSION = "1.5.5"\n')
        self.write("spark/millrace_spark/__init__.py", '\n__version__ = "1.2.0"\n')
        self.write("spark/millrace_spark/duck.py", 'ENGINE = "1.5.5"\n')
        self.assertEqual(self.findings(), [])
        self.write("spark/millrace_spark/__init__.py", '\n__version__ = "1.1.0"\n')
        self.write("spark/millrace_spark/duck.py", 'ENGINE = "1.5.4"\n')
        self.expect("spark/millrace_spark/__init__.py:2", "1.1.0")
        self.expect("spark/millrace_spark/duck.py:1", "1.5.4")

    @unittest.skipUnless(shutil.which("clang-format-19"), "clang-format-19 is not installed")
    def test_code_is_formatted_and_found_again(self):
        (self.root / "build").mkdir()
        self.write(".clang-format", "BasedOnStyle: Google\n")
        self.add("src/os/disk.cpp", "int   x;\n")
        for _ in range(2):
            self.assertEqual([text for text in self.findings(True) if "disk.cpp:2: is not formatted" in text],
                             ["src/os/disk.cpp:2: is not formatted: run ./mill format"])


class FunctionsTest(unittest.TestCase):
    def functions(self, text):
        return [(found.name, found.line, found.lines, found.parameters) for found in functions_in(without_comments_and_strings(text))]

    def test_finds_functions_of_all_shapes(self):
        text = ("Result<std::map<int, int>> Table::read(const std::map<int, int>& a,\n"
                "                                       std::function<void(int, int)> b) const {\n  return {};\n}\n"
                "Table::Table(int a, int b)\n    : a_(a),\n      b_{b, 2} {\n  go();\n}\n"
                "template <class T, class U>\nvoid put(T value) {}\n"
                "bool operator==(const A& a, const B& b) {\n  return true;\n}\n")
        self.assertEqual(self.functions(text), [("read", 1, 4, 2), ("Table", 5, 5, 2), ("put", 10, 2, 1), ("operator==", 12, 3, 2)])

    def test_leaves_the_rest_alone(self):
        text = ("namespace a {\nstruct B {\n  int x = f(1, 2, 3, 4, 5, 6);\n};\n}\n"
                "int v = call(1, [&](int a, int b, int c, int d, int e, int f) {\n  return 1;\n});\n"
                "// void f(int a, int b) {\nconst char* text = R\"(void g() {\n)\";\n"
                "const auto h = [](int a) {\n  return a;\n};\n")
        self.assertEqual(self.functions(text), [])

    def test_statements_are_no_functions(self):
        text = "void f() {\n  if (a(b)) {\n    c();\n  } else if (d(e)) {\n    g();\n  }\n  for (int x : y(z)) {\n  }\n}\n"
        self.assertEqual(self.functions(text), [("f", 1, 9, 0)])


if __name__ == "__main__":
    unittest.main()
