"""Servers that stand in for Kinesis, as peers: kinesis-local and kinesalite, which npm brings into the user's cache, pinned."""
import os
import pathlib
import shutil
import subprocess

from process import Failure, wait_port
from harness.ports import free_port  # found because of the line before
from harness.s3_store import START_SECONDS_MAX

PACKAGES = {"kinesis-local": "0.6.2", "kinesalite": "3.3.3"}
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "millrace" / "kinesis-peers-1"
# They listen on all interfaces unless told otherwise, and cannot be told.
LOOPBACK = """
const net = require('net'), listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...words) {
  const first = words[0], then = words.find(word => typeof word === 'function');
  if (first && typeof first === 'object' && first.port !== undefined) { first.host = '127.0.0.1'; return listen.apply(this, words); }
  if (/^[0-9]+$/.test(first)) return listen.call(this, {port: Number(first), host: '127.0.0.1'}, then);
  return listen.apply(this, words);
};
"""


def installed(name):
    """The folder of the package, or None: no node, or npm cannot bring it."""
    if not shutil.which("node") or not shutil.which("npm"):
        return None
    folder = CACHE / "node_modules" / name
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        (CACHE / "package.json").touch()
        (CACHE / "package.json").write_text("{}")
        done = subprocess.run(["npm", "install", "--silent", "--no-optional", "--no-audit",
                               *(f"{package}@{version}" for package, version in PACKAGES.items())],
                              cwd=CACHE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            return None
    (CACHE / "loopback.cjs").write_text(LOOPBACK)
    return folder


def command_of(name, port, spare_port):
    """(words, environment), or None if it is not to be had."""
    folder = installed(name)
    if not folder:
        return None
    node = ["node", "-r", str(CACHE / "loopback.cjs")]
    if name == "kinesalite":
        return [*node, str(folder / "cli.js"), "--port", str(port), "--createStreamMs", "10"], {}
    return [*node, str(folder / "main.js")], {"KINESIS_MOCK_CERT_PATH": str(folder / "server.json"), "LOG_LEVEL": "WARN",
                                              "KINESIS_MOCK_PLAIN_PORT": str(port), "KINESIS_MOCK_TLS_PORT": str(spare_port)}


class Peer:
    """A running peer with a stream `orders` of two shards. Use it in `with`."""

    NAMES = ("kinesis-local", "kinesalite")

    def __init__(self, name):
        self.name, self.port = name, free_port()
        command = command_of(name, self.port, free_port())
        if not command:
            raise Failure(f"{name} is not to be had here")
        words, environment = command
        self.process = subprocess.Popen(words, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        try:
            wait_port(self.port, START_SECONDS_MAX, self.process)
            kinesis = client(self.port)
            kinesis.create_stream(StreamName="orders", ShardCount=2)
            kinesis.get_waiter("stream_exists").wait(StreamName="orders", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


def client(port):
    import boto3
    from botocore.config import Config
    return boto3.client("kinesis", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", aws_access_key_id="AKIDEXAMPLE12345",
                        aws_secret_access_key="secretsecretsecret", config=Config(retries={"max_attempts": 2}))
