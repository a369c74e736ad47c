"""What other tools overlook in a WACZ and in lists of digests; docs/spec/known-holes.md says what each stands for."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.conformance.forgeries import CASES, SCREENSHOT, _drop, _hook, _rebuilt, _signed_wacz

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.assembly import Members

INITIAL = "capture/pages/0001/screenshot-initial.png"


def _edited(name: str, edit: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    """Change a JSON member of a signed WACZ."""

    def change(data: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(_signed_wacz(data))) as source:
            members = {member: source.read(member) for member in source.namelist()}
        value = json.loads(members[name])
        edit(value)
        members[name] = json.dumps(value).encode()
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as target:
            for member, content in members.items():
                target.writestr(zipfile.ZipInfo(member), content)
        return out.getvalue()

    return change


def _signed_data(edit: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    def inner(value: dict[str, object]) -> None:
        signed = value["signedData"]
        assert isinstance(signed, dict)
        edit(signed)

    return _edited("datapackage-digest.json", inner)


def _as_halves(signed: dict[str, object]) -> None:
    """A P-384 signature as r ‖ s, the other form in use."""
    key = ec.derive_private_key(7, ec.SECP384R1())
    r, s = decode_dss_signature(key.sign(str(signed["hash"]).encode(), ec.ECDSA(hashes.SHA256())))
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signed["signature"] = base64.b64encode(r.to_bytes(48, "big") + s.to_bytes(48, "big")).decode()
    signed["publicKey"] = base64.b64encode(public).decode()


def _swapped(members: Members) -> Members:
    """Two files change places: every digest still occurs, under the other's name."""
    return members | {SCREENSHOT: members[INITIAL], INITIAL: members[SCREENSHOT]}


CASES["wacz_signed_as_halves"] = _hook(wacz=_signed_data(_as_halves))
CASES["wacz_signed_hash_of_zeros_fail"] = _hook(
    wacz=_signed_data(lambda signed: signed.update(hash="sha256:" + "0" * 64))
)
CASES["wacz_signed_without_signature_fail"] = _hook(wacz=_signed_data(lambda signed: signed.pop("signature")))
CASES["wacz_signed_pages_changed_fail"] = _hook(
    wacz=lambda data: _rebuilt(lambda members: members.update({"pages/pages.jsonl": b"{}\n"}))(_signed_wacz(data))
)
CASES["wacz_no_pages_fail"] = _hook(wacz=_rebuilt(_drop("pages/pages.jsonl")))
CASES["wacz_no_archive_fail"] = _hook(wacz=_rebuilt(_drop("archive/data.warc.gz")))
CASES["artifacts_swapped_fail"] = _hook(artifacts=_swapped)
