"""A running millrace, as the tests see it: a process, its data folder and its HTTP address."""
import http.client
import json
import os
import pathlib
import signal
import subprocess
import time

BINARY = os.environ.get("MILLRACE", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "millrace"))
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 30
WAIT_SECONDS_MAX = 60


class Failure(Exception):
    """What a test reports; its text is for a person."""


class Number(str):
    """A JSON number as it was written, so that 1.50 and 1.5 differ and no digit is lost."""
    __hash__ = str.__hash__

    def __eq__(self, other):
        return isinstance(other, Number) and str(self) == str(other)

    def __repr__(self):
        return str(self)


def exact_json(text):
    return json.loads(text, parse_float=Number, parse_int=Number)


def exact_text(value):
    """The JSON of what exact_json read, numbers as they were."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(exact_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {exact_text(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def last_lines(path, count=15):
    text = path.read_text(errors="replace") if path.exists() else ""
    return "\n".join(text.splitlines()[-count:])


class Millrace:
    """Runs `millrace run` on a pipeline in `folder`. Several starts and ends are one life of its data folder."""

    def __init__(self, folder, pipeline="pipeline.yaml", data="data", environment=None, flags=()):
        self.folder = pathlib.Path(folder)
        self.pipeline = pipeline
        self.data = self.folder / data
        self.environment = {**os.environ, **(environment or {})}
        self.flags = list(flags)
        self.log = self.folder / f"{pathlib.Path(data).name}.log"
        self.process = None
        self.port = None

    def spawn(self, listen="127.0.0.1:0"):
        command = [BINARY, "run", self.pipeline, "--data", str(self.data), "--listen", listen, *self.flags]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)

    def start(self):
        self.spawn()
        self.wait_ready()
        return self

    def find_address(self):
        """The port, once the process has said it in the data folder's lock."""
        try:
            lines = dict(line.split(" ", 1) for line in (self.data / "lock").read_text().splitlines() if " " in line)
        except FileNotFoundError:
            return None
        if lines.get("process") != str(self.process.pid) or "address" not in lines:
            return None
        return int(lines["address"].rsplit(":", 1)[1].rstrip("/"))

    def wait_ready(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failure(f"millrace ended with {self.process.returncode} at start:\n{last_lines(self.log)}")
            self.port = self.find_address()
            try:
                if self.port and self.request("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise Failure(f"millrace was not ready after {START_SECONDS_MAX} s:\n{last_lines(self.log)}")

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self, how=signal.SIGTERM):
        """Ends it gently and returns its exit code."""
        self.process.send_signal(how)
        try:
            code = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"millrace did not end within {STOP_SECONDS_MAX} s:\n{last_lines(self.log)}") from None
        self.process = None
        return code

    def stop(self):
        """Ends it gently; anything but exit code 0 is a failure."""
        code = self.end()
        if code != 0:
            raise Failure(f"millrace ended with {code} after SIGTERM:\n{last_lines(self.log)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def request(self, method, path, body=None, headers=None, timeout=60):
        """(status, headers, body) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def json(self, method, path, body=None):
        """The exact JSON of an answer that must be 200."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        status, _, answer = self.request(method, path, None if body is None else json.dumps(body), headers)
        if status != 200:
            raise Failure(f"{method} {path} answered {status}: {answer.decode(errors='replace')}")
        return exact_json(answer)

    def send(self, source, body, content_type="application/x-ndjson", headers=None):
        """Sends one body, again while the answer is `slow down`; the answer's JSON."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while True:
            status, _, answer = self.request("POST", f"/v1/streams/{source}/records", body,
                                             {"Content-Type": content_type, **(headers or {})})
            if status == 200:
                return exact_json(answer)
            if status not in (429, 503) or time.monotonic() > deadline:
                raise Failure(f"records for {source} were answered with {status}: {answer.decode(errors='replace')}")
            time.sleep(0.05)

    def query(self, sql, parameters=None):
        """(names, rows); Failure with the error's JSON in `answer` if it is refused."""
        return self.query_result(sql, parameters)["rows"]

    def query_result(self, sql, parameters=None):
        return self.json("POST", "/v1/query", {"sql": sql, "parameters": parameters or {}})

    def tables(self):
        return {table["name"]: table for table in self.json("GET", "/v1/tables")["tables"]}

    def wait_for(self, what, holds):
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not holds():
            if not self.is_running():
                code = self.process.returncode if self.process else None
                raise Failure(f"millrace ended with {code} while waiting until {what}:\n{last_lines(self.log)}")
            if time.monotonic() > deadline:
                raise Failure(f"not within {WAIT_SECONDS_MAX} s: {what}\n{last_lines(self.log)}")
            time.sleep(0.01)

    def catch_up(self):
        """Waits until every record that was acknowledged is visible, but for tables that have halted."""
        self.wait_for("all records are in the tables",
                      lambda: all(table.get("halted") or int(table.get("lag_records") or 0) == 0 for table in self.tables().values()))

    def settle(self):
        """Waits until all rows are committed."""
        self.catch_up()
        self.wait_for("all rows are committed", lambda: all(int(table.get("hot_rows") or 0) == 0 for table in self.tables().values()))

    def command(self, *words, timeout=120):
        """Runs another millrace command on the same data folder: (exit code, output, errors)."""
        done = subprocess.run([BINARY, *words], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=timeout, check=False)
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
