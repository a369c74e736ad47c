"""The staging folder of one capture: where files land, and how each becomes an artifact the moment it is closed.

```
bundle/    mirrors the bundle: capture/…
private/   originals of what the bundle withholds, the profile's secrets; never packed
bodies/    spooled bodies of requests and responses
profile/   the browser's fresh profile
```
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.errors import StorageError
from evidencekit.hashing.digest import digest_file
from evidencekit.hashing.records import artifact_descriptor, commit
from evidencekit.model import Artifact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_PRIVATE_MODE = 0o700


class Staging:
    """Paths below one folder; artifacts in the order made.

    Attributes:
        root: the folder.
        bundle, private, bodies, work, profile: the folders named above; `work` holds masked copies.
        artifacts: everything made so far.
        private_files: private originals by the name they will have in the private archive.
    """

    def __init__(self, root: Path) -> None:
        """Make the folders.

        Raises:
            StorageError: the disk refuses.
        """
        self.root = root
        self.bundle, self.private, self.bodies = root / "bundle", root / "private", root / "bodies"
        self.work, self.profile = root / "work", root / "profile"
        self.artifacts: list[Artifact] = []
        self.private_files: dict[str, Path] = {}
        try:
            for folder in (self.bundle, self.private, self.bodies, self.work, self.profile):
                folder.mkdir(mode=_PRIVATE_MODE, parents=True, exist_ok=False)
        except OSError as error:
            raise StorageError(
                f"the staging folder {root} cannot be made: {error.strerror}; give an empty, writable place",
                f"无法建立暂存目录 {root}:{error.strerror}；请指定一个可写的空目录",
            ) from error

    def place(self, path: str) -> Path:
        """The file on disk for a bundle path; its folder is made.

        Raises:
            StorageError: the disk refuses.
        """
        file = self.bundle / path
        try:
            file.parent.mkdir(mode=_PRIVATE_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(file, error) from error
        return file

    def write(self, path: str, data: bytes, *, role: str, media_type: str, page: str | None = None) -> Artifact:
        """Write a bundle file and register it as an artifact.

        Raises:
            StorageError: the disk refuses.
        """
        file = self.place(path)
        _write(file, (data,))
        return self.register(path, role=role, media_type=media_type, page=page)

    def write_pieces(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write a bundle file piece by piece; `register` follows.

        Raises:
            StorageError: the disk refuses.
        """
        _write(self.place(path), pieces)

    def register(
        self, path: str, *, role: str, media_type: str, page: str | None = None, derived_from: Sequence[str] = ()
    ) -> Artifact:
        """Hash a finished bundle file and commit to it.

        Raises:
            StorageError: it cannot be read.
        """
        file = self.bundle / path
        try:
            size, digests = digest_file(file)
        except OSError as error:
            raise _refused(file, error) from error
        salt, leaf = commit(artifact_descriptor(path, size, digests))
        artifact = Artifact(
            path=path,
            file=file,
            media_type=media_type,
            role=role,
            size=size,
            digests=digests,
            salt=salt,
            leaf=leaf,
            hashed_at=datetime.now(UTC),
            page=page,
            derived_from=tuple(derived_from),
        )
        self.artifacts.append(artifact)
        return artifact

    def withdraw(self, artifact: Artifact, reasons: Sequence[str], *, keep_leaf: bool) -> None:
        """Take an artifact's file out of the bundle; with `keep_leaf` its commitment stays, marked as withheld.

        The caller has kept the bytes as a private file.

        Raises:
            StorageError: the disk refuses.
        """
        place = self.artifacts.index(artifact)
        try:
            artifact.file.unlink()
        except OSError as error:
            raise _refused(artifact.file, error) from error
        if keep_leaf:
            private = self.private_files[f"{artifact.path}.first-view"]
            self.artifacts[place] = replace(artifact, file=private, withheld=tuple(reasons))
        else:
            del self.artifacts[place]

    def drop_page(self, page: str) -> None:
        """Take back what was made of a page that failed; a half page is no evidence (R01)."""
        for artifact in [each for each in self.artifacts if each.page == page]:
            self.artifacts.remove(artifact)
        folder = f"capture/pages/{page}"
        for place in (self.bundle, self.private):
            shutil.rmtree(place / folder, ignore_errors=True)
        for name in [name for name in self.private_files if name.startswith(f"{folder}/")]:
            del self.private_files[name]

    def discard(self) -> None:
        """Remove everything recorded so far."""
        for folder in (self.bundle, self.private, self.bodies, self.work):
            shutil.rmtree(folder, ignore_errors=True)

    def keep_private(self, name: str, data: bytes) -> None:
        """Keep bytes that the bundle withholds.

        Raises:
            StorageError: the disk refuses.
        """
        file = self.private / name
        try:
            file.parent.mkdir(mode=_PRIVATE_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(file, error) from error
        _write(file, (data,))
        self.private_files[name] = file

    def keep_private_file(self, name: str, file: Path) -> None:
        """List a file that already lies in the staging folder as private."""
        self.private_files[name] = file


def _write(file: Path, pieces: Iterable[bytes]) -> None:
    try:
        with file.open("xb") as out:
            out.writelines(pieces)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        with suppress(OSError):
            file.unlink(missing_ok=True)
        raise _refused(file, error) from error


def _refused(file: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write {file}: {error.strerror or error}; free space on the disk and capture again",
        f"无法写入 {file}:{error.strerror or error}；请清理磁盘后重新取证",
    )
