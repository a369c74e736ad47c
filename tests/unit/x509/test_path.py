"""Paths against `cryptography`'s verifier and `openssl verify`, case by case."""

import subprocess
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from evidencekit.model import Outcome
from evidencekit.x509.path import MAX_PATH, PathResult, Purpose, build_path

UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
STAMPING = ExtendedKeyUsageOID.TIME_STAMPING


def stamping(pki: Any, **changed: Any) -> list[Any]:
    """The extensions of a TSA certificate with some changed (`None` removes)."""
    constraints, usage, extended = pki.stamping
    found = [changed.get("constraints", constraints), changed.get("usage", usage), changed.get("extended", extended)]
    return [item for item in (*found, changed.get("more")) if item is not None]


# name -> (how the leaf, the issuing CA and the root differ, expected)
CASES: dict[str, tuple[Callable[[Any], dict[str, Any]], bool]] = {
    "good": (lambda _: {}, True),
    "leaf expired": (lambda _: {"leaf_valid": (-100, -1)}, False),
    "leaf not yet valid": (lambda _: {"leaf_valid": (1, 100)}, False),
    "CA expired": (lambda _: {"middle_valid": (-100, -1)}, False),
    "root expired": (lambda _: {"root_valid": (-100, -1)}, False),
    "no extended key usage": (lambda p: {"leaf": stamping(p, extended=None)}, False),
    "extended key usage not critical": (
        lambda p: {"leaf": stamping(p, extended=(x509.ExtendedKeyUsage([STAMPING]), False))},
        False,
    ),
    "extended key usage of two": (
        lambda p: {
            "leaf": stamping(p, extended=(x509.ExtendedKeyUsage([STAMPING, ExtendedKeyUsageOID.CODE_SIGNING]), True))
        },
        False,
    ),
    "extended key usage of another": (
        lambda p: {"leaf": stamping(p, extended=(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True))},
        False,
    ),
    "no key usage": (lambda p: {"leaf": stamping(p, usage=None)}, True),
    "key usage non-repudiation": (lambda p: {"leaf": stamping(p, usage=(p.usage("content_commitment"), True))}, True),
    "key usage encipherment": (lambda p: {"leaf": stamping(p, usage=(p.usage("key_encipherment"), True))}, False),
    "key usage too much": (
        lambda p: {"leaf": stamping(p, usage=(p.usage("digital_signature", "key_encipherment"), True))},
        False,
    ),
    "leaf has unknown critical extension": (lambda p: {"leaf": stamping(p, more=(UNKNOWN, True))}, False),
    "leaf has unknown extension": (lambda p: {"leaf": stamping(p, more=(UNKNOWN, False))}, True),
    "CA has unknown critical extension": (lambda p: {"middle": [*p.authority(0), (UNKNOWN, True)]}, False),
    "issuer is no CA": (lambda p: {"middle": p.sealing}, False),
    "issuer may not sign certificates": (
        lambda p: {"middle": [p.authority(0)[0], (p.usage("digital_signature"), True)]},
        False,
    ),
    "issuer without constraints": (lambda p: {"middle": [p.authority(0)[1]]}, False),
    "root allows no CA below": (lambda p: {"root": p.authority(0)}, False),
    "root allows one CA below": (lambda p: {"root": p.authority(1)}, True),
    "root without key usage": (lambda p: {"root": [p.authority()[0]]}, True),
}


def made(pki: Any, change: Callable[[Any], dict[str, Any]]) -> tuple[Any, Any, Any]:
    changed = change(pki)
    span = (-100, 100)
    root = pki.make("Root", changed.get("root", pki.authority()), valid=changed.get("root_valid", span))
    middle = pki.make(
        "Middle", changed.get("middle", pki.authority(0)), issuer=root, valid=changed.get("middle_valid", span)
    )
    leaf = pki.make("Leaf", changed.get("leaf", pki.stamping), issuer=middle, valid=changed.get("leaf_valid", span))
    return leaf, middle, root


def ours(leaf: Any, middle: Any, root: Any, at: datetime) -> PathResult:
    return build_path(leaf.certificate, [middle.certificate], [root.certificate], at=at, purpose=Purpose.TIMESTAMPING)


def openssl_accepts(folder: Path, leaf: Any, middle: Any, root: Any, at: datetime) -> bool:
    for name, entity in (("leaf", leaf), ("middle", middle), ("root", root)):
        (folder / f"{name}.pem").write_bytes(entity.certificate.public_bytes(Encoding.PEM))
    command = ["openssl", "verify", "-purpose", "timestampsign", "-attime", str(int(at.timestamp()))]
    command += ["-CAfile", "root.pem", "-untrusted", "middle.pem", "leaf.pem"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=30).returncode == 0


