"""The folder of an export: it appears whole under its name, with lists of digests over all its files, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evidencekit.errors import StorageError
from evidencekit.exports.exhibit import refused, write_file
from evidencekit.hashing.digest import digest_file

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SHA256 = "SHA256SUMS"
SM3 = "SM3SUMS"


@contextmanager
def new_folder(out: Path) -> Generator[Path]:
    """Give a folder that gets the name `out` when the block ends well, and vanishes when it does not.

    Raises:
        StorageError: `out` exists, or its parent cannot be written to.
    """
    if os.path.lexists(out):
        raise StorageError(
            f"{out} exists; an export overwrites nothing, name a new folder",
            f"{out} 已存在；导出不会覆盖，请指定新文件夹",
        )
    part = out.with_name(f".{out.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir()
        yield part
        part.rename(out)
    except OSError as error:
        raise refused(out, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_sums(folder: Path) -> str:
    """Write SHA256SUMS and SM3SUMS over every file below `folder`; give the SHA-256 of the former, hexadecimal.

    The forms are those of `sha256sum` and `cksum -a sm3`.

    Raises:
        StorageError: a file cannot be read or written.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sha256, sm3 = "", ""
    for path in files:
        name, (_, digests) = path.relative_to(folder).as_posix(), digest_file(path)
        sha256 += f"{digests.sha256}  {name}\n"
        sm3 += f"SM3 ({name}) = {digests.sm3}\n"
    write_file(folder / SHA256, sha256.encode())
    write_file(folder / SM3, sm3.encode())
    return digest_file(folder / SHA256)[1].sha256
