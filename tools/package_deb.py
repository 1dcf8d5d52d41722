"""The Debian package: the program with the system's libraries, a systemd service and its user."""
import gzip
import os
import pathlib
import re
import shutil

import bundle
from bundle import ROOT, run

DEBIAN = ROOT / "deploy" / "debian"
MAINTAINER_SCRIPTS = ("postinst", "prerm", "postrm")
CONFFILES = ("/etc/millrace/environment",)


def depends(scratch, program):
    """The packages, with versions, that the program's libraries come from."""
    (scratch / "debian").mkdir()
    (scratch / "debian" / "control").write_text("Source: millrace\n\nPackage: millrace\nArchitecture: amd64\n")
    told = run("dpkg-shlibdeps", "-O", program, cwd=scratch)
    return re.search(r"shlibs:Depends=(.*)", told)[1]


def put_gzipped(target, text):
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    target.chmod(0o644)


def put(source, target, mode=0o644):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def put_files(root):
    bundle.strip(bundle.PROGRAM, root / "usr/bin/millrace")
    put(ROOT / "deploy/systemd/millrace.service", root / "lib/systemd/system/millrace.service")
    put(DEBIAN / "sysusers.conf", root / "usr/lib/sysusers.d/millrace.conf")
    put(DEBIAN / "environment", root / "etc/millrace/environment", 0o600)
    documents = root / "usr/share/doc/millrace"
    put(DEBIAN / "copyright", documents / "copyright")
    put(DEBIAN / "lintian-overrides", root / "usr/share/lintian/overrides/millrace")
    for example in ("orders", "sensors", "payments", "offers"):
        bundle.put_tree(ROOT / "examples" / example, documents / "examples" / example)
    bundle.put_licences(documents / "licences", bundle.BUILT_IN)
    put_gzipped(documents / "changelog.gz", changelog())
    put_gzipped(root / "usr/share/man/man1/millrace.1.gz", (DEBIAN / "millrace.1").read_text().replace("@VERSION@", bundle.version()))


def changelog():
    return (f"millrace ({bundle.version()}) unstable; urgency=medium\n\n  * See CHANGELOG.md of the project.\n\n"
            f" -- {re.search('Maintainer: (.*)', (DEBIAN / 'control').read_text())[1]}  Tue, 01 Jan 1980 00:00:00 +0000\n")


def put_control(root, depending):
    control = root / "DEBIAN"
    control.mkdir()
    size = sum(-(-path.stat().st_size // 1024) for path in bundle.files_in(root) if path.is_file())
    text = (DEBIAN / "control").read_text()
    for name, value in (("VERSION", bundle.version()), ("SIZE", str(size)), ("DEPENDS", depending)):
        text = text.replace(f"@{name}@", value)
    (control / "control").write_text(text)
    (control / "conffiles").write_text("".join(f"{path}\n" for path in CONFFILES))
    for script in MAINTAINER_SCRIPTS:
        put(DEBIAN / script, control / script, 0o755)
    sums = [f"{run('md5sum', path).split()[0]}  {path.relative_to(root)}\n" for path in bundle.files_in(root)
            if path.is_file() and control not in path.parents and f"/{path.relative_to(root)}" not in CONFFILES]
    (control / "md5sums").write_text("".join(sums))


def make(scratch, packages):
    root = scratch / "root"
    for folder in ("usr/bin", "etc/millrace"):
        (root / folder).mkdir(parents=True)
    put_files(root)
    put_control(root, depends(scratch, root / "usr/bin/millrace"))
    for path in [root, *bundle.files_in(root)]:
        if path.is_dir():
            path.chmod(0o755)
        os.utime(path, (bundle.EPOCH, bundle.EPOCH), follow_symlinks=False)
    target = packages / f"millrace_{bundle.version()}_amd64.deb"
    run("dpkg-deb", "--root-owner-group", "-Zxz", "-z4", "--build", root, target,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(bundle.EPOCH)})
    return pathlib.Path(target), bundle.bytes_in(root)
