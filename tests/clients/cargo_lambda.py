#!/usr/bin/env python3
"""`millrace lambda` driven by another stand-in for Lambda than our own: `cargo lambda watch`, a program that nobody here wrote.
Called by run.py --clients.

    BUILD=build/release python cargo_lambda.py [NAME..]

Its wheel comes once per machine, pinned, by pip into the user's cache. It wants `cargo` itself; without it what follows is left out.
"""
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from harness import lambda_events
from harness.millrace import BINARY, Failure
from harness.ports import free_port
from operations.lambda_bench import LambdaBench, record

WHEEL = "cargo-lambda==1.9.2 --hash=sha256:db2c0b1d53d7ed0055198fd045f641addc91b180b20d794fcf78cc9a9efacb38"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "millrace" / "cargo-lambda-1.9.2"
CARGO = pathlib.Path.home() / ".cargo" / "bin"
START_SECONDS_MAX = 30
PACKAGE = '[package]\nname = "fn"\nversion = "0.1.0"\nedition = "2021"\n'


def program():
    if not (CACHE / "bin" / "cargo-lambda").exists():
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE.parent) as made:
            wanted = pathlib.Path(made, "requirements.txt")
            wanted.write_text(WHEEL + "\n")
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                            "--require-hashes", "--only-binary", ":all:", "--target", f"{made}/package", "-r", str(wanted)], check=True)
            try:
                pathlib.Path(made, "package").rename(CACHE)
            except OSError:  # another test was faster
                pass
    return CACHE / "bin" / "cargo-lambda"


class CargoLambda:
    """A running `cargo lambda watch` and a function `fn` that asks it for events. Use it in `with`."""

    def __init__(self, folder, bench):
        self.folder, self.bench, self.port = folder, bench, free_port()
        (folder / "package" / "src").mkdir(parents=True)
        (folder / "package" / "Cargo.toml").write_text(PACKAGE)
        (folder / "package" / "src" / "main.rs").write_text("fn main() {}\n")
        self.processes = []

    def __enter__(self):
        try:
            return self.started()
        except BaseException:
            self.__exit__()
            raise

    def started(self):
        path = {"PATH": f"{os.environ['PATH']}:{CARGO}"}
        self.start("watch", [program(), "lambda", "watch", "--only-lambda-apis", "--ignore-changes", "--invoke-address", "127.0.0.1",
                             "--invoke-port", self.port], {**os.environ, **path}, self.folder / "package")
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.listens():
            if time.monotonic() > deadline:
                raise Failure(f"cargo lambda does not listen:\n{(self.folder / 'watch').read_text()}")
            time.sleep(0.1)
        self.start("function", [BINARY, "lambda", self.bench.pipeline],
                   {**self.bench.variables, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.port}/.rt/fn", "AWS_REGION": "us-east-1",
                    "AWS_LAMBDA_FUNCTION_NAME": "fn", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
                    "MILLRACE_DATA": str(self.folder / "tmp")}, self.folder)
        return self

    def start(self, name, words, environment, folder):
        with open(self.folder / name, "wb") as log:
            self.processes.append(subprocess.Popen(list(map(str, words)), cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                                   stdout=log, stderr=log))

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def ask(self, method, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def invoke(self, event):
        return self.ask("POST", "/2015-03-31/functions/fn/invocations", event if isinstance(event, bytes) else json.dumps(event).encode())

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.kill()
            process.wait()


def test_cargo_batches(folder):
    with LambdaBench(folder) as bench, CargoLambda(folder / "cargo", bench) as cargo:
        bench.put(500)
        for begin in (0, 100, 100, 50, 200, 300, 400):
            status, answer = cargo.invoke(bench.batch(begin, begin + 100))
            if (status, json.loads(answer)) != (200, {"batchItemFailures": []}):
                raise Failure(f"a batch was answered with {status} {answer}\n{(folder / 'cargo' / 'function').read_text()[-2000:]}")
        bench.check()


def test_cargo_errors(folder):
    with LambdaBench(folder) as bench, CargoLambda(folder / "cargo", bench) as cargo:
        bench.put(20)
        for event in (lambda_events.s3_put(), {"Records": 7}, {"what": record(0).decode()}):
            answer = json.loads(cargo.invoke(event)[1])
            if "errorMessage" not in answer:
                raise Failure(f"{event} was answered with {answer}")
        status, answer = cargo.invoke(bench.batch(0, 20))
        if (status, json.loads(answer)) != (200, {"batchItemFailures": []}):
            raise Failure(f"a batch after errors was answered with {status} {answer}")
        bench.check()


def tests():
    return {name.removeprefix("test_"): function for name, function in globals().items() if name.startswith("test_")}


def why_left_out(_):
    found = shutil.which("cargo") or shutil.which("cargo", path=str(CARGO))
    return "" if found else "there is no cargo on this machine"


def main():
    folder = pathlib.Path(os.environ["BUILD"]).resolve().parent / "test_data" / "clients"
    problems = 0
    for name in sys.argv[1:] or tests():
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
        try:
            tests()[name](folder / name)
        except Failure as failure:
            problems += 1
            print(f"{name}: {failure}")
    return 1 if problems else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # delta-rs' threads can abort a gentle end
