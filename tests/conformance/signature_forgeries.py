"""Signatures, time-stamps and proofs that are spelt otherwise, bound to something near, or signed once too often.

Where readers of one format differ in what they take, the library and the page must not.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from evidencekit.bundle import paths
from evidencekit.bundle.asic import SIGNATURE_TYPE, TIMESTAMP_TYPE, AsicReference, format_asic_manifest
from evidencekit.ledger.proof import TlogProof, format_proof, parse_proof
from evidencekit.signing.notesigner import CosignatureSigner, Ed25519NoteSigner
from evidencekit.signing.signer import KeySigner
from evidencekit.x509 import cms, der, oids
from tests.conformance.forgeries import CASES, Exhibit, Forgery, Workshop, _hook, _reseal, _set, case
from tests.conformance.grown_forgeries import PKI, VALID
from tests.conformance.token_forgeries import STAMPED_AT, _case
from tests.support.assembly import NOW, Keys, Members, bare_token
from tests.support.tokens import also, imprint_of, message_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    References = list[AsicReference]

# --- the outer manifests, and what is signed and stamped ------------------------------------------------


def _same(references: References) -> References:
    return references


def _own_signature(shop: Workshop, digest: bytes) -> bytes:
    return _cms(shop.keys.signer, digest, shop.keys.signer.sign)


def _over_manifest(members: Members) -> bytes:
    return members[paths.asic_manifest(2)]


def _outside(
    *,
    first: Callable[[References], References] = _same,
    second: Callable[[References], References] = _same,
    sign: Callable[[Workshop, bytes], bytes] = _own_signature,
    stamped: Callable[[Members], bytes] = _over_manifest,
) -> Forgery:
    """A true bundle with an outer seal of its own: lists, signature and time-stamp made by the given steps."""

    def forge(shop: Workshop) -> Exhibit:
        members = {name: data for name, data in shop.members().items() if not name.startswith("META-INF/")}
        over = format_asic_manifest(paths.asic_signature(1), SIGNATURE_TYPE, first(_references(members)))
        members[paths.asic_manifest(1)] = over
        members[paths.asic_signature(1)] = sign(shop, hashlib.sha256(over).digest())
        members[paths.asic_manifest(2)] = format_asic_manifest(
            paths.asic_timestamp(1), TIMESTAMP_TYPE, second(_references(members))
        )
        members[paths.asic_timestamp(1)] = bare_token(stamped(members), shop.keys, STAMPED_AT)
        return shop.exhibit(members)

    return forge


def _references(members: Members) -> References:
    return [
        AsicReference(uri=name, media_type=paths.media_type(name), sha256=hashlib.sha256(members[name]).digest())
        for name in sorted(members)
        if name != paths.MIMETYPE
    ]


def _without_certificate(references: References) -> References:
    return [each for each in references if each.uri != paths.CERTIFICATE_HTML]


def _with_absent(references: References) -> References:
    return [*references, AsicReference(uri="zzz.txt", media_type="text/plain", sha256=bytes(32))]


def _as_text(references: References) -> References:
    return [replace(each, media_type="text/plain") for each in references]


CASES["outer_signature_over_less_fail"] = _outside(first=_without_certificate)
CASES["outer_time_over_less_fail"] = _outside(second=_without_certificate)
CASES["outer_manifest_names_absent_fail"] = _outside(first=_with_absent)
CASES["outer_manifest_in_another_order"] = _outside(first=lambda references: references[::-1])
CASES["outer_media_types_other"] = _outside(first=_as_text)
CASES["outer_token_over_first_manifest_fail"] = _outside(stamped=lambda members: members[paths.asic_manifest(1)])

# --- CMS and ECDSA spelt otherwise -------------------------------------------------------------------

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256: with (r, s) also (r, order - s) signs."""


def _cms(signer: KeySigner, digest: bytes, sign: Callable[[bytes], bytes], content: bytes | None = None) -> bytes:
    """Write a detached signature without looking whether it is one."""
    template = cms.SignatureTemplate(
        content_type=oids.DATA,
        content=content,
        content_digest=digest,
        scheme=cms.ECDSA_SHA256,
        certificate=signer.certificate,
        chain=(),
        at=NOW,
        crls=(),
        claimed_role=None,
    )
    return cms.build_signed_data(template, sign)


def _high_s(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, max(s, _ORDER - s))


def _padded(signature: bytes) -> bytes:
    """Integers with more leading zeros than DER has."""
    numbers = [b"\0\0" + number.to_bytes(32, "big") for number in decode_dss_signature(signature)]
    return der.sequence(*(der.encode(der.INTEGER, number) for number in numbers))


def _halves(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _beyond_order(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, s + _ORDER)


_SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "high_s": _high_s,
    "padded_fail": _padded,
    "long_length_fail": lambda signature: b"\x30\x81" + signature[1:],
    "halves_fail": _halves,
    "beyond_order_fail": _beyond_order,
    "trailing_fail": lambda signature: signature + b"\0",
    "zero_fail": lambda _: encode_dss_signature(0, 0),
}


