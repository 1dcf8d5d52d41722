"""A PostgreSQL server of a test's own, on the loopback, in a folder that goes with it. Its programs must be there (Debian: postgresql)."""
import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from harness.ports import free_port

USER = "millrace"
DATABASE = "test"


def programs():
    """The folder of the newest PostgreSQL's programs, or None."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return pathlib.Path(initdb).resolve().parent if initdb else None


def running():
    """Of each process its id and its parent's."""
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            yield int(path.parent.name), int(path.read_text().rpartition(")")[2].split()[1])


class PostgresServer:
    """`url` of a running server. `kill` and `crash` end it as crashes do; `start` recovers."""

    def __init__(self, is_durable=False):
        self.programs = programs()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace_pg_"))
        self.port = free_port()
        self.url = f"postgres://{USER}@127.0.0.1:{self.port}/{DATABASE}"
        self.settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder, "max_connections": "40",
                         "fsync": "on" if is_durable else "off"}
        if os.geteuid() == 0:  # the server refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        self.run("initdb", "-D", self.folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()
        self.psql(f"CREATE DATABASE {DATABASE}", database="postgres")

    def run(self, program, *arguments):
        command = [str(self.programs / program), *map(str, arguments)]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "nobody", "--", *command]
        with open(self.folder / "log", "ab") as log:
            subprocess.run(command, cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=True, timeout=60)

    def start(self):
        options = " ".join(f"-c {name}={value}" for name, value in self.settings.items())
        self.run("pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "server.log", "-o", f"-p {self.port} {options}", "start")

    def kill(self):
        self.run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")

    def crash(self):
        """kill -9 of the server and of all that work for it, which leaves its lock behind."""
        server = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(server, signal.SIGSTOP)  # from now on it begins no others
        processes = [server, *(process for process, parent in running() if parent == server)]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        while any(process in processes for process, _ in running()):  # until init has buried them; the lock holds so long
            time.sleep(0.01)

    def crash_worker(self):
        """kill -9 of its newest process, such as the last connection's; then the server ends all others and recovers by itself."""
        server = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(max(process for process, parent in running() if parent == server), signal.SIGKILL)

    def psql(self, sql, database=DATABASE):
        """The answer's lines, columns separated by `|`."""
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", f"postgres://{USER}@127.0.0.1:{self.port}/{database}",
                   "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.kill()
        except subprocess.CalledProcessError:
            pass  # it was ended already
        shutil.rmtree(self.folder, ignore_errors=True)
