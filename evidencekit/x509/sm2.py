"""SM2 signature verification with SM3 (GB/T 32918.2-2016, GM/T 0009-2023); this library never signs with it.

Pure Python on public values only, so constant time is no concern; a check costs a few milliseconds.
The signer's distinguishing identifier is the default of GM/T 0009, `1234567812345678`.
"""

from __future__ import annotations

from typing import Final

from evidencekit.errors import FormatError
from evidencekit.x509 import der, oids
from evidencekit.x509.digests import digest

# The curve sm2p256v1 (GB/T 32918.5-2017).
_P: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_A: Final = _P - 3
_B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
_N: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_GX: Final = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
_GY: Final = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0
_DEFAULT_ID: Final = b"1234567812345678"
_WIDTH: Final = 32
_UNCOMPRESSED: Final = 4

_Point = tuple[int, int, int]
"""Jacobian coordinates (X, Y, Z): x = X/Z², y = Y/Z³; Z = 0 is the point at infinity."""
_INFINITY: Final[_Point] = (1, 1, 0)


def verify(public_key: bytes, signature: bytes, data: bytes, *, identifier: bytes = _DEFAULT_ID) -> bool:
    """Return whether `signature` over `data` belongs to the key (GB/T 32918.2 §7.1).

    Args:
        public_key: SubjectPublicKeyInfo, DER.
        signature: `SEQUENCE {r, s}`, DER.
        data: The signed octets; hashed here after Z, the digest of identifier, curve and key.
        identifier: The signer's distinguishing identifier.

    Raises:
        FormatError: Not an SM2 key, or not a signature at all.
    """
    x, y = _parse_key(public_key)
    cursor = der.Cursor(der.parse(signature), "SM2 signature")
    r, s = der.read_integer(cursor.take()), der.read_integer(cursor.take())
    cursor.end()
    if not (0 < r < _N and 0 < s < _N):
        return False
    t = (r + s) % _N
    if t == 0:
        return False
    hashed = int.from_bytes(digest("sm3", _identity_digest(x, y, identifier) + data), "big")
    px, _, pz = _combine(s, (_GX, _GY, 1), t, (x, y, 1))
    if pz == 0:
        return False
    inverse = pow(pz, -1, _P)
    return (hashed + px * inverse * inverse % _P) % _N == r


def _parse_key(public_key: bytes) -> tuple[int, int]:
    cursor = der.Cursor(der.parse(public_key), "SubjectPublicKeyInfo")
    algorithm = der.Cursor(cursor.take(der.SEQUENCE), "key algorithm")
    kind = der.read_oid(algorithm.take())
    curve = der.read_oid(algorithm.take()) if algorithm.more else ""
    if (kind, curve) != (oids.EC_PUBLIC_KEY, oids.SM2_CURVE):
        raise FormatError(f"not an SM2 key: algorithm {kind}, curve {curve or 'none'}")
    content = cursor.take(der.BIT_STRING).content
    cursor.end()
    if len(content) != 2 + 2 * _WIDTH or content[0] != 0 or content[1] != _UNCOMPRESSED:
        raise FormatError("SM2 key is not an uncompressed point")
    x, y = int.from_bytes(content[2 : 2 + _WIDTH], "big"), int.from_bytes(content[2 + _WIDTH :], "big")
    if x >= _P or y >= _P or (y * y - (x * x * x + _A * x + _B)) % _P:
        raise FormatError("SM2 key is not a point of the curve")
    return x, y


def _identity_digest(x: int, y: int, identifier: bytes) -> bytes:
    """Z of GB/T 32918.2 §5.5: bit length of the identifier, identifier, a, b, generator, key."""
    numbers = b"".join(value.to_bytes(_WIDTH, "big") for value in (_A, _B, _GX, _GY, x, y))
    return digest("sm3", (8 * len(identifier)).to_bytes(2, "big") + identifier + numbers)


def _double(point: _Point) -> _Point:
    x, y, z = point
    if z == 0:
        return point
    z2, y2 = z * z % _P, y * y % _P
    product = x * y2 % _P
    slope = 3 * (x - z2) * (x + z2) % _P  # a = -3 lets 3x² + az⁴ factor
    new_x = (slope * slope - 8 * product) % _P
    return new_x, (slope * (4 * product - new_x) - 8 * y2 * y2) % _P, 2 * y * z % _P


def _add(first: _Point, second: _Point) -> _Point:
    if first[2] == 0:
        return second
    if second[2] == 0:
        return first
    x1, y1, z1 = first
    x2, y2, z2 = second
    z1_2, z2_2 = z1 * z1 % _P, z2 * z2 % _P
    u1, u2 = x1 * z2_2 % _P, x2 * z1_2 % _P
    s1, s2 = y1 * z2 * z2_2 % _P, y2 * z1 * z1_2 % _P
    if u1 == u2:
        return _double(first) if s1 == s2 else _INFINITY
    h, r = (u2 - u1) % _P, (s2 - s1) % _P
    h2 = h * h % _P
    h3, v = h * h2 % _P, u1 * h2 % _P
    new_x = (r * r - h3 - 2 * v) % _P
    return new_x, (r * (v - new_x) - s1 * h3) % _P, h * z1 * z2 % _P


def _combine(a: int, first: _Point, b: int, second: _Point) -> _Point:
    """Return a·first + b·second, bit by bit for both at once."""
    table = (_INFINITY, first, second, _add(first, second))
    total = _INFINITY
    for bit in range(255, -1, -1):
        total = _add(_double(total), table[(a >> bit & 1) | (b >> bit & 1) << 1])
    return total
