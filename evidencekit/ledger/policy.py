"""Trust policies: C2SP tlog-policy, the text file that says when a checkpoint counts as witnessed.

```
log <vkey> [<url>]
witness <name> <vkey> [<url>]
group <name> all|any|<k> <member>…        members are witnesses and groups defined above, each used once
quorum <name>|none                        exactly once
```

Words are parted by blanks or tabs; empty lines and lines whose first word begins with `#` are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError
from evidencekit.ledger.checkpoint import open_checkpoint
from evidencekit.ledger.cosignature import LOG_TYPES, WITNESS_TYPES, parse_any_vkey

if TYPE_CHECKING:
    from evidencekit.ledger.checkpoint import SignedCheckpoint
    from evidencekit.signing.note import NoteVerifier

MAX_BYTES: Final = 1 << 20
MAX_LINES: Final = 10_000
NONE: Final = "none"
_COUNT: Final = re.compile(r"[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLine:
    """A log (its `name` is the key's name) or a witness (its `name` is the policy's word for it)."""

    name: str
    vkey: str
    verifier: NoteVerifier
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """`threshold` of `members` must have cosigned; `rule` is `all`, `any` or the number as written."""

    name: str
    rule: str
    members: tuple[str, ...]

    @property
    def threshold(self) -> int:
        """How many members it takes."""
        return {"all": len(self.members), "any": 1}.get(self.rule) or int(self.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a verifier asks of a checkpoint; `quorum` names a witness or a group, or is `none`."""

    logs: tuple[KeyLine, ...]
    witnesses: tuple[KeyLine, ...]
    groups: tuple[Group, ...]
    quorum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCheck:
    """How a checkpoint stands to a policy.

    `witnesses` are the policy's names of those whose cosignature verified.
    """

    signed: SignedCheckpoint
    log_signed: bool
    witnesses: tuple[str, ...]
    quorum_met: bool

    @property
    def is_satisfied(self) -> bool:
        """Whether a log of the policy signed it, the quorum cosigned it, and no known signature is bad."""
        return self.log_signed and self.quorum_met


def parse_policy(data: bytes) -> Policy:
    """Read a policy file.

    Raises:
        FormatError: a line that means nothing, a name or key used twice, an unknown member, or no quorum.
    """
    try:
        lines = data.decode().split("\n") if len(data) <= MAX_BYTES else []
    except UnicodeDecodeError as error:
        raise FormatError("A policy is not UTF-8.", "策略文件不是 UTF-8。") from error
    if not 0 < len(lines) <= MAX_LINES:
        raise FormatError("A policy is over 1 MiB or 10,000 lines.", "策略文件超过 1 MiB 或 10,000 行。")
    reader = _Reader()
    for number, line in enumerate(lines, start=1):
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if words and not words[0].startswith("#"):
            reader.read(number, words)
    return reader.policy()


def format_policy(policy: Policy) -> bytes:
    """Write a policy file: logs, witnesses, groups and the quorum, one line each."""
    lines = [_line("log", log.vkey, log.url) for log in policy.logs]
    lines += [_line("witness", witness.name, witness.vkey, witness.url) for witness in policy.witnesses]
    lines += [_line("group", group.name, group.rule, *group.members) for group in policy.groups]
    return "".join([*lines, _line("quorum", policy.quorum)]).encode()


def check_policy(policy: Policy, checkpoint: bytes) -> PolicyCheck:
    """Check a checkpoint note against a policy.

    Raises:
        FormatError: not a checkpoint note. A policy that is not met is a result.
    """
    keys = [*policy.logs, *policy.witnesses]
    signed = open_checkpoint(checkpoint, [key.verifier for key in keys])
    verified = {(signature.name, signature.key_id) for signature in signed.note.verified}
    cosigned = [w.name for w in policy.witnesses if (w.verifier.name, w.verifier.key_id) in verified]
    origin = signed.checkpoint.origin
    logs = [log for log in policy.logs if log.name == origin and (log.name, log.verifier.key_id) in verified]
    return PolicyCheck(
        signed=signed,
        log_signed=bool(logs) and signed.note.is_verified,
        witnesses=tuple(cosigned),
        quorum_met=_is_met(policy, frozenset(cosigned)) and not signed.note.invalid,
    )


