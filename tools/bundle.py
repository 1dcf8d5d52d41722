"""What packages are made of: the stripped program, its libraries, licences, and archives whose bytes depend on these alone."""
import gzip
import io
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = pathlib.Path(os.environ.get("MILLRACE") or ROOT / "build" / "release" / "millrace").resolve()
# DuckDB's extension for S3, which is in the program; what it needs is asked for when it is loaded.
EXTENSION = ROOT / "build" / "httpfs" / "httpfs.duckdb_extension"
LOADER = "ld-linux-x86-64.so.2"
# In archives all files are of this moment: zip knows none before.
EPOCH = 315532800
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
DOCUMENTS = pathlib.Path("/usr/share/doc")
# Debian's packages of which code is in the program itself, not in a library beside it.
BUILT_IN = ["libboost1.81-dev", "libcli11-dev", "libflatbuffers-dev", "libfmt-dev", "libhowardhinnant-date-dev", "liblmdb-dev",
            "libsimdjson-dev", "libspdlog-dev", "nlohmann-json3-dev", "prometheus-cpp-dev"]


class Refused(Exception):
    """Why a package cannot be made, for a person."""


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise Refused(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


def version():
    return re.search(r"project\(\w+ VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]


def strip(program, target):
    run("strip", "--strip-all", "--remove-section=.comment", "-o", target, program)
    target.chmod(0o755)


def libraries(program):
    """Where each shared library of a program is, by the name by which it is asked for; the loader is one of them."""
    found = {}
    for line in run("ldd", program).splitlines():
        if "not found" in line:
            raise Refused(f"a library of the program is not here: {line.strip()}")
        if match := re.match(r"\s*(\S+) => (/\S+) \(", line):
            found[match[1]] = pathlib.Path(match[2])
        elif match := re.match(r"\s*(/\S+/(ld-linux\S+)) \(", line):
            found[match[2]] = pathlib.Path(match[1])
    if LOADER not in found:
        raise Refused(f"{program} is no program for x86-64 with shared libraries")
    return found


def owners(paths):
    """Debian's packages that brought these files."""
    names = set()
    for path in paths:
        candidates = {path, path.resolve(), pathlib.Path("/usr") / path.relative_to("/"), path.resolve().relative_to("/")}
        for candidate in candidates:
            done = subprocess.run(["dpkg", "-S", str(candidate)], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                names.add(done.stdout.split(":")[0])
                break
        else:
            raise Refused(f"{path} is of no Debian package, so its licence is not known")
    return names


def put_licences(folder, packages):
    """A text for each package; texts of what comes from elsewhere stand in deploy/package/licences."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in sorted(packages):
        text = DOCUMENTS / package / "copyright"
        if not text.exists():
            raise Refused(f"the licence of {package} is not at {text}")
        (folder / f"{package}.txt").write_bytes(text.read_bytes())
    for text in sorted((ROOT / "deploy" / "package" / "licences").iterdir()):
        shutil.copyfile(text, folder / text.name)
    # They name the usual licences and leave their texts away.
    named = set(re.findall(r"common-licenses/([A-Za-z]+-[\d.]*\d)", "".join(path.read_text() for path in folder.glob("*.txt"))))
    (folder / "common-licenses").mkdir(exist_ok=True)
    for name in sorted(named | {"Apache-2.0"}):
        shutil.copyfile(f"/usr/share/common-licenses/{name}", folder / "common-licenses" / name)


def put_launcher(target, libraries_folder, argument=None):
    definitions = [f'-DLIBRARIES="{libraries_folder}"'] + ([f'-DARGUMENT="{argument}"'] if argument else [])
    run("cc", "-std=c11", "-D_GNU_SOURCE", "-static", "-Os", "-s", "-Wl,--build-id=none", "-Wall", "-Wextra", "-Werror", *definitions,
        ROOT / "deploy" / "package" / "launcher.c", "-o", target)


def put_program(folder):
    """The program with all that it needs but the system's kernel, in one folder. Returns Debian's packages that are in it."""
    folder.mkdir(parents=True)
    found = libraries(EXTENSION) | libraries(PROGRAM)
    strip(PROGRAM, folder / "millrace")
    for name, path in found.items():
        shutil.copyfile(path, folder / name)
        (folder / name).chmod(0o755 if name == LOADER else 0o644)
    return owners(found.values()) | set(BUILT_IN)


def files_in(folder):
    """All below a folder, sorted by name; folders before what is in them."""
    return sorted(folder.rglob("*"))


def put_tree(source, target):
    """A copy of the files that git knows below `source`, or of all where there is no git."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", source], cwd=ROOT, capture_output=True, text=True, check=False)
    names = [ROOT / name for name in listed.stdout.split("\0") if name] if listed.returncode == 0 else []
    for path in names or [path for path in files_in(source) if path.is_file() and "__pycache__" not in path.parts]:
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def mode_of(path):
    return 0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644


def tar_bytes(folder, prefix="", owner=0):
    """A tar of what is below `folder`: sorted, of one moment, all of one owner."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in files_in(folder):
            entry = tarfile.TarInfo(prefix + path.relative_to(folder).as_posix())
            entry.mtime, entry.mode, entry.uid, entry.gid = EPOCH, mode_of(path), owner, owner
            if path.is_symlink():
                entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, os.readlink(path), 0o777
                archive.addfile(entry)
            elif path.is_dir():
                entry.type = tarfile.DIRTYPE
                archive.addfile(entry)
            else:
                entry.size = path.stat().st_size
                with open(path, "rb") as file:
                    archive.addfile(entry, file)
    return out.getvalue()


def gzipped(data):
    return gzip.compress(data, compresslevel=9, mtime=0)


def write_zip(folder, target):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files_in(folder):
            if path.is_dir():
                continue
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), ZIP_EPOCH)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, (0o100000 | mode_of(path)) << 16, 3
            archive.writestr(entry, path.read_bytes())


def bytes_in(folder):
    return sum(path.stat().st_size for path in files_in(folder) if path.is_file() and not path.is_symlink())


def megabytes(count):
    return f"{count / 1e6:.1f} MB"
