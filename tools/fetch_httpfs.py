#!/usr/bin/env python3
"""Brings DuckDB's signed extension `httpfs` into a folder, checked by sha256.

    fetch_httpfs.py FOLDER

It is the one of the pinned DuckDB: an extension loads only into its exact version. It comes from PyPI, where DuckDB
publishes its extensions as packages, or from DuckDB's own site. A folder that already holds it is left as it is.
"""
import argparse
import gzip
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import urllib.request
import zipfile

from fetch_duckdb import VERSION

NAME = "httpfs.duckdb_extension"
SHA256 = "887c392b1e49128d11667c81e3698d8b00dfdeb456771acf66d05a0f74f7b7d8"
SITE = f"http://extensions.duckdb.org/v{VERSION}/linux_amd64/{NAME}.gz"


def pip(scratch):
    """A command that runs pip: this Python's own, or that of a fresh environment."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], check=False, capture_output=True).returncode == 0:
        return [sys.executable, "-m", "pip"]
    subprocess.run([sys.executable, "-m", "venv", f"{scratch}/venv"], check=True, capture_output=True)
    return [f"{scratch}/venv/bin/python", "-m", "pip"]


def read_from_pypi():
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([*pip(scratch), "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:",
                        "--platform", "manylinux2014_x86_64", "--dest", scratch, f"duckdb-extension-httpfs=={VERSION}"],
                       check=True, capture_output=True, text=True)
        wheel, = pathlib.Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(f"duckdb_extension_httpfs/extensions/v{VERSION}/{NAME}")


def read_from_site():
    with urllib.request.urlopen(SITE, timeout=120) as reply:
        return gzip.decompress(reply.read())


def is_right(data):
    return hashlib.sha256(data).hexdigest() == SHA256


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    target = parser.parse_args().folder / NAME
    if target.exists() and is_right(target.read_bytes()):
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    for origin in (read_from_pypi, read_from_site):
        try:
            data = origin()
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, subprocess.CalledProcessError) as error:
            print(f"{NAME}: {origin.__name__}: {error}\n{getattr(error, 'stderr', None) or ''}", file=sys.stderr)
            continue
        if is_right(data):
            part = target.with_suffix(".part")
            part.write_bytes(data)
            part.replace(target)
            return 0
        print(f"{NAME}: {origin.__name__}: its sha256 is not the pinned one; nothing was kept", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
