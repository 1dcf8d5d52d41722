"""The packages of ./mill package, made and tried as their users would: called by run.py --packages. Needs root for empty roots.

A root is a folder without any library of this system: what runs there with chroot runs by what it brings alone.
"""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

from harness.millrace import BINARY, Failure, Millrace
from harness.s3_store import S3Store
from operations import lambda_bench

TESTS = pathlib.Path(__file__).resolve().parent
ROOT = TESTS.parent
BUILD = pathlib.Path(BINARY).resolve().parent.parent
VENV = BUILD / "packages_venv"
ZONES = pathlib.Path("/usr/share/zoneinfo")
ORDER = (b'{"order_id":"%b","customer_id":"customer-0000001","amount":1250.00,"currency":"USD","country":"US",'
         b'"ts":"2026-11-24T09:00:00Z"}\n')
S3_PIPELINE = """
pipeline: packed
lake: s3://packed/lake
sources:
  events: {from: log, schema: {n: bigint}}
tables:
  kept: {from: events, sql: SELECT n FROM events, commit: {every: 200ms}}
"""


class LeftOut(Exception):
    """Why a test cannot be done here."""


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False, **options)
    return done.returncode, done.stdout


def run_well(*words, **options):
    code, told = run(*words, **options)
    if code != 0:
        raise Failure(f"{' '.join(map(str, words))} ended with {code}:\n{told[-3000:]}")
    return told


def expect(told, *texts):
    for text in texts:
        if text not in told:
            raise Failure(f"'{text}' is not in:\n{told[-3000:]}")


def make(folder, kind, *arguments):
    """Makes a package in `folder` and returns its path and what was told."""
    folder.mkdir(parents=True, exist_ok=True)
    told = run_well(sys.executable, ROOT / "tools" / "package.py", kind, *arguments,
                    env={**os.environ, "MILLRACE": BINARY, "MILLRACE_PACKAGES": str(folder)}, cwd=ROOT)
    return pathlib.Path(re.findall(r"^(/.+): ", told, re.M)[-1]), told


def need_root():
    if os.geteuid() != 0:
        raise LeftOut("needs root")


class Rooted(Millrace):
    """A millrace that runs within `root`: `program`, the pipeline file and the data folder are paths there."""

    def __init__(self, root, program, pipeline, environment=None, user=None):
        super().__init__(root, pipeline, "data")
        self.environment = {"PATH": "/none", **(environment or {})}
        self.inside = [shutil.which("chroot"), *([f"--userspec={user}:{user}"] if user else []), str(root), program]

    def spawn(self, listen="127.0.0.1:0"):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.inside, "run", self.pipeline, "--data", "/data", "--listen", listen],
                                            env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def command(self, *words, timeout=120):
        return run(*self.inside, *words, env=self.environment, timeout=timeout)


def new_root(folder, zones=True):
    need_root()
    for name in ("data", "tmp"):
        (folder / name).mkdir(parents=True)
    if zones:
        shutil.copytree(ZONES, folder / "usr/share/zoneinfo", symlinks=True)
    return folder


def unpack(archive, root):
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(root)
            for entry in zipped.infolist():
                (root / entry.filename).chmod(entry.external_attr >> 16 & 0o777)
    else:
        # Not tarfile, which takes rights away.
        run_well("tar", "--extract", "--preserve-permissions", "--numeric-owner", "--file", archive, "--directory", root)


def check_orders(millrace):
    """A record goes in and comes out enriched, also after a restart."""
    with millrace.start():
        millrace.send("orders", ORDER % b"o1")
        millrace.catch_up()
        code, told = millrace.command("query", "--data", "/data", "SELECT order_id, segment, is_fraud FROM checked_orders")
        if code != 0 or not re.search(r"o1 +business +true", told):
            raise Failure(f"the query ended with {code}: {told}")
        millrace.stop()
        if millrace.command("status", "--data", "/data")[0] != 1:
            raise Failure("status did not end with 1 where nothing runs")
        millrace.start()
        if str(millrace.query("SELECT count(*) FROM checked_orders")[0][0]) != "1":
            raise Failure("the order is not there after a restart")
        if millrace.command("status", "--data", "/data")[0] != 0:
            raise Failure("status did not end with 0 where it runs")
        millrace.stop()


def check_lake_on_s3(root, program, folder):
    """Tables on S3 are read through DuckDB's extension httpfs, which is loaded from a file that the program writes."""
    (root / "s3.yaml").write_text(S3_PIPELINE)
    store = S3Store(folder / "s3")
    try:
        store.boto3("s3").create_bucket(Bucket="packed")
        with Rooted(root, program, "/s3.yaml", environment=store.environment()) as millrace:
            millrace.start()
            millrace.send("events", b'{"n":1}\n{"n":2}\n')
            millrace.settle()
            millrace.stop()
            millrace.start()
            if str(millrace.query("SELECT sum(n) FROM kept")[0][0]) != "3":
                raise Failure("the rows of a lake on S3 are not there after a restart")
            millrace.stop()
    finally:
        store.close()


