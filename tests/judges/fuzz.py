#!/usr/bin/env python3
"""Fuzzes what reads bytes of others under ASan and UBSan for a bounded time (fuzz/README.md).

    BUILD=build/release FUZZ_SECONDS=10 FUZZ_SEED=N python fuzz.py
"""
import os
import pathlib
import subprocess
import sys


PROGRAMS = ["fuzz_decode", "fuzz_packed", "fuzz_aws", "fuzz_kinesis"]


def is_fine(name, seconds, seed):
    program = pathlib.Path(os.environ.get("BUILD", "build/release"), "fuzz", name)
    if not program.exists():
        print(f"{name}: {program} is not built")
        return False
    command = [program, str(seconds), *([seed] if seed else [])]
    try:
        # An input that hangs is a finding, too.
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds * 3 + 60, check=False)
    except subprocess.TimeoutExpired as late:
        print(f"{name}: hangs\n{(late.stdout or b'').decode(errors='replace')}")
        return False
    if done.returncode != 0:
        print(f"{name}: failed ({done.returncode})\n{done.stdout}{done.stderr[-8000:]}")
        return False
    print(f"{name}: " + "; ".join(line.removeprefix("fuzz: ") for line in done.stdout.splitlines()))
    return True


def main():
    seconds = float(os.environ.get("FUZZ_SECONDS", "10"))
    fine = [is_fine(name, seconds, os.environ.get("FUZZ_SEED")) for name in PROGRAMS]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
