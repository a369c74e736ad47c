"""A very tall picture made usable: its tiles with an index, and a PDF of overlapping A4 bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidencekit.capture.bandpdf import Caption, Tile, write_band_pdf
from evidencekit.capture.snapshots import json_bytes
from evidencekit.errors import FormatError, StorageError
from evidencekit.hashing.canonical import format_time
from evidencekit.model import Text

if TYPE_CHECKING:
    from evidencekit.capture.rendering import FullPicture
    from evidencekit.capture.staging import Staging
    from evidencekit.capture.visitnotes import VisitNotes
    from evidencekit.model import Artifact, JsonValue

TILES: Final = "screenshot-tiles"


def keep_tall_picture(staging: Staging, notes: VisitNotes, whole: Artifact, picture: FullPicture) -> Text | None:
    """Register the tiles, write their index and the PDF. Blocks; run it in a thread.

    Args:
        staging: where the files lie; the tiles are there already.
        notes: of the page.
        whole: the full picture.
        picture: its sizes and the heights of its tiles.

    Returns:
        Why there is no PDF, or None.

    Raises:
        StorageError: the disk refuses.
    """
    tiles: list[Tile] = []
    listed: list[JsonValue] = []
    names: list[str] = []
    top = 0
    for number, height in enumerate(picture.tiles, 1):
        name = f"{TILES}/{number:04d}.png"
        tile = staging.register(notes.path(name), role="screenshot.tile", media_type="image/png", page=notes.page)
        tiles.append(Tile(file=tile.file, top_px=top))
        names.append(tile.path)
        listed.append({"file": name, "top": top, "height": height, "sha256": tile.digests.sha256})
        top += height
    index: JsonValue = {
        "format": "evidencekit/tiles",
        "version": 1,
        "picture": "screenshot.png",
        "sha256": whole.digests.sha256,
        "width": picture.width_px,
        "height": picture.height_px,
        "tiles": listed,
    }
    path = notes.path(f"{TILES}/index.json")
    data = json_bytes(index)
    staging.write(path, data, role="screenshot.tiles", media_type="application/json", page=notes.page)
    return _write_pdf(staging, notes, whole, picture, tiles)


def _write_pdf(
    staging: Staging, notes: VisitNotes, whole: Artifact, picture: FullPicture, tiles: list[Tile]
) -> Text | None:
    path = notes.path("screenshot.pdf")
    file = staging.place(path)
    caption = Caption(
        url=notes.requested_url,
        taken=f"picture complete {format_time(whole.hashed_at)}",
        path=whole.path,
        sha256=whole.digests.sha256,
    )
    try:
        with file.open("wb") as out:
            write_band_pdf(out, tiles, (picture.width_px, picture.height_px), caption)
    except FormatError as error:
        file.unlink(missing_ok=True)
        return Text(en=error.en, zh=error.zh)
    except OSError as error:
        raise StorageError(
            f"{file.name} cannot be written ({error}); free disk space and capture again",
            f"无法写入 {file.name}({error})；请释放磁盘空间后重新取证",
        ) from error
    sources = [whole.path]
    staging.register(path, role="screenshot.pdf", media_type="application/pdf", page=notes.page, derived_from=sources)
    return None