def test_tarball(folder):
    archive, _ = make(folder / "first", "tarball")
    again, _ = make(folder / "again", "tarball")
    if archive.read_bytes() != again.read_bytes():
        raise Failure("made twice, its bytes differ")
    root = new_root(folder / "root")
    unpack(archive, root)
    (home,) = root.glob("millrace-*")
    program, orders = f"/{home.name}/bin/millrace", f"/{home.name}/share/examples/orders/orders.yaml"
    expect(run_well("chroot", root, program, "--version"), "millrace ")
    expect(run_well("chroot", root, program, "validate", orders), "ok shop")
    with Rooted(root, program, orders) as millrace:
        check_orders(millrace)
    shutil.rmtree(root / "data")
    (root / "data").mkdir()
    check_lake_on_s3(root, program, folder)
    shutil.rmtree(root / "usr")
    code, told = run("chroot", root, program, "validate", orders)
    if code != 2:
        raise Failure(f"without time zones it ended with {code}: {told}")
    expect(told, "install tzdata")


def test_lambda(folder):
    pipeline = ROOT / "examples/orders/orders.yaml"
    archive, told = make(folder / "made", "lambda", "--pipeline", pipeline)
    expect(told, "with data/customers.csv", "with data/fraud_rules.csv", "unpacked")
    root = new_root(folder / "root")
    unpack(archive, root / "var/task")
    if (root / "var/task/pipeline.yaml").read_bytes() != pipeline.read_bytes():
        raise Failure("pipeline.yaml is not the file that was given")
    # `bootstrap` is the program with the word `lambda`; Lambda gives it no other.
    code, told = run("chroot", root, "/var/task/bootstrap", "--help")
    if code != 0:
        raise Failure(f"bootstrap --help ended with {code}: {told}")
    expect(told, "as a function of AWS Lambda", "MILLRACE_PIPELINE")
    inside = ["chroot", root, f"/var/task/lib/{'ld-linux-x86-64.so.2'}", "--library-path", "/var/task/lib", "/var/task/lib/millrace"]
    expect(run_well(*inside, "validate", "/var/task/pipeline.yaml"), "ok shop")
    check_function(root, folder)


def check_function(root, folder):
    """`bootstrap` serves events of Kinesis within `root`, each record once, with the lake on S3."""
    store = S3Store(folder / "s3")
    try:
        store.boto3("s3").create_bucket(Bucket=lambda_bench.BUCKET)
        places = {"MILLRACE_PIPELINE": "/var/task/pipeline.yaml", "MILLRACE_DATA": "/tmp/millrace"}
        with lambda_bench.LambdaBench(folder / "function", store=store, environment=places) as bench:
            bench.settings.command = [shutil.which("chroot"), root, "/var/task/bootstrap"]
            shutil.copyfile(bench.pipeline, root / "var/task/pipeline.yaml")
            bench.put(60)
            bench.succeed(bench.batch(0, 40))
            bench.succeed(bench.batch(20, 60))
            bench.check()
    finally:
        store.close()


def test_lambda_that_is_too_large(folder):
    folder.mkdir(parents=True)
    (folder / "large.csv").touch()
    os.truncate(folder / "large.csv", 200 * 1024 * 1024)
    (folder / "p.yaml").write_text("lookups: {large: {from: large.csv, key: id}}\n")
    code, told = run(sys.executable, ROOT / "tools" / "package.py", "lambda", "--pipeline", folder / "p.yaml",
                     env={**os.environ, "MILLRACE": BINARY, "MILLRACE_PACKAGES": str(folder / "made")})
    if code != 1:
        raise Failure(f"a package above Lambda's limit ended with {code}: {told}")
    expect(told, "unzipped, and Lambda takes 262.1 MB")


def test_image(folder):
    archive, _ = make(folder / "made", "image")
    root = new_root(folder / "root", zones=False)
    with tarfile.open(archive) as image:
        layer = max(image.getmembers(), key=lambda member: member.size)
        (folder / "layer.tar.gz").write_bytes(image.extractfile(layer).read())
    unpack(folder / "layer.tar.gz", root)
    if list(root.rglob("*bin/*sh")):
        raise Failure("there is a shell in the image")
    os.chown(root / "data", 10001, 10001)
    shutil.copytree(ROOT / "examples/orders", root / "etc/millrace", dirs_exist_ok=True)
    with Rooted(root, "/usr/bin/millrace", "/etc/millrace/orders.yaml", user=10001) as millrace:
        check_orders(millrace)
    if (root / "data" / "lock").stat().st_uid != 10001:
        raise Failure("it does not run as its user")


@contextlib.contextmanager
def mounted(root):
    for kind in ("proc", "sysfs"):
        run_well("mount", "-t", kind, kind, root / {"proc": "proc", "sysfs": "sys"}[kind])
    try:
        yield
    finally:
        for name in ("proc", "sys"):
            run("umount", root / name)


