"""AWS Lambda's side of a custom runtime: environments that are processes, their time limits and their ends.

tests/harness/lambda_api.py is the API that they ask. What a runtime does wrong stands in `Environment.violations`. A process inherits
nothing but what Lambda sets, has no HOME, and a task root of its own.
"""
import dataclasses
import json
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time
import uuid

from harness.lambda_api import PAYLOAD_BYTES_MAX, REGION, Server

INIT_SECONDS_MAX = 10


@dataclasses.dataclass
class Settings:
    """What is configured of a function."""
    command: list
    folder: pathlib.Path                     # of all environments
    environment: dict = dataclasses.field(default_factory=dict)
    files: tuple = ()                        # copied into the task root
    name: str = "millrace"
    memory_mb: int = 1769                    # what has one virtual CPU
    seconds: float = 60                      # the function's time limit
    freezes: bool = False                    # stops the process between invocations, as Lambda does
    plan: object = None                      # step -> None, or seconds after which the process is killed; see Environment


@dataclasses.dataclass
class Outcome:
    """How an invocation ended: "response", "error" (the runtime's), "timeout", "crash", "init_error"."""
    kind: str
    body: bytes = b""
    error_type: str = ""
    seconds: float = 0

    def json(self):
        return json.loads(self.body)

    @property
    def answered(self):
        return self.kind == "response"


class Invocation:
    def __init__(self, payload, seconds):
        self.id, self.payload, self.seconds = str(uuid.uuid4()), payload, seconds
        self.deadline = self.begin = None    # on the wall's clock, once it is handed out
        self.outcome = None


