"""S3 stores of a test's own: Ceph's gateway, which holds to Object Lock, and rclone's, which holds to nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.postgres import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCESS, SECRET = "evidencekit", "evidencekit-secret"
_CEPH = ("ceph-mon", "ceph-osd", "ceph-mgr", "radosgw", "monmaptool", "ceph-authtool", "radosgw-admin", "ceph")
_CONF = """
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon2},v1:127.0.0.1:{mon1}]
mon_initial_members = a
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
osd_objectstore = memstore
memstore_device_bytes = 268435456
keyring = {folder}/keyring
run_dir = {folder}
admin_socket = {folder}/$name.asok
log_file = {folder}/$name.log
pid_file = {folder}/$name.pid
ms_bind_ipv4 = true
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
mon_data = {folder}/mon
mgr_data = {folder}/mgr
osd_data = {folder}/osd
rgw_data = {folder}/rgw
rgw_enable_usage_log = false
rgw_thread_pool_size = 64
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A running store."""

    endpoint: str

    def client(self) -> Any:
        from evidencekit.ledger.publishers.s3_client import connect

        return connect(self.endpoint, None)

    def make_bucket(self, *, lock: bool = False) -> str:
        name = f"log-{uuid.uuid4().hex[:12]}"
        options = {"ObjectLockEnabledForBucket": True} if lock else {}
        self.client().create_bucket(Bucket=name, **options)
        return name


@contextmanager
def rclone() -> Iterator[Store]:
    """Serve a directory by `rclone serve s3`."""
    program = Path(sys.executable).with_name("rclone")
    if not program.exists():
        pytest.skip("rclone is not installed, so its S3 store cannot be tried")
    with tempfile.TemporaryDirectory(prefix="evidencekit-rclone-") as folder:
        port = free_port()
        command = [str(program), "serve", "s3", "--auth-key", f"{ACCESS},{SECRET}", "--addr", f"127.0.0.1:{port}"]
        with _running([*command, "--config", os.devnull, folder], Path(folder).with_suffix(".log")):
            yield _answering(port)


@contextmanager
def ceph() -> Iterator[Store]:
    """Run a one-machine Ceph in memory with its S3 gateway; up in about 20 seconds."""
    missing = [name for name in _CEPH if shutil.which(name) is None]
    if missing:
        pytest.skip(f"Ceph is not installed ({missing[0]}), so no store with Object Lock can be tried")
    with (
        tempfile.TemporaryDirectory(prefix="evidencekit-ceph-", ignore_cleanup_errors=True) as name,
        contextlib.ExitStack() as processes,
    ):
        yield _start_ceph(Path(name), processes)


def _start_ceph(folder: Path, processes: contextlib.ExitStack) -> Store:
    fsid, mon2, mon1, port = str(uuid.uuid4()), free_port(), free_port(), free_port()
    conf = folder / "ceph.conf"
    conf.write_text(_CONF.format(fsid=fsid, mon2=mon2, mon1=mon1, folder=folder))
    for place in ("mon", "mgr", "osd", "rgw"):
        (folder / place).mkdir()
    keyring = folder / "keyring"

    def run(*command: str) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120, env=os.environ | {"CEPH_CONF": str(conf)}
        )
        assert done.returncode == 0, (command, done.stderr[-2000:])
        return done.stdout

    def daemon(*command: str) -> None:
        log = folder / f"{Path(command[0]).name}.out"
        processes.enter_context(_running([*command, "-c", str(conf), "-f"], log))

    run("ceph-authtool", "--create-keyring", str(keyring), "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    everything = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"]
    run("ceph-authtool", str(keyring), "--gen-key", "-n", "client.admin", *everything)
    monmap = str(folder / "monmap")
    addresses = f"[v2:127.0.0.1:{mon2},v1:127.0.0.1:{mon1}]"
    run("monmaptool", "--create", "--addv", "a", addresses, "--fsid", fsid, monmap)
    run("ceph-mon", "-c", str(conf), "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", str(keyring))
    daemon("ceph-mon", "-i", "a")
    for who, caps in (
        ("mgr.a", ["mon", "allow profile mgr", "osd", "allow *"]),
        ("client.rgw.a", ["mon", "allow rw", "osd", "allow rwx", "mgr", "allow rw"]),
    ):
        key = run("ceph", "auth", "get-or-create", who, *caps)
        with keyring.open("a") as file:
            file.write(key)
    daemon("ceph-mgr", "-i", "a")
    osd = str(uuid.uuid4())
    run("ceph", "osd", "new", osd)
    key = run(
        "ceph",
        "auth",
        "get-or-create",
        "osd.0",
        "mon",
        "allow profile osd",
        "mgr",
        "allow profile osd",
        "osd",
        "allow *",
    )
    with keyring.open("a") as file:
        file.write(key)
    run("ceph-osd", "-c", str(conf), "-i", "0", "--mkfs", "--osd-uuid", osd)
    daemon("ceph-osd", "-i", "0")
    daemon("radosgw", "-n", "client.rgw.a", f"--rgw-frontends=beast endpoint=127.0.0.1:{port}")
    run(
        "radosgw-admin", "-c", str(conf), "user", "create", "--uid=evidencekit", "--display-name=evidencekit",
        f"--access-key={ACCESS}", f"--secret-key={SECRET}",
    )  # fmt: skip
    return _answering(port)


def _answering(port: int) -> Store:
    store = Store(endpoint=f"http://127.0.0.1:{port}")
    deadline = time.monotonic() + 90
    while True:
        try:
            store.client().list_buckets()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return store


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