def _spelt_token(name: str, spell: Callable[[bytes], bytes]) -> None:
    _case(
        f"token_ecdsa_{name}",
        recipe=lambda _: {"sign": lambda who, data: spell(who.key.sign(data, ec.ECDSA(hashes.SHA256())))},
    )


def _spelt_signature(spell: Callable[[bytes], bytes]) -> Forgery:
    def sign(shop: Workshop, digest: bytes) -> bytes:
        return _cms(shop.keys.signer, digest, lambda data: spell(shop.keys.signer.sign(data)))

    return _outside(sign=sign)


for _name, _spell in _SPELLINGS.items():
    _spelt_token(_name, _spell)
    CASES[f"outer_ecdsa_{_name}"] = _spelt_signature(_spell)


def _indefinite(signed: bytes) -> bytes:
    """The three outer layers with indefinite lengths (BER), as BouncyCastle writes them."""
    kind, content = der.children(der.parse(signed))
    parts = b"".join(node.raw for node in der.children(der.children(content)[0]))
    return b"\x30\x80" + kind.raw + b"\xa0\x80\x30\x80" + parts + bytes(6)


def _commented(signed: bytes) -> bytes:
    return cms.add_unsigned_attribute(signed, "1.2.3.4.5", der.octet_string(b"nothing protects this"))


def _signed_then(change: Callable[[bytes], bytes]) -> Forgery:
    return _outside(sign=lambda shop, digest: change(_own_signature(shop, digest)))


CASES["outer_signature_ber"] = _signed_then(_indefinite)
CASES["outer_signature_commented"] = _signed_then(_commented)
CASES["outer_signature_trailing_fail"] = _signed_then(lambda signed: signed + b"\0")
CASES["outer_signature_holds_content_fail"] = _outside(
    sign=lambda shop, digest: _cms(shop.keys.signer, digest, shop.keys.signer.sign, content=b"other")
)
_case("token_ber", change=_indefinite)
_case("token_ber_trailing_fail", change=lambda token: _indefinite(token) + b"\0\0")


def _in_seal(change: Callable[[bytes], bytes]) -> Forgery:
    return _reseal(lambda members: members.update({paths.SEAL: change(members[paths.SEAL])}))


CASES["seal_trailing_fail"] = _in_seal(lambda seal: seal + b"\0")
CASES["seal_armoured_fail"] = _in_seal(
    lambda seal: b"-----BEGIN CMS-----\n" + base64.encodebytes(seal) + b"-----END CMS-----\n"
)


class _HighSigner(KeySigner):
    """Takes of the two lawful signatures the one with the larger s."""

    def sign(self, data: bytes) -> bytes:
        return _high_s(super().sign(data))


def _sealed_by(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, kind: type[KeySigner] = KeySigner) -> Forgery:
    """A seal under an authority, with this key."""

    def forge(shop: Workshop) -> Exhibit:
        root = PKI.make("Office root", PKI.authority(), valid=VALID)
        builder = (
            x509.CertificateBuilder()
            .subject_name(PKI.name("Office"))
            .issuer_name(root.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=30))
            .not_valid_after(NOW + timedelta(days=3000))
        )
        for extension, critical in PKI.sealing:
            builder = builder.add_extension(extension, critical=critical)
        signer = kind(key, builder.sign(root.key, hashes.SHA256()), (root.certificate,))
        office = replace(shop, keys=replace(shop.keys, signer=signer))
        return office.exhibit(office.members(), trust=replace(shop.keys.trust, signers=(root.certificate,)))

    return forge


CASES["seal_by_rsa"] = _sealed_by(rsa.generate_private_key(65537, 3072))
CASES["seal_by_p384"] = _sealed_by(ec.generate_private_key(ec.SECP384R1()))
CASES["seal_ecdsa_high_s"] = _sealed_by(ec.generate_private_key(ec.SECP256R1()), _HighSigner)

# --- time-stamps ---------------------------------------------------------------------------------------


def _dated(name: str, time: str) -> None:
    """A token whose genTime is written like this."""
    _case(name, recipe=lambda _: {"time": time})


_SECONDS = f"{STAMPED_AT:%Y%m%d%H%M%S}"
_dated("token_time_fraction", _SECONDS + ".5Z")
_dated("token_time_fraction_of_nanoseconds", _SECONDS + ".123456789Z")
_dated("token_time_fraction_with_zeros", _SECONDS + ".50Z")
_dated("token_time_offset_fail", _SECONDS + "+0800")
_dated("token_time_comma_fail", _SECONDS + ",5Z")
_dated("token_time_leap_second_fail", _SECONDS[:-2] + "60Z")
_case("token_two_signers_fail", recipe=lambda _: {"signers": 2})
_case("token_version_2_fail", recipe=lambda _: {"version": 2})
_case("token_imprint_sha512_fail", recipe=lambda digest: {"imprint": imprint_of("sha512", digest * 2)})
_case("token_imprint_longer_fail", recipe=lambda digest: {"imprint": imprint_of("sha256", digest + b"\0")})
_case(
    "token_message_digest_twice_fail",
    recipe=lambda _: {"attributes": also(lambda _who, info: [message_digest(info)])},
)
_case("token_serial_negative", recipe=lambda _: {"serial": der.integer(-5)})
_case("token_by_key_id", recipe=lambda _: {"by_key": True})
_case("token_default_spelt_out", recipe=lambda _: {"rest": (der.encode(der.BOOLEAN, b"\0"),)})