def cryptography_accepts(leaf: Any, middle: Any, root: Any, at: datetime) -> bool:
    critical, either = verification.Criticality.CRITICAL, verification.Criticality.AGNOSTIC

    def only_stamping(_p: object, _c: object, extension: x509.ExtendedKeyUsage) -> None:
        require(list(extension) == [STAMPING])

    def may_sign(_p: object, _c: object, extension: x509.KeyUsage | None) -> None:
        allowed = extension is None or (
            (extension.digital_signature or extension.content_commitment) and not extension.key_encipherment
        )
        require(allowed)

    def is_ca(_p: object, _c: object, extension: x509.BasicConstraints) -> None:
        require(extension.ca)

    def may_issue(_p: object, _c: object, extension: x509.KeyUsage | None) -> None:
        require(extension is None or extension.key_cert_sign)

    anything = verification.ExtensionPolicy.permit_all()
    ee_policy = anything.require_present(x509.ExtendedKeyUsage, critical, only_stamping).may_be_present(
        x509.KeyUsage, either, may_sign
    )
    ca_policy = anything.require_present(x509.BasicConstraints, either, is_ca).may_be_present(
        x509.KeyUsage, either, may_issue
    )
    policy = verification.PolicyBuilder().store(verification.Store([root.certificate])).time(at)
    policy = policy.extension_policies(ca_policy=ca_policy, ee_policy=ee_policy)
    try:
        policy.build_client_verifier().verify(leaf.certificate, [middle.certificate])
    except verification.VerificationError:
        return False
    return True


def require(condition: bool) -> None:
    if not condition:
        raise ValueError("extension refused")


@pytest.mark.parametrize("name", CASES)
def test_we_judge_as_two_others_do(pki: Any, tmp_path: Path, name: str) -> None:
    change, expected = CASES[name]
    entities = made(pki, change)
    found = ours(*entities, pki.at)
    assert found.ok == expected, found.reason
    assert found.outcome is (Outcome.PASSED if expected else Outcome.FAILED)
    assert openssl_accepts(tmp_path, *entities, pki.at) == expected
    assert cryptography_accepts(*entities, pki.at) == expected
    if expected:
        assert found.chain == tuple(entity.certificate for entity in entities)


def seal(leaf: Any, anchors: Sequence[Any], at: datetime, between: Sequence[Any] = ()) -> PathResult:
    return build_path(
        leaf.certificate,
        [entity.certificate for entity in between],
        [entity.certificate for entity in anchors],
        at=at,
        purpose=Purpose.SEALING,
    )


def test_no_anchor_leaves_it_open(pki: Any, chain: Any) -> None:
    leaf, middle, root = chain
    found = build_path(
        leaf.certificate, [middle.certificate, root.certificate], [], at=pki.at, purpose=Purpose.TIMESTAMPING
    )
    assert found.outcome is Outcome.INDETERMINATE
    assert "no trust anchor" in found.reason.en


def test_an_intermediate_is_no_anchor(pki: Any, chain: Any) -> None:
    leaf, middle, root = chain
    other = pki.make("Other", pki.authority())
    found = build_path(
        leaf.certificate,
        [middle.certificate, root.certificate],
        [other.certificate],
        at=pki.at,
        purpose=Purpose.TIMESTAMPING,
    )
    assert found.outcome is Outcome.INDETERMINATE


def test_the_same_name_with_another_key_is_another(pki: Any, chain: Any) -> None:
    leaf, middle, _ = chain
    impostor = pki.make("Root", pki.authority())
    assert ours(leaf, middle, impostor, pki.at).outcome is Outcome.INDETERMINATE


def test_an_anchor_in_between_is_enough(pki: Any, chain: Any) -> None:
    leaf, middle, _ = chain
    found = build_path(leaf.certificate, [], [middle.certificate], at=pki.at, purpose=Purpose.TIMESTAMPING)
    assert found.chain == (leaf.certificate, middle.certificate)
    assert found.ok


def test_a_pinned_leaf_is_its_own_anchor(pki: Any) -> None:
    own = pki.make("Own", pki.sealing)
    assert seal(own, [own], pki.at).chain == (own.certificate,)
    assert seal(own, [], pki.at).outcome is Outcome.INDETERMINATE
    assert seal(own, [own], pki.at + timedelta(days=200)).outcome is Outcome.FAILED


def test_a_ca_may_seal_only_if_pinned(pki: Any) -> None:
    root = pki.make("Root", pki.authority())
    usage = (pki.usage("digital_signature", "key_cert_sign"), True)
    ca = pki.make("CA", [pki.authority()[0], usage], issuer=root)
    assert seal(ca, [root], pki.at).outcome is Outcome.FAILED
    assert seal(ca, [ca], pki.at).ok


