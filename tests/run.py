#!/usr/bin/env python3
"""The system tests: text cases, judges, operation, and kills under load. Called by tools/run_tests.py; tests/README.md explains.

    run.py [--fast] [--only TEXT] [--clients] [--packages] [--spark [VERSION…]] [--update] [--jobs N] [--seed N] [--cycles N] [--list]

Prints a line for each test that fails, with what is wrong, and closes with `N passed, N failed`.
"""
import argparse
import concurrent.futures
import faulthandler
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

import operations
import packages
from clients import cargo_lambda, kinesis_clients
from harness import case_file, case_run, spark
from harness.millrace import BINARY
from judges import delta

TESTS = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(BINARY).resolve().parent
FOLDERS = BUILD.parent / "test_data"
SCRIPT_SECONDS_MAX = 600
LEFT_OUT = 77  # the exit code of a script that lacks what it judges by
SPARK_SECONDS_MAX = 1800


class Test:
    """A name and a function that returns what is wrong: a list of texts, empty if nothing is; None if it was left out."""

    def __init__(self, name, function, is_slow=False):
        self.name, self.function, self.is_slow = name, function, is_slow


def case_tests(options):
    for path in sorted((TESTS / "cases").rglob("*.test")):
        name = path.relative_to(TESTS / "cases").with_suffix("").as_posix()
        for way in case_run.ways_of(case_file.read(path)):
            folder = FOLDERS / "cases" / name.replace("/", "_") / way
            yield Test(f"case {name} [{way}]", lambda path=path, way=way, folder=folder: run_case(path, way, folder, options))


def run_case(path, way, folder, options):
    problems, answers = case_run.run_case(path, way, folder, options.seed, delta)
    if options.update and answers and way == case_run.ways_of(case_file.read(path))[0]:
        path.write_text(case_file.rewritten(path, answers))
    return problems


def run_script(path, *arguments):
    environment = {**os.environ, "BUILD": str(BUILD), "MILLRACE": BINARY, "PYTHONPATH": str(TESTS)}
    done = subprocess.run([sys.executable, path, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=SCRIPT_SECONDS_MAX, check=False, text=True, errors="replace")
    if done.returncode == LEFT_OUT:
        print(f"          {pathlib.Path(path).stem}: {done.stdout.strip()}", flush=True)
        return None
    return [] if done.returncode == 0 else [f"exit code {done.returncode}\n{done.stdout}"]


def script_tests(options):
    for path in sorted((TESTS / "judges").glob("*.py")):
        if os.access(path, os.X_OK):
            yield Test(f"judge {path.stem}", lambda path=path: run_script(path), is_slow=True)
    cycles = ["--cycles", str(options.cycles), "--seed", str(options.seed)]
    yield Test("kill", lambda: run_script(TESTS / "kill_test.py", *cycles), is_slow=True)
    yield Test("kill, lake on S3", lambda: run_script(TESTS / "kill_test.py", *cycles, "--s3"), is_slow=True)


def operation_tests():
    for name, function in operations.tests():
        yield Test(f"operation {name}", lambda name=name, function=function: operations.run(function, FOLDERS / "operations" / name),
                   is_slow=getattr(function, "is_slow", False))


def client_tests():
    for module in (kinesis_clients, cargo_lambda):
        for name in module.tests():
            yield Test(f"clients {name}", lambda module=module, name=name: run_clients(module, name), is_slow=True)


def run_clients(module, name):
    if why := module.why_left_out(name):
        print(f"          clients {name}: {why}", flush=True)
        return None
    return run_script(module.__file__, name)


def package_tests():
    for name, function in packages.tests().items():
        yield Test(f"packages {name}", lambda function=function, name=name: packages.run_test(function, FOLDERS / "packages" / name),
                   is_slow=True)


def spark_tests(options):
    for version in options.spark or spark.VERSIONS[:1]:
        for path in sorted(spark.SOURCES.glob("*.py")):
            is_test = "bench.main(" in path.read_text()
            if is_test and (options.spark is not None or path.stem == "smoke"):
                name = f"spark {version} {path.stem}"
                yield Test(name, lambda path=path, version=version: run_spark(path, version), is_slow=True)


def run_spark(path, version):
    if why := spark.why_left_out():
        print(f"          spark {path.stem}: {why}", flush=True)
        return None
    try:
        python, environment = spark.environment(version)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"          spark {path.stem}: Spark could not be fetched: {error}", flush=True)
        return None
    environment |= {"BUILD": str(BUILD), "MILLRACE": BINARY, "SPARK_TEST_FOLDERS": str(FOLDERS / f"spark-{version}" / path.stem)}
    done = subprocess.run([python, path], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=SPARK_SECONDS_MAX, check=False, text=True, errors="replace")
    if done.returncode == LEFT_OUT:
        print(f"          spark {version} {path.stem}: {done.stdout.strip()}", flush=True)
        return None
    return [] if done.returncode == 0 else [f"exit code {done.returncode}\n{done.stdout[-8000:]}"]


def collect(options):
    tests = [*script_tests(options), *operation_tests(), *case_tests(options), *spark_tests(options)]
    if options.clients:
        tests += client_tests()
    if options.packages:
        tests += package_tests()
    if options.fast:
        tests = [test for test in tests if not test.is_slow and not test.name.endswith(("[single]", "[kill]"))]
    if options.only:
        tests = [test for test in tests if any(text in test.name for text in options.only)]
    return tests


def run_test(test):
    start = time.monotonic()
    try:
        problems = test.function()
    except subprocess.TimeoutExpired as error:
        problems = [f"not done after {error.timeout} s"]
    return test, problems, time.monotonic() - start


def show(test, problems, seconds, options):
    if problems is None:
        print(f"left out  {test.name}", flush=True)
    elif problems:
        print(f"FAILED    {test.name} ({seconds:.1f} s)\n" + "\n".join(problems), flush=True)
    elif options.verbose:
        print(f"passed    {test.name} ({seconds:.1f} s)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true",
                        help="each case as one batch only, no kills, nothing that takes long, no judges that run alone")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="tests whose name has one of these texts in it")
    parser.add_argument("--clients", action="store_true",
                        help="also the real clients for Java and JavaScript, which mvn and npm bring, and cargo lambda")
    parser.add_argument("--packages", action="store_true", help="also the packages, each made and tried: some minutes, as root")
    parser.add_argument("--spark", nargs="*", choices=spark.VERSIONS, metavar="VERSION",
                        help=f"also everything of spark/tests, on real Spark and Delta Lake of {' and '.join(spark.VERSIONS)}, "
                        f"or of {spark.VERSIONS[0]} if none is named: some minutes each")
    parser.add_argument("--update", action="store_true", help="writes what was answered into the cases: read the difference well")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="chooses where kills fall")
    parser.add_argument("--cycles", type=int, default=30, help="kills of the kill test")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    tests = collect(options)
    if options.list:
        print("\n".join(test.name for test in tests))
        return 0
    if not options.only:
        shutil.rmtree(FOLDERS, ignore_errors=True)
    print(f"{len(tests)} system tests, seed {options.seed}", flush=True)
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run_test, test) for test in tests]):
            test, problems, seconds = done.result()
            show(test, problems, seconds, options)
            passed += problems == []
            failed += bool(problems)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    faulthandler.enable()  # a client library that crashes takes all tests with it: where it was is said
    code = main()
    sys.stdout.flush()
    os._exit(code)  # delta-rs' threads can abort a gentle end