@case("time_tokens_swapped_fail")
def _tokens_swapped(shop: Workshop) -> Exhibit:
    def change(members: Members) -> None:
        one, other = paths.open_token(1), paths.seal_token(1)
        members[one], members[other] = members[other], members[one]

    return shop.resealed(change)


@case("time_tokens_of_another_session_fail")
def _tokens_of_another(shop: Workshop) -> Exhibit:
    other = shop.members(seed="two")
    names = (paths.open_token(1), paths.capture_token("0001", 1), paths.seal_token(1))
    return shop.resealed(lambda members: members.update({name: other[name] for name in names}))


CASES["time_seal_token_copied_fail"] = _reseal(
    lambda members: members.update({paths.seal_token(2): members[paths.open_token(1)]})
)
CASES["time_seal_token_twice"] = _reseal(
    lambda members: members.update({paths.seal_token(2): members[paths.seal_token(1)]})
)

# --- the log -------------------------------------------------------------------------------------------


def _namesake(keys: Keys) -> Ed25519NoteSigner:
    return Ed25519NoteSigner(keys.log.name, hashlib.sha256(b"another log").digest())


def _witness(keys: Keys, seconds: float) -> CosignatureSigner:
    """The witness itself, at another time."""
    name = keys.witness.name
    seed = hashlib.sha256(b"witness" + name.partition("/")[2].encode()).digest()
    again = CosignatureSigner(name, seed, clock=lambda: seconds)
    assert again.verifier == keys.witness.verifier
    return again


CASES["checkpoint_of_namesake_fail"] = _hook(checkpoint_signers=lambda keys: (_namesake(keys), keys.witness))
CASES["checkpoint_also_of_namesake"] = _hook(checkpoint_signers=lambda keys: (keys.log, _namesake(keys), keys.witness))
CASES["checkpoint_signed_twice"] = _hook(checkpoint_signers=lambda keys: (keys.log, keys.log, keys.witness))
CASES["checkpoint_cosigned_in_the_future"] = _hook(
    checkpoint_signers=lambda keys: (keys.log, _witness(keys, 4_200_000_000))
)
CASES["checkpoint_cosigned_twice"] = _hook(
    checkpoint_signers=lambda keys: (keys.log, keys.witness, _witness(keys, 1_795_000_500))
)


def _in_proof(change: Callable[[bytes], bytes]) -> Forgery:
    return _reseal(lambda members: members.update({paths.ENTRY_PROOF: change(members[paths.ENTRY_PROOF])}))


def _in_path(change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> Forgery:
    def edit(data: bytes) -> bytes:
        proof: TlogProof = parse_proof(data)
        return format_proof(replace(proof, path=change(proof.path)))

    return _in_proof(edit)


def _loosely(data: bytes) -> bytes:
    """The first hash with another last character, whose two spare bits decode to nothing."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    line = base64.b64encode(parse_proof(data).path[0])
    last = alphabet.index(line[-2])
    return data.replace(line, line[:-2] + alphabet[last + 1 : last + 2] + b"=", 1)


CASES["proof_index_other_fail"] = _in_proof(lambda data: data.replace(b"index 3", b"index 2"))
CASES["proof_index_padded_fail"] = _in_proof(lambda data: data.replace(b"index 3", b"index 03"))
CASES["proof_longer_fail"] = _in_path(lambda path: (*path, bytes(32)))
CASES["proof_shorter_fail"] = _in_path(lambda path: path[:-1])
CASES["proof_reversed_fail"] = _in_path(lambda path: path[::-1])
CASES["proof_crlf_fail"] = _in_proof(lambda data: data.replace(b"\n", b"\r\n"))
CASES["proof_base64_loose_fail"] = _in_proof(_loosely)
CASES["proof_of_the_entry_for_the_announcement_fail"] = _reseal(
    lambda members: members.update({paths.OPEN_PROOF: members[paths.ENTRY_PROOF]})
)


@case("ledger_two_histories_fail")
def _two_histories(shop: Workshop) -> Exhibit:
    """The log signed two trees of one size, and so did its witness: each proof is right in its own."""
    (shop.folder / "other").mkdir()
    other = replace(shop, folder=shop.folder / "other").members(older=b"another history")
    return shop.resealed(_set(paths.OPEN_PROOF, other[paths.OPEN_PROOF]))