def test_deb(folder):
    """Installed into a fresh Debian 12, run there as its user, removed and purged again."""
    need_root()
    if not shutil.which("debootstrap"):
        raise LeftOut("debootstrap is not installed")
    package, _ = make(folder / "made", "deb")
    lint(package)
    root = folder / "root"
    run_well("debootstrap", "--variant=minbase", "--include=init-system-helpers", "bookworm", root, timeout=600)
    shutil.copy(package, root / "tmp/millrace.deb")
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "--no-install-recommends"]
    with mounted(root):
        run_well("chroot", root, *apt, "install", "/tmp/millrace.deb", timeout=600)
        expect(run_well("chroot", root, "getent", "passwd", "millrace"), "/var/lib/millrace")
        expect(run_well("chroot", root, "systemctl", "is-enabled", "millrace"), "enabled")
        (root / "data").mkdir()
        run_well("chroot", root, "chown", "millrace:", "/data")
        with Rooted(root, "/usr/bin/millrace", "/usr/share/doc/millrace/examples/orders/orders.yaml", user="millrace") as millrace:
            check_orders(millrace)
        run_well("chroot", root, *apt, "install", "--reinstall", "/tmp/millrace.deb")
        run_well("chroot", root, *apt, "remove", "millrace")
        if not (root / "etc/millrace/environment").exists() or (root / "usr/bin/millrace").exists():
            raise Failure("after its removal the settings are gone, or the program is not")
        run_well("chroot", root, *apt, "purge", "millrace")
        if (root / "etc/millrace").exists():
            raise Failure("/etc/millrace is there after a purge")


def lint(package):
    if not shutil.which("lintian"):
        print("          packages deb: lintian is not installed", flush=True)
        return
    code, told = run("lintian", "--allow-root", "--fail-on", "error,warning", package)
    if code != 0:
        raise Failure(f"lintian: {told}")


def test_service(folder):
    """systemd understands every line of the unit, and calls its exposure low."""
    if not shutil.which("systemd-analyze"):
        raise LeftOut("systemd is not installed")
    # systemd-analyze wants the program to be there.
    folder.mkdir(parents=True)
    unit = (ROOT / "deploy/systemd/millrace.service").read_text()
    (folder / "millrace.service").write_text(unit.replace("/usr/bin/millrace", "/bin/true"))
    told = run_well("systemd-analyze", "verify", "--man=no", folder / "millrace.service")
    if "millrace.service" in told:
        raise Failure(f"systemd-analyze verify: {told}")
    exposure = run_well("systemd-analyze", "security", "--offline=true", "--threshold=30", folder / "millrace.service")
    expect(exposure, "Overall exposure level")


def judges():
    """An environment with hadolint and Kubernetes' schemas, made once."""
    wanted = (TESTS / "requirements-packages.txt").read_text()
    if not (VENV / "wanted").exists() or (VENV / "wanted").read_text() != wanted:
        shutil.rmtree(VENV, ignore_errors=True)
        run_well(sys.executable, "-m", "venv", VENV)
        run_well(VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes",
                 "-r", TESTS / "requirements-packages.txt", timeout=600)
        (VENV / "wanted").write_text(wanted)
    return VENV / "bin"


def test_dockerfile(_):
    run_well(judges() / "hadolint", ROOT / "deploy/docker/Dockerfile")


def test_kubernetes(folder):
    manifests = [path for path in sorted((ROOT / "deploy/kubernetes").rglob("*.yaml"))
                 if path.name not in ("kustomization.yaml", "pipeline.yaml")]
    for path in manifests:
        run_well(judges() / "kubernetes-validate", "--strict", path)
    folder.mkdir(parents=True)
    broken = folder / "broken.yaml"
    broken.write_text((ROOT / "deploy/kubernetes/embedded/stateful_set.yaml").read_text().replace("livenessProbe", "livelinessProbe"))
    if run(judges() / "kubernetes-validate", "--strict", broken)[0] == 0:
        raise Failure("the judge finds nothing wrong with a key that does not exist")
    for name in ("embedded", "kafka"):
        pipeline = ROOT / "deploy/kubernetes" / name / "pipeline.yaml"
        code, told = run(BINARY, "validate", pipeline)
        # What it cannot reach from here is not its file's fault.
        if code != 0 and "kafka" not in told.lower():
            raise Failure(f"{pipeline}: {told}")


def tests():
    return {name.removeprefix("test_"): function for name, function in sorted(globals().items()) if name.startswith("test_")}


def run_test(function, folder):
    shutil.rmtree(folder, ignore_errors=True)
    try:
        function(folder)
    except LeftOut as why:
        print(f"          packages {function.__name__.removeprefix('test_')}: {why}", flush=True)
        return None
    except Failure as failure:
        return [str(failure)]
    shutil.rmtree(folder, ignore_errors=True)
    return []
