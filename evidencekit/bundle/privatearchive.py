"""What the bundle withholds, in a ZIP of its own, encrypted to the holder in the age format (design §4.7)."""

from __future__ import annotations

import shutil
import zipfile
from typing import TYPE_CHECKING

import pyrage

from evidencekit.bundle.publish import publish_new
from evidencekit.errors import SigningError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DATE = (1980, 1, 1, 0, 0, 0)


def new_holder_key() -> tuple[str, str]:
    """Make the holder's age X25519 identity.

    Returns:
        The secret (`AGE-SECRET-KEY-1…`) and the recipient (`age1…`).
    """
    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def recipient_of(secret: str) -> str:
    """Give the recipient of an age identity.

    Raises:
        SigningError: it is not an age X25519 identity.
    """
    try:
        return str(pyrage.x25519.Identity.from_str(secret.strip()).to_public())
    except pyrage.IdentityError as error:
        raise SigningError(
            "the holder's age key cannot be read; restore keys/holder.age from a copy",
            "无法读取持有人的 age 密钥;请从备份恢复 keys/holder.age",
        ) from error


def private_path(bundle: Path) -> Path:
    """Where the private archive of a bundle stands: beside it."""
    return bundle.with_name(f"{bundle.stem}.private.zip.age")


def write_private_archive(files: Mapping[str, Path], out: Path, *, recipient: str, workdir: Path) -> None:
    """Write `files` by name into an encrypted archive; the plain ZIP never leaves `workdir`.

    Raises:
        StorageError: `out` exists, or the disk refuses.
    """
    plain, sealed = workdir / "private.zip", workdir / "private.zip.age"
    try:
        with zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(files):
                info = zipfile.ZipInfo(name, _DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                with files[name].open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target, 1 << 20)
        pyrage.encrypt_file(str(plain), str(sealed), [pyrage.x25519.Recipient.from_str(recipient)])
        with sealed.open("rb") as source:
            publish_new(out, lambda target: shutil.copyfileobj(source, target, 1 << 20))
    except (OSError, pyrage.EncryptError) as error:
        raise StorageError(
            f"the private archive {out} cannot be written: {error}; free space on the disk and try again",
            f"无法写入私有存档 {out}:{error};请清理磁盘后重试",
        ) from error
    finally:
        plain.unlink(missing_ok=True)
        sealed.unlink(missing_ok=True)
