"""Runs the steps of a text case, cut in one of several ways: the answer has to be the same."""
import json
import random
import re
import shutil
import time

from harness import case_file
from harness.millrace import Failure, Millrace, Number, exact_json, exact_text

WAYS = ("batch", "single", "kill")
TYPES = {"json": "application/x-ndjson", "csv": "text/csv"}
COMMIT_EVERY = {"batch": "1m", "single": "100ms", "kill": "100ms"}
LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warn|error) .*\n", re.M)
NEEDS_RUN = {"records", "request", "query", "await", "settle", "restart", "kill", "wait"}


def differences(title, expected, actual):
    lines = [title]
    for line in expected:
        lines.append(("    " if line in actual else "  - ") + line)
    lines += ["  + " + line for line in actual if line not in expected]
    return "\n".join(lines)


def contains(whole, part):
    """True if `part` is within `whole`: objects by their keys, the rest exactly; "*" is anything but null, "~x" a text with x."""
    if part == "*":
        return whole is not None
    if isinstance(part, str) and part.startswith("~"):
        return isinstance(whole, str) and part[1:] in whole
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and contains(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(contains, whole, part))
    return whole == part and isinstance(whole, Number) == isinstance(part, Number)


class CaseRun:
    """One way through one case. `answers` collects what was said instead of what was expected, by line."""

    def __init__(self, path, steps, way, folder, seed):
        self.path, self.steps, self.way, self.folder = path, steps, way, folder
        self.random = random.Random(f"{seed} {path.name} {way}")
        self.answers = {}
        self.problems = []
        self.millrace = Millrace(folder, environment={"COMMIT": COMMIT_EVERY[way], "TZ": "UTC", "COLUMNS": "200"})

    def run(self, judge):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        needs_run = any(step.word in NEEDS_RUN for step in self.steps)
        with self.millrace as millrace:
            for step in self.steps:
                if step.word in NEEDS_RUN and millrace.process is None:
                    millrace.start()
                getattr(self, "do_" + step.word)(step)
            if needs_run and millrace.is_running():
                millrace.stop()
                if judge:
                    judge.check_folder(millrace.data)
                    judge.compare_running(millrace.start())
                    millrace.stop()
        return self.problems

    # What a step finds wrong is noted and the case goes on, so that one run shows all of it.
    def note(self, section, expected, actual, title):
        if expected == actual:
            return
        self.answers[section.line] = (None, actual)
        self.problems.append(differences(f"{self.path}:{section.line} [{self.way}] {title}", expected.splitlines(), actual.splitlines()))

    def without_folder(self, text):
        return text.replace(str(self.folder), "$FOLDER")

    def do_only(self, step):
        pass

    def do_pipeline(self, step):
        (self.folder / "pipeline.yaml").write_text(step.text)

    def do_file(self, step):
        path = self.folder / step.arguments[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name("." + path.name)
        beside.write_bytes(case_file.body_of(step))
        beside.rename(path)

    def do_records(self, step):
        source, kind = step.arguments[0], "csv" if "csv" in step.arguments else "json"
        lines = case_file.body_of(step).split(b"\n")[:-1]
        header = [lines.pop(0)] if kind == "csv" else []
        key = [word[4:] for word in step.arguments if word.startswith("key=")]
        headers = {"X-Partition-Key": key[0]} if key else {}

        def send(part):
            if part:
                self.millrace.send(source, b"\n".join([*header, *part]) + b"\n", TYPES[kind], headers)

        if self.way == "batch":
            send(lines)
        elif self.way == "single":
            for line in lines:
                send([line])
        else:
            middle = self.random.randint(0, len(lines))
            send(lines[:middle])
            self.do_kill(step)
            send(lines[middle:])
            if self.random.random() < 0.5:
                self.do_kill(step)

    def do_kill(self, _step):
        time.sleep(self.random.choice((0, 0.01, 0.05, 0.15, 0.3)))
        self.millrace.kill()
        self.millrace.start()

    def do_restart(self, _step):
        self.millrace.stop()
        self.millrace.start()

    def do_stop(self, _step):
        if self.millrace.is_running():
            self.millrace.stop()

    def do_settle(self, step):
        self.millrace.catch_up()
        if self.way == "batch":  # which commits every minute, and when it ends
            self.do_restart(step)
        else:
            self.millrace.settle()

    def answer_to(self, step):
        sql = step.text.strip()
        parameters = json.loads(" ".join(step.arguments)) if step.arguments else {}
        headers = {"Content-Type": "application/json"}
        body = json.dumps({"sql": sql, "parameters": parameters})
        status, _, answer = self.millrace.request("POST", "/v1/query", body, headers)
        said = exact_json(answer)
        if status == 200:
            return "rows", self.without_folder("".join(exact_text(row) + "\n" for row in said["rows"]))
        error = said["error"]
        place = f" at {error['place']}" if error.get("place") else ""
        return "error", self.without_folder(f"{error['code']}{place}: {error['message']}\n")

    @staticmethod
    def canonical(expected):
        if expected.word == "error":
            return expected.text
        return "".join(exact_text(exact_json(line)) + "\n" for line in expected.text.splitlines())

    def do_query(self, step):
        self.millrace.catch_up()
        word, actual = self.answer_to(step)
        expected = step.expected[0]
        if word == expected.word:
            self.note(expected, self.canonical(expected), actual, "the query's " + word)
        else:
            self.answers[expected.line] = ("--- " + word, actual)
            self.problems.append(f"{self.path}:{expected.line} [{self.way}] {word} instead of {expected.word}:\n{actual}")

    def do_await(self, step):
        expected = self.canonical(step.expected[0])
        deadline = time.monotonic() + 20
        actual = None
        while actual != expected and time.monotonic() < deadline:
            actual = self.answer_to(step)[1]
            time.sleep(0.02)
        self.note(step.expected[0], expected, actual, "after 20 s the query's rows")

    def do_wait(self, step):
        deadline = time.monotonic() + 20
        while True:
            said = self.millrace.json(*step.arguments[:2])
            if contains(said, exact_json(step.text)):
                return
            if time.monotonic() > deadline:
                raise Failure(f"line {step.line}: after 20 s {step.arguments[1]} still answers {exact_text(said)}")
            time.sleep(0.02)

    def do_request(self, step):
        method, path, *kinds = step.arguments
        if not path.endswith("/records"):
            self.millrace.catch_up()
        headers = {"Content-Type": kinds[0]} if kinds else {}
        status, _, body = self.millrace.request(method, path, case_file.body_of(step) or None, headers)
        said = self.without_folder(body.decode(errors="replace"))
        expected = step.expected[0]
        status_expected = int(expected.arguments[0])
        heading = f"--- answer {status}"
        try:
            is_as_expected = contains(exact_json(said), exact_json(expected.text)) if expected.text.strip() else True
        except json.JSONDecodeError:
            is_as_expected = said.strip() == expected.text.strip()
        if status != status_expected or not is_as_expected:
            self.answers[expected.line] = (heading, said)
            self.problems.append(differences(f"{self.path}:{expected.line} [{self.way}] {step.arguments[0]} {path} answered {status}",
                                             expected.text.splitlines(), said.splitlines()))

    def do_command(self, step):
        words = [str(self.millrace.data) if word == "$DATA" else word for word in step.arguments]
        if self.millrace.is_running():
            self.millrace.catch_up()
        code, output, errors = self.millrace.command(*words)
        expected = {section.word: section for section in step.expected}
        for word, actual in (("output", output), ("errors", errors)):
            if word in expected:
                actual = LOG_LINE.sub("", self.without_folder(actual))
                self.note(expected[word], expected[word].text, actual, f"the command's {word}")
        code_expected = int(expected["exit"].arguments[0]) if "exit" in expected else 0
        if code != code_expected:
            if "exit" in expected:
                self.answers[expected["exit"].line] = (f"--- exit {code}", "")
            self.problems.append(f"{self.path}:{step.line} [{self.way}] exit code {code} instead of {code_expected}:\n{output}{errors}")


def ways_of(steps):
    for step in steps:
        if step.word == "only":
            return step.arguments
    has_records = any(step.word == "records" for step in steps)
    return WAYS if has_records else ("batch",)


def run_case(path, way, folder, seed, judge):
    """The problems of one way through one case, as texts, and the answers for --update."""
    steps = case_file.read(path)
    run = CaseRun(path, steps, way, folder, seed)
    try:
        return run.run(judge), run.answers
    except (Failure, OSError, ValueError) as error:
        return run.problems + [f"{path} [{way}] {error}"], run.answers
