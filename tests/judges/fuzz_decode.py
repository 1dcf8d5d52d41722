#!/usr/bin/env python3
"""Fuzzes the decoder under ASan and UBSan for a bounded time (fuzz/README.md).

    BUILD=build/release FUZZ_SECONDS=10 FUZZ_SEED=N python fuzz_decode.py
"""
import os
import pathlib
import subprocess
import sys


def main():
    program = pathlib.Path(os.environ.get("BUILD", "build/release"), "fuzz/fuzz_decode")
    if not program.exists():
        print(f"fuzz_decode: {program} is not built")
        return 1
    seconds = float(os.environ.get("FUZZ_SECONDS", "10"))
    seed = os.environ.get("FUZZ_SEED")
    command = [program, str(seconds), *([seed] if seed else [])]
    try:
        # An input that hangs is a finding, too.
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds * 3 + 60, check=False)
    except subprocess.TimeoutExpired as late:
        print(f"fuzz_decode: hangs\n{(late.stdout or b'').decode(errors='replace')}")
        return 1
    if done.returncode != 0:
        print(f"fuzz_decode: failed ({done.returncode})\n{done.stdout}{done.stderr[-8000:]}")
        return 1
    print("fuzz_decode: " + "; ".join(line.removeprefix("fuzz: ") for line in done.stdout.splitlines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
