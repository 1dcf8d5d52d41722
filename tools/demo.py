#!/usr/bin/env python3
"""Runs the main job before your eyes: starts the orders pipeline in a fresh folder, sends it labelled orders with a
tenfold burst, runs the day's job, prints its report and the scorecard, and leaves nothing behind.

    demo.py [--keep] [--seconds N] [--rate N]

Exit code: 0 if every promise was kept, 1 if one was not, 130 after Ctrl-C.
"""
import argparse
import datetime
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import zoneinfo

ROOT = pathlib.Path(__file__).resolve().parent.parent
PIPELINE = ROOT / "examples" / "orders" / "orders.yaml"
ZONE = "Europe/Berlin"  # of the pipeline's days
START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 30


def say(text=""):
    print(text, flush=True)


def headline(text):
    bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    say(f"\n\x1b[1m{text}\x1b[0m" if bold else f"\n{text}")


class Instance:
    """`millrace run` as a child in a session of its own, so that Ctrl-C reaches it only through us."""

    def __init__(self, program, data):
        self.data = data
        self.log_path = data.parent / "millrace.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program, "run", PIPELINE, "--data", data, "--listen", "127.0.0.1:0", "--log-level", "warn"],
                stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        self.banner = []

    def wait_until_ready(self):
        """Reads the banner; its last line says how to stop. Returns the address."""
        signal.alarm(START_SECONDS_MAX)
        try:
            for line in self.process.stdout:
                self.banner.append(line.rstrip())
                if line.strip().startswith("stop"):
                    break
        finally:
            signal.alarm(0)
        address = [line.split()[1] for line in self.banner if line.strip().startswith("address")]
        if not address:
            raise SystemExit(f"demo: the instance did not start:\n{self.log_path.read_text(errors='replace')}")
        return address[0]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


def run(program, *arguments, capture=False):
    """Runs a companion; what it says on standard error is shown as it comes."""
    return subprocess.run([program, *arguments], stdout=subprocess.PIPE if capture else None, text=True, check=False)


def play(program, instance, options):
    address = instance.wait_until_ready()
    say("\n".join(instance.banner[:-1]))
    burst_start, burst_seconds = options.seconds * 2 // 5, max(1, options.seconds // 5)
    headline(f"Orders, {options.rate} a second for {options.seconds} s, ten times that from second {burst_start} to "
             f"{burst_start + burst_seconds}")
    scorecard = run(program, "evaluate", PIPELINE, "--data", instance.data, "--rate", str(options.rate), "--duration",
                    f"{options.seconds}s", "--burst", f"10x@{burst_start}s/{burst_seconds}s", capture=True)
    if not scorecard.stdout:
        return scorecard.returncode or 1
    day = datetime.datetime.now(zoneinfo.ZoneInfo(ZONE)).date().isoformat()
    headline("The day's job: what 1 AM does")
    say(f"$ millrace job run daily_sales {day}")
    job = run(program, "job", "run", "daily_sales", day, "--data", instance.data)
    headline("The report")
    say("$ millrace report top_customers limit=10")
    report = run(program, "report", "top_customers", "limit=10", "--data", instance.data)
    headline("The scorecard")
    say(scorecard.stdout.rstrip())
    if options.keep:
        headline(f"Still running at {address}")
        say(f"data folder {instance.data}; ask it for example\n"
            f"  {program} query --data {instance.data} 'SELECT count(*) FROM checked_orders'\n"
            f"  {program} status --data {instance.data}\nCtrl-C ends it and removes the folder.")
        instance.process.wait()
    return 1 if scorecard.returncode or job.returncode or report.returncode else 0


def stopped(number, _frame):
    if number == signal.SIGALRM:
        raise SystemExit("demo: the instance did not start in time")
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="stay up at the end, until Ctrl-C")
    parser.add_argument("--seconds", type=int, default=20, help="how long to send orders (20)")
    parser.add_argument("--rate", type=int, default=100, help="orders a second outside of the burst (100)")
    options = parser.parse_args()
    program = os.environ.get("MILLRACE", str(ROOT / "build" / "release" / "millrace"))
    if not shutil.which(program):
        parser.error(f"no program at {program}: run ./mill build")
    if options.seconds < 5 or options.rate < 1:
        parser.error("at least 5 seconds and 1 order a second")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGHUP):
        signal.signal(number, stopped)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-demo-"))
    instance = None
    try:
        instance = Instance(program, folder / "data")
        code = play(program, instance, options)
    except KeyboardInterrupt:
        say("\nstopped")
        code = 0 if options.keep else 130
    finally:
        if instance:
            left = instance.stop()
            log = instance.log_path.read_text(errors="replace")
        shutil.rmtree(folder, ignore_errors=True)
    if left != 0:
        say(f"demo: the instance ended with {left}:\n{log}")
        return code or 1
    return code


if __name__ == "__main__":
    sys.exit(main())
