"""The container image: program and libraries on nothing else, as an OCI layout that `docker load` and `podman load` take, too."""
import hashlib
import io
import json
import pathlib
import shutil
import tarfile

import bundle
from bundle import Refused

USER = 10001
DATA = "/var/lib/millrace"
PROGRAM = "/usr/bin/millrace"
ZONES = pathlib.Path("/usr/share/zoneinfo")
CERTIFICATES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
PORT = 8080
# A container's loopback is reached by nobody, so it listens beyond it; who may reach the port is for the network to say.
COMMAND = ["run", "/etc/millrace/pipeline.yaml", "--data", DATA, "--listen", f"0.0.0.0:{PORT}", "--insecure", "--log-format", "json"]


def put_root(root):
    """All files of the image: no shell, no package manager."""
    if root.exists() and any(root.iterdir()):
        raise Refused(f"{root} is not empty")
    (root / "usr/bin").mkdir(parents=True)
    packages = bundle.put_program(root / "usr/lib/millrace")
    bundle.put_launcher(root / PROGRAM.lstrip("/"), "../lib/millrace")
    bundle.put_licences(root / "usr/share/licences", packages | {"ca-certificates", "tzdata"})
    for folder in ("etc/millrace", "etc/ssl/certs", DATA.lstrip("/"), "tmp"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    shutil.copyfile(CERTIFICATES, root / "etc/ssl/certs/ca-certificates.crt")
    shutil.copytree(ZONES, root / "usr/share/zoneinfo", symlinks=True, ignore=shutil.ignore_patterns("posix", "right"))
    (root / "etc/passwd").write_text(f"root:x:0:0:root:/:/none\nmillrace:x:{USER}:{USER}:millrace:{DATA}:/none\n")
    (root / "etc/group").write_text(f"root:x:0:\nmillrace:x:{USER}:\n")
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")


def layer_of(root):
    """A tar of the image's files; the data folder and /tmp are the user's."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(bundle.tar_bytes(root))) as plain, \
            tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for entry in plain:
            if f"/{entry.name}" == DATA:
                entry.uid = entry.gid = USER
                entry.mode = 0o750
            if entry.name == "tmp":
                entry.mode = 0o1777
            archive.addfile(entry, plain.extractfile(entry) if entry.isreg() else None)
    return out.getvalue()


def configuration(layer):
    return {
        "architecture": "amd64", "os": "linux", "created": "1980-01-01T00:00:00Z",
        "config": {
            "User": f"{USER}:{USER}", "Entrypoint": [PROGRAM], "Cmd": COMMAND, "WorkingDir": DATA, "StopSignal": "SIGTERM",
            "ExposedPorts": {f"{PORT}/tcp": {}}, "Volumes": {DATA: {}}, "Env": ["HOME=" + DATA],
            # Docker's own key; others take no notice of it. Times are nanoseconds.
            "Healthcheck": {"Test": ["CMD", PROGRAM, "status", "--data", DATA], "Interval": 30 * 10**9, "Timeout": 10 * 10**9,
                            "StartPeriod": 60 * 10**9, "Retries": 3},
            "Labels": {"org.opencontainers.image.title": "millrace", "org.opencontainers.image.version": bundle.version()}},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        "history": [{"created": "1980-01-01T00:00:00Z", "created_by": "./mill package image"}]}


def encoded(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def write(root, target):
    tag = f"millrace:{bundle.version()}"
    layer = layer_of(root)
    blobs = {"layer": bundle.gzipped(layer), "config": encoded(configuration(layer))}
    kinds = {"layer": "layer.v1.tar+gzip", "config": "config.v1+json", "manifest": "manifest.v1+json"}

    def described(name):
        return {"mediaType": f"application/vnd.oci.image.{kinds[name]}", "size": len(blobs[name]),
                "digest": "sha256:" + hashlib.sha256(blobs[name]).hexdigest()}

    def place(name):
        return "blobs/sha256/" + hashlib.sha256(blobs[name]).hexdigest()

    blobs["manifest"] = encoded({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                                 "config": described("config"), "layers": [described("layer")]})
    names = {"io.containerd.image.name": f"docker.io/library/{tag}", "org.opencontainers.image.ref.name": bundle.version()}
    files = {place(name): data for name, data in blobs.items()}
    files |= {
        "oci-layout": encoded({"imageLayoutVersion": "1.0.0"}),
        "index.json": encoded({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                               "manifests": [described("manifest") | {"annotations": names}]}),
        # What docker load reads before version 25.
        "manifest.json": encoded([{"Config": place("config"), "RepoTags": [tag], "Layers": [place("layer")]}])}
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(files[name]), bundle.EPOCH, 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