def _is_met(policy: Policy, cosigned: frozenset[str]) -> bool:
    if policy.quorum == NONE:
        return True
    met = set(cosigned)
    # A group's members stand above it in the file, so one pass settles them all.
    for group in policy.groups:
        if sum(member in met for member in group.members) >= group.threshold:
            met.add(group.name)
    return policy.quorum in met


def _line(*words: str | None) -> str:
    return " ".join(word for word in words if word is not None) + "\n"


class _Reader:
    """Collects the lines of one policy."""

    def __init__(self) -> None:
        self.logs: list[KeyLine] = []
        self.witnesses: list[KeyLine] = []
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._names: dict[str, bool] = {}
        self._keys: set[bytes] = set()

    def read(self, number: int, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                verifier = self._key(number, vkey, LOG_TYPES)
                self.logs.append(KeyLine(name=verifier.name, vkey=vkey, verifier=verifier, url=url[0] if url else None))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                verifier = self._key(number, vkey, WITNESS_TYPES)
                self._define(number, name)
                self.witnesses.append(KeyLine(name=name, vkey=vkey, verifier=verifier, url=url[0] if url else None))
            case ["group", name, rule, *members] if members:
                self._group(number, name, rule, members)
            case ["quorum", name] if self.quorum is None:
                if name != NONE and name not in self._names:
                    raise _bad(number, f"{name!r} is not defined", f"{name!r} 未定义")
                self.quorum = name
            case _:
                raise _bad(
                    number,
                    "it is none of log, witness, group and one quorum",
                    "不是 log、witness、group 或唯一的 quorum",
                )

    def policy(self) -> Policy:
        if self.quorum is None:
            raise FormatError("A policy has no quorum line.", "策略文件缺少 quorum 行。")
        return Policy(
            logs=tuple(self.logs),
            witnesses=tuple(self.witnesses),
            groups=tuple(self.groups.values()),
            quorum=self.quorum,
        )

    def _key(self, number: int, vkey: str, types: frozenset[int]) -> NoteVerifier:
        key_type, verifier = parse_any_vkey(vkey)
        if key_type not in types:
            raise _bad(
                number, f"a key of type 0x{key_type:02x} cannot do this", f"类型 0x{key_type:02x} 的密钥不能用于此处"
            )
        material = verifier.public_key
        if material in self._keys:
            raise _bad(number, f"the key of {verifier.name!r} stands here twice", f"{verifier.name!r} 的密钥重复出现")
        self._keys.add(material)
        return verifier

    def _define(self, number: int, name: str) -> None:
        if name == NONE or name in self._names:
            raise _bad(number, f"the name {name!r} is taken", f"名称 {name!r} 已被占用")
        self._names[name] = False

    def _group(self, number: int, name: str, rule: str, members: list[str]) -> None:
        if rule not in ("all", "any") and not (_COUNT.fullmatch(rule) and int(rule) <= len(members)):
            raise _bad(number, f"{rule[:20]!r} is not all, any or a count", f"{rule[:20]!r} 不是 all、any 或个数")
        for member in members:
            if self._names.get(member, True):
                raise _bad(
                    number, f"the member {member!r} is not defined or used already", f"成员 {member!r} 未定义或已使用"
                )
            self._names[member] = True
        self._define(number, name)
        self.groups[name] = Group(name=name, rule=rule, members=tuple(members))


def _bad(number: int, en: str, zh: str) -> FormatError:
    return FormatError(f"Line {number} of the policy: {en}.", f"策略文件第 {number} 行：{zh}。")
