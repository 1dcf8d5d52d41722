"""An S3 server on the loopback for tests: versitygw, which checks every signature and body, if this machine has it (VERSITYGW=FILE,
or VERSITYGW=install, which builds it once into the user's cache by a new enough Go); else moto, in its mode that checks signatures."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

from harness.ports import free_port

REGION = "us-east-1"
VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"  # pinned, and checked by Go's checksum database
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "millrace" / "versitygw-1.8.0"
START_SECONDS_MAX = 60


def versitygw():
    """The program, or None."""
    asked, cached = os.environ.get("VERSITYGW"), CACHE / "versitygw"
    if asked == "install" and not cached.exists():
        subprocess.run(["go", "install", VERSITYGW], env={**os.environ, "GOBIN": str(CACHE)}, check=True)
    if asked and asked != "install":
        return asked
    return str(cached) if cached.exists() else None


class S3Store:
    """`url`, `access_key`, `secret_key` of a running server whose data is in `folder`: of `binary`, a versitygw, or moto."""

    def __init__(self, folder, binary=None, checks_signatures=True):
        self.folder = pathlib.Path(folder)
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.binary, self.checks_signatures = binary, checks_signatures
        self.access_key, self.secret_key = "AKIDMILLRACETEST", "secretsecretsecret"
        self.process = self.start_versitygw() if self.binary else self.start_moto()
        self.await_start()
        if not self.binary and checks_signatures:
            self.make_moto_key()

    @property
    def name(self):
        return "versitygw" if self.binary else "moto"

    def start_versitygw(self):
        for name in ("data", "iam", "meta"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}
        command = [self.binary, "--port", self.address, "--iam-dir", str(self.folder.resolve() / "iam"), "--quiet", "posix",
                   "--sidecar", str(self.folder.resolve() / "meta"), str(self.folder.resolve() / "data")]
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=(self.folder / "log").open("wb"))

    def start_moto(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        host, port = self.address.split(":")
        server = pathlib.Path(sys.executable).parent / "moto_server"
        environment = {**os.environ, **({"INITIAL_NO_AUTH_ACTION_COUNT": "3"} if self.checks_signatures else {})}
        return subprocess.Popen([server, "-H", host, "-p", port], env=environment, stdout=subprocess.DEVNULL,
                                stderr=(self.folder / "log").open("wb"))

    def await_start(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                socket.create_connection(tuple(self.address.split(":")), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} did not start:\n{(self.folder / 'log').read_text()[-2000:]}") from None
                time.sleep(0.1)

    def make_moto_key(self):
        import boto3  # which the Python of Spark's tests has not
        iam = boto3.client("iam", endpoint_url=self.url, region_name=REGION, aws_access_key_id="any", aws_secret_access_key="any")
        iam.create_user(UserName="millrace")
        key = iam.create_access_key(UserName="millrace")["AccessKey"]
        self.access_key, self.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
        policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
        iam.put_user_policy(UserName="millrace", PolicyName="all", PolicyDocument=policy)

    def environment(self, url=None):
        """For a program that is to use the store, or a proxy of it."""
        return {"AWS_ENDPOINT_URL_S3": url or self.url, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "no_proxy": "127.0.0.1"}

    def boto3(self, service="s3"):
        import boto3
        from botocore.config import Config
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, aws_access_key_id=self.access_key,
                            aws_secret_access_key=self.secret_key,
                            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}))

    def keys(self, bucket, prefix=""):
        pages = self.boto3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def fetch(self, bucket, prefix, folder):
        """Makes `folder` a copy of all that is below the prefix."""
        shutil.rmtree(folder, ignore_errors=True)
        client = self.boto3()
        for key in self.keys(bucket, prefix + "/"):
            path = pathlib.Path(folder, key.removeprefix(prefix + "/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, key, str(path))

    def close(self):
        self.process.terminate()
        self.process.wait(20)
