"""The QR code of the certificate: number and full manifest digest, as inline SVG."""

from __future__ import annotations

import io

import segno

from evidencekit.report.markup import Html, own

_QUIET_ZONE_MODULES = 4


def qr_payload(number: str, manifest_sha256: str) -> str:
    """The text behind the code: `<number> SHA-256:<64 hex>`. It holds no address, so it leads nowhere."""
    return f"{number} SHA-256:{manifest_sha256}"


def qr_svg(payload: str, *, label: str) -> Html:
    """Draws `payload` as SVG (ISO/IEC 18004, error correction M, quiet zone of four modules).

    Args:
        payload: Text of at most a few hundred characters.
        label: What a screen reader says instead.
    """
    code = segno.make(payload, error="m", micro=False)
    out = io.BytesIO()
    code.save(
        out, kind="svg", border=_QUIET_ZONE_MODULES, xmldecl=False, svgns=True, nl=False, omitsize=True, svgclass="qr"
    )
    drawing = out.getvalue().decode("utf-8")
    return Html(drawing.replace("<svg ", f'<svg role="img" aria-label="{own(label)}" ', 1))
