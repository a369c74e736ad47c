"""PostgreSQL servers of a test's own: started as an ordinary user on a free port, stopped by the process they are."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIBRARY = Path("/usr/lib/postgresql")
_SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
shared_buffers = 32MB
max_connections = 60
max_wal_size = 256MB
wal_level = replica
max_wal_senders = 8
hot_standby = on
"""


def find_program(name: str) -> str:
    """Find a PostgreSQL program; Debian keeps the server's out of the PATH."""
    for folder in sorted(_LIBRARY.glob("*/bin"), reverse=True):
        if (folder / name).exists():
            return str(folder / name)
    found = shutil.which(name)
    if found is None:
        pytest.skip("PostgreSQL is not installed, so no ledger can be kept in it")
    return found


class Server:
    """One server with its data below `folder`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = port

    @property
    def conninfo(self) -> str:
        return f"host=127.0.0.1 port={self.port} dbname=postgres user=postgres"

    def start(self, *options: str) -> None:
        """Start and wait; `options` are settings `name=value`."""
        words = " ".join(f"-c {option}" for option in options)
        log = self.folder / "log"
        self.run("pg_ctl", "-D", self.data, "-w", "-t", "30", "-l", log, "-o", words, "start")

    def kill(self) -> None:
        """End the server as a power cut would: every process of it at once."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        # Children first, or they live on for a moment and finish what they were doing.
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in [*map(int, children), pid]:
            with_signal(process, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.01)

    def stop(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop", check=False)

    def promote(self) -> None:
        self.run("pg_ctl", "-D", self.data, "-w", "promote")

    def sql(self, statement: str, schema: str = "public") -> str:
        psql = shutil.which("psql") or find_program("psql")
        command = [psql, "-XAtq", "-d", self.conninfo, "-c", f"SET search_path TO {schema}", "-c", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()

    def standby(self, folder: Path, name: str) -> Server:
        """Copy the running server into one that follows it under `name`; not started."""
        standby = Server(folder, free_port())
        prepare(folder)
        source = f"{self.conninfo} application_name={name}"
        self.run("pg_basebackup", "-D", standby.data, "-d", source, "-R", "-c", "fast", "-X", "stream")
        standby.configure()
        return standby

    def configure(self) -> None:
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS.format(port=self.port, folder=self.folder))

    def run(self, program: str, *arguments: str | Path, check: bool = True) -> None:
        command = [*_as_user(), find_program(program), *map(str, arguments)]
        run = subprocess.run(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=60
        )
        assert not check or run.returncode == 0, (program, run.stderr, self._log())

    def _log(self) -> str:
        log = self.folder / "log"
        return log.read_text()[-2000:] if log.exists() else ""


@contextmanager
def postgres(folder: Path | None = None) -> Iterator[Server]:
    """Run a new server."""
    with tempfile.TemporaryDirectory(prefix="evidencekit-pg-", ignore_cleanup_errors=True) as temporary:
        home = folder or Path(temporary)
        prepare(home)
        server = Server(home, free_port())
        server.run("initdb", "-D", server.data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")
        server.configure()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def prepare(folder: Path) -> None:
    """Make a folder that the server's user may use; PostgreSQL refuses to run as root."""
    folder.mkdir(exist_ok=True)
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres" if _has_user("postgres") else "nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o755)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def with_signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _has_user(name: str) -> bool:
    return any(user.pw_name == name for user in pwd.getpwall())


def _as_user() -> list[str]:
    if os.getuid():
        return []
    return ["setpriv", f"--reuid={'postgres' if _has_user('postgres') else 'nobody'}", "--clear-groups"]
