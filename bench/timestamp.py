"""Measure a full token check and the embedded TSA, beside rfc3161-client and pyHanko where they are installed.

    python bench/timestamp.py [--rounds N] [--tokens N]

Rounds are interleaved, so that a change in the machine's load strikes every contender; the best and the median are
printed, with the ratio of medians. Ratios travel to other machines, absolute rates do not. `cold` forgets before each
check what is kept of certificates seen before. `pip install --group bench` installs the others. They look at less:
rfc3161-client at neither revocation nor ESSCertID nor a future genTime, pyHanko is asked for its basic check.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib.util
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evidencekit.timestamp.authority import Authority, PrivateKey
from evidencekit.timestamp.check import check_token
from evidencekit.timestamp.query import build_query, random_nonce
from evidencekit.x509 import certificate as certificates
from evidencekit.x509 import der

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = b"what was seen"
DIGEST = hashlib.sha256(DATA).digest()


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A TSA below an intermediate CA below a root, and the intermediate's revocation list."""

    authority: Authority
    root: x509.Certificate
    intermediate: x509.Certificate
    crl: x509.CertificateRevocationList


def make_chain(key: PrivateKey) -> Chain:
    now = datetime.now(UTC)
    root_key, middle_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("Bench root", root_key, None, None)
    middle = certificate("Bench CA", middle_key, root, root_key)
    leaf = certificate("Bench TSA", key, middle, middle_key, leaf=True)
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(middle.subject)
        .last_update(now - timedelta(hours=1))
        .next_update(now + timedelta(days=30))
        .sign(middle_key, hashes.SHA256())
    )
    return Chain(authority=Authority(key, leaf, (middle,)), root=root, intermediate=middle, crl=crl)


def certificate(
    name: str, key: PrivateKey, issuer: x509.Certificate | None, issuer_key: PrivateKey | None, *, leaf: bool = False
) -> x509.Certificate:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    bits = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    usage = x509.KeyUsage(digital_signature=leaf, key_cert_sign=not leaf, crl_sign=not leaf, **bits)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=1000))
        .add_extension(x509.BasicConstraints(ca=not leaf, path_length=None), critical=True)
        .add_extension(usage, critical=True)
    )
    if leaf:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(issuer_key or key, hashes.SHA256())


def ours(chain: Chain, reply: bytes, nonce: int) -> Callable[[], None]:
    crl, at = chain.crl.public_bytes(Encoding.DER), datetime.now(UTC)

    def run() -> None:
        found = check_token(reply, digest=DIGEST, anchors=[chain.root], at=at, nonce=nonce, crls=[crl])
        assert found.trusted.value == "PASSED", found.reason

    return run


def ours_cold(chain: Chain, reply: bytes, nonce: int) -> Callable[[], None]:
    """The same, with nothing remembered of certificates and identifiers seen before."""
    run = ours(chain, reply, nonce)

    def forget_and_run() -> None:
        forget()
        run()

    return forget_and_run


def forget() -> None:
    for cache in (certificates.encoded_parts, der._dotted):  # noqa: SLF001 - all that is kept between checks
        cache.cache_clear()


def rfc3161_client(chain: Chain, reply: bytes, nonce: int) -> Callable[[], None]:
    from rfc3161_client import VerifierBuilder, decode_timestamp_response

    def run() -> None:
        verifier = VerifierBuilder(roots=[chain.root], intermediates=[chain.intermediate]).nonce(nonce).build()
        assert verifier.verify_message(decode_timestamp_response(reply), DATA)

    return run


def pyhanko(chain: Chain, reply: bytes, nonce: int) -> Callable[[], None]:
    from asn1crypto import crl as asn1_crl
    from asn1crypto import tsp
    from asn1crypto import x509 as asn1_x509
    from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
    from pyhanko.sign.validation.status import TimestampSignatureStatus
    from pyhanko_certvalidator import ValidationContext

    del nonce
    root, middle = (
        asn1_x509.Certificate.load(each.public_bytes(Encoding.DER)) for each in (chain.root, chain.intermediate)
    )
    crl, at = asn1_crl.CertificateList.load(chain.crl.public_bytes(Encoding.DER)), datetime.now(UTC)

    async def check() -> None:
        context = ValidationContext(
            trust_roots=[root], other_certs=[middle], crls=[crl], moment=at, allow_fetching=False
        )
        token = tsp.TimeStampResp.load(reply, strict=True)["time_stamp_token"]["content"]
        status = await validate_tst_signed_data(token, context, lambda name: hashlib.new(name, DATA).digest())
        assert TimestampSignatureStatus(**status).trusted

    return lambda: asyncio.run(check())


def measure(contenders: dict[str, Callable[[], None]], rounds: int, repeats: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            begun = time.perf_counter()
            for _ in range(repeats):
                run()
            found[name].append((time.perf_counter() - begun) / repeats)
    return found


def checks(kind: str, key: PrivateKey, arguments: argparse.Namespace) -> None:
    chain, nonce = make_chain(key), random_nonce()
    reply = chain.authority.reply(build_query(DIGEST, nonce=nonce))
    contenders = {"evidencekit": ours(chain, reply, nonce), "evidencekit, cold": ours_cold(chain, reply, nonce)}
    for package, module, make in (
        ("rfc3161-client", "rfc3161_client", rfc3161_client),
        ("pyHanko", "pyhanko", pyhanko),
    ):
        if importlib.util.find_spec(module) is None:
            print(f"  {package} is not installed")
            continue
        contenders[package] = make(chain, reply, nonce)
    found = measure(contenders, arguments.rounds, arguments.tokens)
    own = statistics.median(found["evidencekit"])
    for name, times in found.items():
        median = statistics.median(times)
        print(
            f"  {kind:5} {name:17} best {1e3 * min(times):6.2f} ms  median {1e3 * median:6.2f} ms  x {median / own:.2f}"
        )


def issuing(kind: str, key: PrivateKey, arguments: argparse.Namespace) -> None:
    authority, query = make_chain(key).authority, build_query(DIGEST, nonce=1)
    (times,) = measure({kind: lambda: authority.reply(query) and None}, arguments.rounds, 5 * arguments.tokens).values()
    print(f"  {kind:5} best {1 / min(times):6.0f}/s  median {1 / statistics.median(times):6.0f}/s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tokens", type=int, default=20, help="checks a round")
    arguments = parser.parse_args()
    keys: dict[str, PrivateKey] = {
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "RSA": rsa.generate_private_key(65537, 3072),
    }
    print("a full check: response, two certificates embedded, path to a root, nonce, revocation list")
    for kind, key in keys.items():
        checks(kind, key, arguments)
    print("issued by the embedded TSA, one thread")
    for kind, key in keys.items():
        issuing(kind, key, arguments)


if __name__ == "__main__":
    main()
