#!/usr/bin/env python3
"""Builds AWS's C libraries (aws-c-*) as static archives, once per machine, and prints the folder that holds them.

    build_aws_crt.py [--folder FOLDER] [--jobs N]

Their source is the sdist of AWS's Python package awscrt, which carries all of them at versions that fit each other. It comes
through pip and is accepted only if its SHA-256 is the pinned one; AWS_CRT_SDIST=FILE takes that file instead. What was built
stays in the user's cache folder, by version and compiler, so that build trees share it. AWS_CRT_ROOT=FOLDER, or --folder,
names another place.
"""
import argparse
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv

VERSION = "0.38.1"
SHA256 = "0dcebfaa70cf079133cd2352119e3d05e9b8ca1d1621736cfb54c03f3d5fef0f"
# In the order of what needs what.
LIBRARIES = ["aws-c-common", "aws-c-sdkutils", "aws-c-cal", "aws-c-io", "aws-checksums", "aws-c-compression",
             "aws-c-event-stream", "aws-c-http", "aws-c-auth"]
LEFT_OUT = ["aws-c-mqtt", "aws-c-s3"]  # and aws-lc, in whose place stands the system's OpenSSL
# Requests go by libcurl. s2n, their own TLS, would only read all certificates of the system at each start.
WITHOUT_TLS = (("if(UNIX)\n", "if(FALSE)\n"), ("add_subdirectory(aws-c-io)", "set(BYO_CRYPTO ON)\nadd_subdirectory(aws-c-io)"))
STAMP = ".complete"


def recipe_digest():
    """What the result depends on: this file and the compiler."""
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return hashlib.sha256((pathlib.Path(__file__).read_text() + compiler).encode()).hexdigest()


def default_folder():
    if os.environ.get("AWS_CRT_ROOT"):
        return pathlib.Path(os.environ["AWS_CRT_ROOT"])
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return cache / "millrace" / f"aws-crt-{VERSION}-{recipe_digest()[:12]}"


def bring_sdist(scratch):
    if os.environ.get("AWS_CRT_SDIST"):
        return pathlib.Path(os.environ["AWS_CRT_SDIST"])
    venv.create(scratch / "venv", with_pip=True)
    subprocess.run([scratch / "venv/bin/pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary",
                    "awscrt", f"awscrt=={VERSION}", "--dest", scratch], check=True)
    return scratch / f"awscrt-{VERSION}.tar.gz"


def unpack(sdist, scratch):
    """The sources that are built; returns their folder."""
    if hashlib.sha256(sdist.read_bytes()).hexdigest() != SHA256:
        raise RuntimeError(f"{sdist}: its sha256 is not the pinned one")
    root = f"awscrt-{VERSION}/crt/"
    wanted = tuple(root + name + "/" for name in LIBRARIES) + (root + "CMakeLists.txt",)
    with tarfile.open(sdist) as archive:
        archive.extractall(scratch, [member for member in archive if member.name.startswith(wanted)])
    source = scratch / root
    lines = (source / "CMakeLists.txt").read_text().splitlines(keepends=True)
    text = "".join(line for line in lines if not any(f"add_subdirectory({name})" in line for name in LEFT_OUT))
    for stands, comes in WITHOUT_TLS:
        if text.count(stands) != 1:
            raise RuntimeError(f"its CMakeLists.txt has not one {stands!r}")
        text = text.replace(stands, comes)
    (source / "CMakeLists.txt").write_text(text)
    return source


def build(folder, jobs):
    with tempfile.TemporaryDirectory(prefix="aws-crt-") as name:
        scratch = pathlib.Path(name)
        source = unpack(bring_sdist(scratch), scratch)
        tree, log_path = scratch / "build", scratch / "log"
        environment = {**os.environ, "CMAKE_BUILD_PARALLEL_LEVEL": str(jobs)}
        with log_path.open("w") as log:
            for command in (["cmake", "-S", source, "-B", tree, "-G", "Ninja", "-DUSE_OPENSSL=ON", "-DBUILD_TESTING=OFF",
                             "-DCMAKE_BUILD_TYPE=RelWithDebInfo", f"-DCMAKE_INSTALL_PREFIX={folder}", "-DCMAKE_INSTALL_LIBDIR=lib"],
                            ["cmake", "--build", tree, "--target", "install"]):
                if subprocess.run(command, stdout=log, stderr=log, env=environment, check=False).returncode != 0:
                    log.flush()
                    raise RuntimeError(f"{command[1]} failed:\n{log_path.read_text()[-4000:]}")
    (folder / STAMP).write_text(recipe_digest())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, help="where the archives and headers go")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    folder = (options.folder or default_folder()).resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(folder.parent / f".{folder.name}.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two build trees at once build it once
            if not (folder / STAMP).exists():
                print(f"building AWS's C libraries {VERSION} into {folder}, once", file=sys.stderr)
                shutil.rmtree(folder, ignore_errors=True)
                build(folder, options.jobs)
    except (OSError, RuntimeError, subprocess.CalledProcessError, tarfile.TarError) as error:
        print(f"AWS's C libraries {VERSION}: {error}\nFetch the sdist of awscrt {VERSION} by hand and set AWS_CRT_SDIST.", file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
