"""How much two pictures differ, with ffmpeg as the judge of what a PNG shows."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from tests.support.tools import program

TOLERANCE = 16
"""A channel that differs by no more than this (of 255) is the same to the eye: edges of letters, rounding of blends."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Size in pixels, and three bytes a pixel."""

    width: int
    height: int
    data: bytes


def shown_by(png: bytes) -> Picture:
    """Decode a PNG."""
    width, height = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))
    command = [
        program("ffmpeg"),
        "-v",
        "error",
        "-f",
        "image2pipe",
        "-i",
        "-",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    data = subprocess.run(command, input=png, capture_output=True, check=True).stdout
    assert len(data) == width * height * 3
    return Picture(width=width, height=height, data=data)


def share_that_differs(one: Picture, other: Picture) -> float:
    """The share of pixels, 0 to 1, of which some channel differs by more than `TOLERANCE`."""
    assert (one.width, one.height) == (other.width, other.height)
    if one.data == other.data:
        return 0.0
    stride = one.width * 3
    different = 0
    for start in range(0, len(one.data), stride):
        row, twin = one.data[start : start + stride], other.data[start : start + stride]
        if row != twin:
            far = [abs(a - b) > TOLERANCE for a, b in zip(row, twin, strict=True)]
            different += sum(any(far[place : place + 3]) for place in range(0, stride, 3))
    return different / (one.width * one.height)
