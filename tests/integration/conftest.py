"""Bundles that the real write path made, once a session."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.request import Mode
from tests.support.preserved import Preserved, Shop, open_shop, preserve_shop
from tests.support.replay import fetch_replayer
from tests.support.tools import browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    browser()
    with open_shop(tmp_path_factory.mktemp("shop")) as opened:
        yield opened


@pytest.fixture(scope="session")
def replayer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, so ReplayWeb.page cannot judge")
    try:
        return fetch_replayer(npm, tmp_path_factory.mktemp("replayer"))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"npm gives no ReplayWeb.page: {error.stderr[-200:]!r}")


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the issuer of both bundles."""
    return tmp_path_factory.mktemp("issuer") / "home"


@pytest.fixture(scope="session")
def preserved(shop: Shop, office: Path, tmp_path_factory: pytest.TempPathFactory) -> Preserved:
    """The bundle as it is by default: secrets withheld."""
    return preserve_shop(shop, tmp_path_factory.mktemp("default") / "out", office)


@pytest.fixture(scope="session")
def forensic(shop: Shop, office: Path, tmp_path_factory: pytest.TempPathFactory) -> Preserved:
    """A bundle whose archive holds bodies as on the wire."""
    return preserve_shop(shop, tmp_path_factory.mktemp("forensic") / "out", office, mode=Mode.FORENSIC)


@pytest.fixture(scope="session")
def outspoken(shop: Shop, office: Path, tmp_path_factory: pytest.TempPathFactory) -> Preserved:
    """A second bundle of the same issuer, which keeps the secrets in."""
    return preserve_shop(shop, tmp_path_factory.mktemp("outspoken") / "out", office, include_secrets=True)