class Environment:
    """One execution environment: a process, its API on a port of its own, one invocation at a time.

    `plan(step)` is asked at "init" (the process was started), "delivered" (it gets the event), "response" (its answer has come and is
    not yet taken: a kill at once loses it) and "answered" (it was taken): whether to kill the process, after how many seconds.
    After a crash or timeout the next invocation starts the process anew in the same folder: Lambda does not clear /tmp then.
    """

    def __init__(self, settings, number=0):
        self.settings, self.number = settings, number
        self.folder = pathlib.Path(settings.folder) / f"environment{number}"
        self.task_root, self.tmp = self.folder / "task", self.folder / "tmp"
        for folder in (self.task_root, self.tmp):
            folder.mkdir(parents=True, exist_ok=True)
        for path in settings.files:
            (shutil.copytree if pathlib.Path(path).is_dir() else shutil.copy)(path, self.task_root / pathlib.Path(path).name)
        self.changed = threading.Condition()
        self.process = self.invocation = None
        self.is_waiting = self.had_next = self.is_frozen = False
        self.violations, self.init_seconds, self.init_errors = [], [], []
        self.counts = dict.fromkeys(("starts", "invocations", "timeouts", "crashes", "kills"), 0)
        self.killer = None
        self.server = Server(self)

    @property
    def log(self):
        return self.folder / "stdout"

    def lines(self):
        """What it wrote to its standard output."""
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def last_errors(self, count=15):
        path = self.folder / "stderr"
        return "\n".join(path.read_text(errors="replace").splitlines()[-count:]) if path.exists() else ""

    def variables(self):
        settings = self.settings
        return {"PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC", "_HANDLER": "bootstrap",
                "LAMBDA_TASK_ROOT": str(self.task_root), "LAMBDA_RUNTIME_DIR": "/var/runtime", "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION, "AWS_LAMBDA_FUNCTION_NAME": settings.name, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_mb), "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{settings.name}",
                "AWS_LAMBDA_LOG_STREAM_NAME": f"2026/11/20/[$LATEST]{self.number:032x}",
                "AWS_LAMBDA_RUNTIME_API": self.server.address, "MILLRACE_DATA": str(self.tmp / "millrace"), **settings.environment}

    def start(self):
        """Starts the process, if none runs, and does not wait for it."""
        with self.changed:
            if self.process is not None:
                return
            self.had_next = self.is_waiting = self.is_frozen = False
            self.counts["starts"] += 1
            self.started = time.monotonic()
            with open(self.log, "ab") as out, open(self.folder / "stderr", "ab") as errors:
                self.process = subprocess.Popen([str(word) for word in self.settings.command], cwd=self.task_root,
                                                env=self.variables(), stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
        self.kill_by_plan("init")
        threading.Thread(target=self.watch, args=(self.process,), daemon=True).start()

    def watch(self, process):
        """Notes the end of the process: nothing but Lambda ends a runtime."""
        code = process.wait()
        with self.changed:
            if self.process is not process:
                return
            self.process, self.is_waiting = None, False
            if self.invocation:
                self.counts["crashes"] += 1
                self.end(Outcome("crash", error_type="Runtime.ExitError", body=f"exit code {code}".encode()))
            self.changed.notify_all()

    def kill_by_plan(self, step):
        """True if the process was killed at once."""
        seconds = self.settings.plan(step) if self.settings.plan else None
        if seconds is None:
            return False
        process = self.process
        if seconds > 0:
            self.killer = threading.Timer(seconds, lambda: self.kill_process(process))
            self.killer.daemon = True
            self.killer.start()
            return False
        self.kill_process(process)
        return True

    def kill_process(self, process):
        with self.changed:
            if process is not None and self.process is process and process.poll() is None:
                self.counts["kills"] += 1
                process.kill()

    def prepare(self):
        """Until the process asks for an event; None, or how it failed. Lambda gives a new one 10 s, then once more in the invocation."""
        limits = [INIT_SECONDS_MAX, self.settings.seconds]
        while limits:
            self.start()
            with self.changed:
                self.changed.wait_for(lambda: self.is_waiting or self.process is None, limits[0])
                if self.is_waiting:
                    return None
                if self.process is None and not self.had_next:
                    return Outcome("init_error", (self.init_errors or [b""])[-1], "Runtime.ExitError")
                if self.process is not None:    # else it died while it waited, and is started anew
                    self.counts["timeouts"] += 1
                    self.kill_now()
                    limits.pop(0)
        return Outcome("timeout", error_type="Sandbox.Timedout")

    def invoke(self, payload, seconds=None):
        """Sends an event (bytes, or what becomes JSON) and waits until the runtime has ended with it."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        assert len(body) <= PAYLOAD_BYTES_MAX, "Lambda refuses such an event"
        if failed := self.prepare():
            return failed
        invocation = Invocation(body, seconds or self.settings.seconds)
        with self.changed:
            if self.process is None:
                return Outcome("crash", error_type="Runtime.ExitError")
            self.counts["invocations"] += 1
            self.thaw()
            self.invocation = invocation
            self.changed.notify_all()
            self.await_end(invocation)
        return invocation.outcome

    def await_end(self, invocation):
        """The answer, the end of the process, or the deadline; then, until the deadline, for the next `next`. Holds the lock."""
        self.changed.wait_for(lambda: invocation.outcome or invocation.deadline, invocation.seconds)
        deadline = invocation.deadline or time.time()
        self.changed.wait_for(lambda: invocation.outcome, max(0, deadline - time.time()))
        if not invocation.outcome:
            self.counts["timeouts"] += 1
            self.end(Outcome("timeout", error_type="Sandbox.Timedout"))
            self.kill_now()
            return
        self.changed.wait_for(lambda: self.is_waiting or self.process is None, max(0, deadline - time.time()))
        if not self.is_waiting and self.process is not None:
            self.counts["timeouts"] += 1
            self.violations.append("it did not ask for the next event before the deadline")
            self.kill_now()

    def end(self, outcome):
        """Of the invocation that is under way. Holds the lock."""
        invocation, self.invocation = self.invocation, None
        if self.killer:
            self.killer.cancel()
        outcome.seconds = time.time() - (invocation.begin or time.time())
        invocation.outcome = outcome
        self.changed.notify_all()

    def kill_now(self):
        """Holds the lock."""
        process, self.process, self.is_waiting = self.process, None, False
        if process is not None:
            process.kill()
            process.wait()

    def thaw(self):
        if self.is_frozen and self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.is_frozen = False

    def freeze(self):
        if self.settings.freezes and self.process is not None and not self.invocation and self.had_next:
            self.process.send_signal(signal.SIGSTOP)
            self.is_frozen = True

    def close(self):
        """As Lambda does without extensions: it kills. Returns the peak of resident bytes, 0 if no process ran."""
        with self.changed:
            self.thaw()
            peak = self.peak_bytes()
            self.kill_now()
        self.server.close()
        return peak

    def peak_bytes(self):
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
            return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024
        except (AttributeError, TypeError, OSError):
            return 0

    # What the server calls.

    def wait_for_event(self):
        """The invocation to hand out; or None if the process ended, or a text that refuses."""
        with self.changed:
            if self.invocation and self.invocation.deadline:
                return "an event is not answered yet"
            if self.is_waiting:
                return "another `next` waits already"
            if not self.had_next:
                self.init_seconds.append(time.monotonic() - self.started)
            self.had_next = self.is_waiting = True
            self.changed.notify_all()
            process = self.process
            self.freeze()
            self.changed.wait_for(lambda: self.invocation or self.process is not process)
            if self.process is not process:
                return None
            self.is_waiting = False
            self.invocation.begin = time.time()
            self.invocation.deadline = self.invocation.begin + self.invocation.seconds
            self.changed.notify_all()
            return self.invocation

    def take_answer(self, request_id, kind, body, error_type):
        """True if it is the answer to the event that is under way."""
        with self.changed:
            if not self.invocation or not self.invocation.deadline or self.invocation.id != request_id:
                return False
            if self.kill_by_plan("response"):
                return True                     # the process never sees that it was taken, and it is not
            self.end(Outcome(kind, body, error_type))
        self.kill_by_plan("answered")
        return True

    def take_init_error(self, body):
        with self.changed:
            if self.had_next:
                return False
            self.init_errors.append(body)
            return True

    def violated(self, text):
        self.violations.append(text)


class Function:
    """A function with up to `concurrency` environments. An invocation gets any that is free: Lambda promises no more.

    After `lifetime` invocations an environment is given up, and the next one begins with an empty folder.
    """

    def __init__(self, settings, concurrency=1, lifetime=None):
        self.settings, self.concurrency, self.lifetime = settings, concurrency, lifetime
        self.environments, self.free, self.given_up = [], [], 0
        self.changed = threading.Condition()

    def invoke(self, payload, seconds=None):
        environment = self.take()
        try:
            return environment.invoke(payload, seconds)
        finally:
            is_old = self.lifetime and environment.counts["invocations"] >= self.lifetime
            if is_old:
                environment.close()
            with self.changed:
                self.given_up += bool(is_old)
                self.free += [] if is_old else [environment]
                self.changed.notify()

    def take(self):
        with self.changed:
            self.changed.wait_for(lambda: self.free or len(self.environments) - self.given_up < self.concurrency)
            if not self.free:
                self.environments.append(Environment(self.settings, len(self.environments)))
                self.free.append(self.environments[-1])
            return self.free.pop(0)

    def kill_any(self, chance):
        """A random process, as a machine dies."""
        with self.changed:
            environments = [one for one in self.environments if one.process is not None]
        if environments:
            one = chance.choice(environments)
            one.kill_process(one.process)

    @property
    def violations(self):
        return [text for environment in self.environments for text in environment.violations]

    def count(self, name):
        return sum(environment.counts[name] for environment in self.environments)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for environment in self.environments:
            environment.close()
