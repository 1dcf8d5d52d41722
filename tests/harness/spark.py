"""Spark with Delta Lake for tests: a venv and jars, made once per machine, each checked by its hash."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

from harness.kafka import CACHE, COPY

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "spark" / "tests"
FETCH_SECONDS_MAX = 900
VERSIONS = ("3.5", "4.1")


def run(folder, *words):
    subprocess.run(list(map(str, words)), cwd=folder, capture_output=True, timeout=FETCH_SECONDS_MAX, check=True)


def why_left_out():
    """Nothing if Spark can be had here."""
    for program in ("java", "mvn"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return ""


def check(folder, sums):
    """Every jar is there and as it was pinned, and no other."""
    wanted = {line.split()[1]: line.split()[0] for line in sums.read_text().splitlines()}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.jar")}
    if found != wanted:
        raise OSError(f"these jars are not as pinned in {sums.name}: {sorted(set(wanted.items()) ^ set(found.items()))}")


def installed(version=VERSIONS[0]):
    """(the venv's Python, the folder of jars). Errors: OSError, CalledProcessError."""
    names = [f"requirements-{version}.txt", "requirements-build.txt", f"pom-{version}.xml", f"jars-{version}.sha256"]
    content = b"".join((SOURCES / name).read_bytes() for name in names)
    folder = CACHE / f"spark-{version}-{hashlib.sha256(content).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run(folder, sys.executable, "-m", "venv", "venv")
        pip = [folder / "venv" / "bin" / "pip", "install", "--require-hashes", "--no-deps"]
        run(folder, *pip, "-r", SOURCES / "requirements-build.txt")
        run(folder, *pip, "--no-build-isolation", "-r", SOURCES / f"requirements-{version}.txt")
        run(folder, "mvn", "-q", "-B", "-f", SOURCES / f"pom-{version}.xml", COPY, f"-DoutputDirectory={folder / 'jars'}",
            "-DincludeScope=runtime")
        check(folder / "jars", SOURCES / f"jars-{version}.sha256")
        (folder / "complete").touch()
    return folder / "venv" / "bin" / "python", folder / "jars"


def environment(version=VERSIONS[0]):
    """For a script that runs on it."""
    python, jars = installed(version)
    return python, {**os.environ, "PYSPARK_PYTHON": str(python), "SPARK_TEST_JARS": str(jars), "SPARK_LOCAL_IP": "127.0.0.1",
                    "PYTHONPATH": os.pathsep.join([str(SOURCES.parent), str(SOURCES), str(SOURCES.parents[1] / "tests")])}
