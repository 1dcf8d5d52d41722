#!/usr/bin/env python3
"""Brings DuckDB's official static libraries and header into a folder, each file checked by sha256.

    fetch_duckdb.py FOLDER [--from go|release]

The files of the release archive static-libs-linux-amd64.zip are also the content of a Go module, which
comes through Go's own client and its checksum database. The pins in duckdb.sha256.json decide whichever
way they came. A folder that already holds the right files is left as it is.
"""
import argparse
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request
import zipfile

VERSION = "1.5.5"
MODULE = "github.com/duckdb/duckdb-go-bindings/lib/linux-amd64@v0.10505.0"
ARCHIVE = f"https://github.com/duckdb/duckdb/releases/download/v{VERSION}/static-libs-linux-amd64.zip"
PINS = json.loads((pathlib.Path(__file__).parent / "duckdb.sha256.json").read_text())
STAMP = ".checked"


def digest(data):
    return hashlib.sha256(data).hexdigest()


def read_from_module():
    """Yields (name, bytes) out of the Go module cache, which the `go` client fills."""
    with tempfile.TemporaryDirectory() as scratch:
        answer = subprocess.run(["go", "mod", "download", "-json", MODULE], cwd=scratch, check=False,
                                capture_output=True, text=True)
    if answer.returncode != 0:
        raise RuntimeError(f"go mod download: {(answer.stdout + answer.stderr).strip()}")
    folder = pathlib.Path(json.loads(answer.stdout)["Dir"])
    for name in PINS:
        yield name, (folder / name).read_bytes()


def read_from_release():
    with urllib.request.urlopen(ARCHIVE, timeout=120) as reply:
        with zipfile.ZipFile(io.BytesIO(reply.read())) as archive:
            for name in PINS:
                yield name, archive.read(name)


ORIGINS = {"go": read_from_module, "release": read_from_release}


def is_complete(folder):
    stamp = folder / STAMP
    return (stamp.exists() and stamp.read_text() == digest(json.dumps(PINS, sort_keys=True).encode())
            and all((folder / name).exists() for name in PINS))


def bring(folder, origin):
    for name, data in ORIGINS[origin]():
        if digest(data) != PINS[name]:
            raise RuntimeError(f"{name}: its sha256 is not the pinned one; nothing was kept")
        part = folder / (name + ".part")
        part.write_bytes(data)
        part.replace(folder / name)
    (folder / STAMP).write_text(digest(json.dumps(PINS, sort_keys=True).encode()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--from", dest="origin", choices=ORIGINS, help="only this origin (default: the first that works)")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if is_complete(options.folder):
        return 0
    for origin in [options.origin] if options.origin else ORIGINS:
        try:
            bring(options.folder, origin)
            print(f"DuckDB {VERSION} is in {options.folder}")
            return 0
        except (OSError, RuntimeError, KeyError, ValueError, zipfile.BadZipFile) as error:
            print(f"DuckDB {VERSION} from {origin}: {error}", file=sys.stderr)
    print("DuckDB could not be fetched. Unpack static-libs-linux-amd64.zip of its release and set DUCKDB_ROOT.",
          file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
