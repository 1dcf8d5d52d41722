#!/usr/bin/env python3
"""Runs every suite on the release build and closes with one line, `N passed, N failed`. Called by ./mill test.

The suites: the house rules (tools/tidy.py), the tools' own tests, the rooms' unit tests (ctest), and the system tests
(tests/run.py, which gets this script's arguments and the binary's path in MILLRACE, and closes with such a line too).
"""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
RESULTS = ROOT / "build" / "test_results"
CLOSING = re.compile(r"(\d+) passed, (\d+) failed")


def title(text):
    print(f"== {text}", flush=True)


def house_rules():
    title("house rules")
    code = subprocess.run([sys.executable, ROOT / "tools" / "tidy.py"], check=False).returncode
    return (1, 0) if code == 0 else (0, 1)


def tool_tests():
    title("tools")
    passed = failed = 0
    for path in sorted((ROOT / "tools").glob("*_test.py")):
        answer = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False)
        ran = re.search(r"^Ran (\d+) test", answer.stderr, re.M)
        count = int(ran[1]) if ran else 0
        bad = sum(int(number) for number in re.findall(r"(?:failures|errors)=(\d+)", answer.stderr))
        if answer.returncode != 0:
            print(answer.stdout + answer.stderr)
            bad = max(bad, 1)
        passed, failed = passed + max(count - bad, 0), failed + bad
    return passed, failed


@contextlib.contextmanager
def warehouse():
    """The address of a PostgreSQL that unit tests may use, for as long as they run; nothing if it is not installed."""
    sys.path.insert(0, str(ROOT / "tests"))
    from harness import postgres_server
    if not postgres_server.programs():
        print("PostgreSQL is not installed: the tests that need it are left out")
        yield {}
        return
    with postgres_server.PostgresServer() as server:
        yield {"MILLRACE_TEST_POSTGRES": server.url}


def unit_tests():
    """Counts test cases, not programs; a program that leaves no result counts as one failure."""
    title("unit tests")
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    with warehouse() as address:
        environment = {**os.environ, **address, "GTEST_OUTPUT": f"xml:{RESULTS}/"}
        code = subprocess.run(["ctest", "--test-dir", BUILD, "--output-on-failure", "--no-tests=error", "-j", str(os.cpu_count())],
                              env=environment, check=False).returncode
    passed = failed = 0
    for path in RESULTS.glob("*.xml"):
        suites = xml.etree.ElementTree.parse(path).getroot()
        bad = int(suites.get("failures")) + int(suites.get("errors"))
        left_out = int(suites.get("disabled")) + int(suites.get("skipped") or 0)
        passed += int(suites.get("tests")) - bad - left_out
        failed += bad
    return passed, max(failed, 1) if code != 0 else failed


def system_tests(arguments):
    script = ROOT / "tests" / "run.py"
    if not script.exists():
        return 0, 0
    title("system tests")
    environment = {**os.environ, "MILLRACE": str(BUILD / "millrace"), "PYTHONUNBUFFERED": "1"}
    closing = None
    with subprocess.Popen([sys.executable, script, *arguments], env=environment, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout:
            if closing:
                print(closing[0], flush=True)
            closing = CLOSING.fullmatch(line.strip())
            if not closing:
                print(line, end="", flush=True)
    if not closing:
        print(f"the system tests ended with {running.returncode}, without their closing line")
        return 0, 1
    passed, failed = int(closing[1]), int(closing[2])
    return passed, max(failed, 1) if running.returncode != 0 else failed


def main():
    counts = [house_rules(), tool_tests(), unit_tests(), system_tests(sys.argv[1:])]
    failed = sum(count[1] for count in counts)
    print(f"{sum(count[0] for count in counts)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