@pytest.mark.parametrize(
    ("usages", "extended", "expected"),
    [
        (("digital_signature",), None, True),
        (("content_commitment",), None, True),
        (None, None, True),
        (("key_encipherment",), None, False),
        (("digital_signature",), [ExtendedKeyUsageOID.EMAIL_PROTECTION], True),
        (("digital_signature",), [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH], True),
        (("digital_signature",), [ExtendedKeyUsageOID.SERVER_AUTH], False),
        (("digital_signature",), [STAMPING], False),
    ],
)
def test_who_may_seal(pki: Any, usages: Any, extended: Any, expected: bool) -> None:
    root = pki.make("Root", pki.authority())
    extensions: list[Any] = [(x509.BasicConstraints(ca=False, path_length=None), True)]
    if usages is not None:
        extensions.append((pki.usage(*usages), True))
    if extended is not None:
        extensions.append((x509.ExtendedKeyUsage(extended), False))
    leaf = pki.make("Leaf", extensions, issuer=root)
    assert seal(leaf, [root], pki.at).ok == expected


def test_name_constraints_leave_it_open(pki: Any) -> None:
    constraint = x509.NameConstraints(permitted_subtrees=[x509.DNSName("example.com")], excluded_subtrees=None)
    root = pki.make("Root", pki.authority())
    middle = pki.make("Middle", [*pki.authority(0), (constraint, True)], issuer=root)
    leaf = pki.make("Leaf", pki.sealing, issuer=middle)
    found = seal(leaf, [root], pki.at, [middle])
    assert found.outcome is Outcome.INDETERMINATE
    assert "name constraints" in found.reason.en


def test_a_path_of_eight_is_found_and_of_nine_not(pki: Any) -> None:
    root = pki.make("Root", pki.authority())
    line = [root]
    for number in range(MAX_PATH - 1):
        line.append(pki.make(f"CA {number}", pki.authority(), issuer=line[-1]))
    short = pki.make("Short", pki.sealing, issuer=line[MAX_PATH - 2])
    long = pki.make("Long", pki.sealing, issuer=line[MAX_PATH - 1])
    assert len(seal(short, [root], pki.at, line).chain) == MAX_PATH
    assert seal(long, [root], pki.at, line).outcome is Outcome.INDETERMINATE


def test_a_second_way_is_found_when_the_first_is_bad(pki: Any) -> None:
    """Two certificates for the same CA, one expired: any order finds the good one."""
    root = pki.make("Root", pki.authority())
    good = pki.make("Middle", pki.authority(0), issuer=root)
    bad = pki.make("Middle", pki.authority(0), issuer=root, valid=(-100, -10), key=good.key)
    leaf = pki.make("Leaf", pki.sealing, issuer=good)
    for order in ([good, bad], [bad, good]):
        assert seal(leaf, [root], pki.at, order).ok


def test_many_certificates_of_one_name_end_quickly(pki: Any) -> None:
    """A loop-ridden pool of cross-certificates does not blow the search up."""
    import time

    keys = [pki.make("A", pki.authority()).key for _ in range(6)]
    pool = [
        pki.make("A", pki.authority(), issuer=pki.make("A", pki.authority(), key=signer), key=subject)
        for signer in keys
        for subject in keys
    ]
    leaf = pki.make("Leaf", pki.sealing, issuer=pki.make("A", pki.authority(), key=keys[0]))
    other = pki.make("A", pki.authority())
    started = time.process_time()
    assert seal(leaf, [other], pki.at, pool).outcome is Outcome.INDETERMINATE
    assert time.process_time() - started < 2


def test_a_weakly_signed_certificate_leads_nowhere(tmp_path: Path) -> None:
    def run(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, capture_output=True, check=True, timeout=30)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    ca = ("-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=keyCertSign")
    run("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Weak CA", "-days", "3", *ca)
    run("req", "-new", *new, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=Weak leaf")
    for name in ("sha256", "sha1"):
        issue = ("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2")
        run(*issue, f"-{name}", "-out", f"{name}.pem")
    anchor = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    at = anchor.not_valid_before_utc + timedelta(hours=1)
    outcomes = {
        name: build_path(
            x509.load_pem_x509_certificate((tmp_path / f"{name}.pem").read_bytes()),
            [],
            [anchor],
            at=at,
            purpose=Purpose.SEALING,
        ).ok
        for name in ("sha256", "sha1")
    }
    assert outcomes == {"sha256": True, "sha1": False}
