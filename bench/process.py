"""Runs programs and takes their CPU time and memory."""
import dataclasses
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
from harness.millrace import BINARY, Failure, Millrace  # noqa: E402

SOURCES = pathlib.Path(__file__).resolve().parent
PROGRAMS = pathlib.Path(BINARY).resolve().parent / "bench"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Cost:
    seconds: float  # on the wall's clock
    cpu: float      # user and system seconds
    peak: int       # bytes resident


class Peak(threading.Thread):
    """Watches how much memory a process takes at most. What the kernel says at its end counts this script's own, too: a child begins
    with it."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.bytes = pid, 0
        self.start()

    def run(self):
        while now := peak_memory(self.pid):
            self.bytes = now
            time.sleep(0.005)


def ended(process, start, peak):
    """Waits for the process and says what it cost."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    peak.join()
    if process.returncode != 0:
        raise Failure(f"{process.args[0]} ended with {process.returncode}")
    return Cost(time.monotonic() - start, usage.ru_utime + usage.ru_stime, peak.bytes)


def run(name, *words, environment=None):
    """Runs one of our bench programs: (output, cost)."""
    start = time.monotonic()
    with subprocess.Popen([PROGRAMS / name, *map(str, words)], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, **(environment or {})}) as process:
        peak = Peak(process.pid)
        output = process.stdout.read()
        return output, ended(process, start, peak)


def wait_port(port, seconds, process):
    """Waits until something listens there."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"{process.args[0]} does not listen on {port}") from None
            time.sleep(0.1)


def cpu_and_memory(pid):
    """User and system seconds so far, bytes resident now."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return (int(fields[11]) + int(fields[12])) / TICKS, resident


def peak_memory(pid):
    """Bytes that were resident at most; 0: it has ended."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


class Measured(Millrace):
    """A millrace whose end, which commits all rows, tells what it cost from its start on."""

    def start(self):
        self.begin = time.monotonic()
        return super().start()

    def spawn(self, *words):
        super().spawn(*words)
        self.peak = Peak(self.process.pid)

    def finish(self):
        self.process.terminate()
        cost = ended(self.process, self.begin, self.peak)
        self.process = None
        return cost

    def number(self, sql):
        return int(self.query(sql)[0][0])

    def wait_number(self, sql, wanted, seconds=600):
        deadline = time.monotonic() + seconds
        while (found := self.number(sql)) < wanted:
            if time.monotonic() > deadline or not self.is_running():
                raise Failure(f"{sql} gave {found} instead of {wanted}")
            time.sleep(0.05)
        if found != wanted:
            raise Failure(f"{sql} gave {found} instead of {wanted}")
