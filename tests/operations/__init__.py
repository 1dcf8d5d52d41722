"""Tests of how millrace is run: each a function test_* of a module here that gets an empty folder and raises a Failure."""
import importlib
import pathlib
import shutil
import traceback

from harness.millrace import Failure


class LeftOut(Exception):
    """The test cannot run here; the text says why."""


def slow(function):
    """Marks a test that --fast leaves out."""
    function.is_slow = True
    return function


def tests():
    for path in sorted(pathlib.Path(__file__).parent.glob("[a-z]*.py")):
        module = importlib.import_module(f"operations.{path.stem}")
        for name, function in vars(module).items():
            if name.startswith("test_"):
                yield f"{path.stem}_{name[5:]}", function


def run(function, folder):
    """What is wrong, as a list of texts; None if the test was left out."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        function(folder)
    except LeftOut as reason:
        print(f"{folder.name} is left out: {reason}", flush=True)
        return None
    except Failure as failure:
        return [str(failure)]
    except Exception:  # a test that breaks has found something, or is wrong itself
        return [traceback.format_exc()]
    return []


def expect(holds, text):
    if not holds:
        raise Failure(text)


def expect_equal(actual, expected, what):
    expect(actual == expected, f"{what} is {actual!r}, not {expected!r}")


def expect_texts(text, *parts):
    for part in parts:
        expect(part in text, f"{part!r} is missing in:\n{text}")
