"""Standing settings of a person or office: `config.toml` in the home, under the options of a command.

Shape (every key may be absent):

    [capture]
    mode = "standard"               # standard | fast | forensic
    tsa = ["auto"]                  # auto | none | URL, as --tsa
    third_party = true              # false: as --no-third-party

    [operator]
    name = "…"
    role = "operator"
    relationship = "party"          # party | counsel | notary | third_party
    environment_control = "party_host"  # party_host | notary_host | notary_cloud | third_party_cloud
    identity = "unverified"
    on_behalf_of = ""               # whom the operator acts for
    place = ""                      # where
    purpose = ""                    # what for
    lawful_basis = ""               # of handling personal data

    [environment]                   # whom the cleanliness probes ask; [] asks nobody of the kind
    resolvers = ["223.5.5.5", "119.29.29.29"]  # independent DNS resolvers, address or address:port
    time_servers = ["ntp.ntsc.ac.cn", "…"]     # NTP
    egress_servers = ["stun.miwifi.com:3478", "…"]  # STUN: the address seen outside
    browser_digests = ""            # file of published browser digests, as sha256sum writes

    [ledger]
    head_mirror = ""                # file outside the data folder that holds the newest checkpoint
    witness_policy = ""             # C2SP tlog-policy file: who must cosign a checkpoint
    fail_open = false               # true: publish although the witnesses did not answer
    postgres = ""                   # how libpq connects to the database that holds the log; no password in it
    schema = "evidencekit"          # its schema
    published = []                  # where the log is published: https://…, s3://bucket/prefix, folder; checked on open
    anchors = []                    # who vouches for each bundle's checkpoint: URL of a TSA, FILE of a deposit API
    s3_endpoint = ""                # URL of an S3 store that is not Amazon's

    [pades]
    seal = false                    # true: sign the certificate PDF itself (PAdES-LTA, extra [pades])

    [signing]                       # docs/spec/signers.md
    kind = "home"                   # home | file | pkcs11 | command
    algorithm = ""                  # e.g. rsa-sha256; "": by the key
    post_quantum = false            # true: a second signature with ML-DSA-65, as --post-quantum
    certificate = ""                # PEM file, issuing certificates after it
    key = ""                        # file: PEM key; passphrase_file beside it
    module = ""                     # pkcs11: library; token, label, pin_file beside it
    command = []                    # command: program and arguments

    [tsa.NAME]                      # a TSA of your own, as many as you like; NAME goes into capture.tsa and --tsa
    url = "https://…"               # http or https; may hold a user name and password
    roles = ["open", "capture", "seal"]  # what it is asked for; also batch: one token over many bundles
    policy = "1.2.3"                # policy to ask for
    tokens = 1000                   # how many the contract pays for; doctor counts
    anchor = "notary-tsa.pem"       # its root, beside config.toml, for your verifiers; nothing is trusted because of it
    terms = "…"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.errors import ConfigError
from evidencekit_cli.options import ENVIRONMENT_CONTROLS, MODES, RELATIONSHIPS, SIGNATURE_ALGORITHMS, SIGNER_KINDS

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_FILE = "config.toml"
TSA_ROLES = ("open", "capture", "seal", "batch")
"""Values of `evidencekit.timestamp.roles.Role`; a test compares."""
RESOLVERS = ("223.5.5.5", "119.29.29.29")
TIME_SERVERS = ("ntp.ntsc.ac.cn", "ntp.aliyun.com", "time.cloudflare.com")
EGRESS_SERVERS = ("stun.miwifi.com:3478", "stun.cloudflare.com:3478")
"""Defaults of `evidencekit.capture.environment.probe`, too dear to import for `--help`; a test compares."""
_TSA_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_RESERVED = frozenset({"auto", "none"})
LIMIT_BYTES = 1 << 20
_PASSWORD = re.compile(r"password\s*=|://[^/@\s]*:[^/@\s]*@", re.IGNORECASE)
"""A password in a connection string or a URL: in `config.toml` it would be shown, copied and backed up."""


SettingValue = str | bool | tuple[str, ...]

_DEFAULTS: Mapping[str, SettingValue] = {
    "capture.mode": "standard",
    "capture.tsa": ("auto",),
    "capture.third_party": True,
    "operator.name": "unnamed",
    "operator.role": "operator",
    "operator.relationship": "party",
    "operator.environment_control": "party_host",
    "operator.identity": "unverified",
    "operator.on_behalf_of": "",
    "operator.place": "",
    "operator.purpose": "",
    "operator.lawful_basis": "",
    "environment.resolvers": RESOLVERS,
    "environment.time_servers": TIME_SERVERS,
    "environment.egress_servers": EGRESS_SERVERS,
    "environment.browser_digests": "",
    "ledger.head_mirror": "",
    "ledger.witness_policy": "",
    "ledger.fail_open": False,
    "ledger.postgres": "",
    "ledger.schema": "evidencekit",
    "ledger.published": (),
    "ledger.anchors": (),
    "ledger.s3_endpoint": "",
    "pades.seal": False,
    "signing.kind": "home",
    "signing.algorithm": "",
    "signing.post_quantum": False,
    "signing.certificate": "",
    "signing.key": "",
    "signing.passphrase_file": "",
    "signing.module": "",
    "signing.token": "",
    "signing.label": "",
    "signing.pin_file": "",
    "signing.command": (),
}
_CHOICES = {
    "capture.mode": MODES,
    "operator.relationship": RELATIONSHIPS,
    "operator.environment_control": ENVIRONMENT_CONTROLS,
    "signing.kind": SIGNER_KINDS,
    "signing.algorithm": SIGNATURE_ALGORITHMS,
}


def default_of(name: str) -> SettingValue | None:
    """Return the default of a setting, None when there is no such setting."""
    return _DEFAULTS.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTsa:
    """A TSA of the user's own; `tokens` is what the contract pays for, 0 when nothing is said."""

    name: str
    url: str
    roles: tuple[str, ...] = ("open", "capture", "seal")
    policy: str | None = None
    tokens: int = 0
    anchor: str | None = None
    terms: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting's value by its dotted name; `given` names those that the file sets."""

    values: Mapping[str, SettingValue]
    given: frozenset[str] = frozenset()
    tsas: tuple[OwnTsa, ...] = ()

    def text(self, name: str) -> str:
        """Return the value of a setting that is a text."""
        value = self.values[name]
        return value if isinstance(value, str) else ""

    def flag(self, name: str) -> bool:
        """Return the value of a setting that is true or false."""
        return self.values[name] is True

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the value of a setting that is a list of texts."""
        value = self.values[name]
        return value if isinstance(value, tuple) else ()


def read_settings(file: Path) -> Settings:
    """Return the settings of `file` over the defaults; the defaults alone when there is no file.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has a key or value that is not known.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(LIMIT_BYTES + 1)
        if len(data) > LIMIT_BYTES:
            raise _wrong(file, f"it is larger than {LIMIT_BYTES} bytes", f"文件超过 {LIMIT_BYTES} 字节")
        tables = tomllib.loads(data.decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):  # whether the home can be used is for `Home.open` to say
        return Settings(values=_DEFAULTS)
    except (OSError, ValueError, RecursionError) as error:
        raise _wrong(file, str(error), str(error)) from error
    tsas = read_tsas(file, tables.pop("tsa", {}))
    given = {name: checked_value(file, name, value) for name, value in _flattened(file, tables).items()}
    values = {**_DEFAULTS, **given}
    if tsas and "capture.tsa" not in given:
        values["capture.tsa"] = tuple(tsa.name for tsa in tsas)
    return Settings(values=values, given=frozenset(given), tsas=tsas)


def read_tsas(file: Path, tables: object) -> tuple[OwnTsa, ...]:
    """Read the `[tsa.NAME]` tables, in order.

    Raises:
        ConfigError: one has an unknown key, a value of another kind, or no URL.
    """
    if not isinstance(tables, Mapping):
        raise _wrong(file, "tsa must be tables [tsa.NAME]", "tsa 应为 [tsa.名称] 表")
    return tuple(_own_tsa(file, str(name), table) for name, table in tables.items())


def _own_tsa(file: Path, name: str, table: object) -> OwnTsa:
    where = f"tsa.{name}"
    if not _TSA_NAME.fullmatch(name) or name in _RESERVED or not isinstance(table, Mapping):
        raise _wrong(file, f"[{where[:80]}] is no table with a plain name", f"[{where[:80]}] 不是名称合法的表")
    kinds: Mapping[str, type] = {"url": str, "policy": str, "anchor": str, "terms": str, "tokens": int, "roles": list}
    for key, value in table.items():
        if key not in kinds:
            raise _wrong(file, f"{where}.{key} is not a setting", f"没有 {where}.{key} 这一设置")
        if type(value) is not kinds[key]:
            raise _wrong(file, f"{where}.{key} has a value of another kind", f"{where}.{key} 的值类型不符")
    roles = tuple(table.get("roles", TSA_ROLES[:3]))
    if not roles or not set(roles) <= set(TSA_ROLES):
        raise _wrong(
            file, f"{where}.roles are some of {', '.join(TSA_ROLES)}", f"{where}.roles 应取自 {'、'.join(TSA_ROLES)}"
        )
    if table.get("tokens", 0) < 0 or not str(table.get("url", "")).startswith(("http://", "https://")):
        raise _wrong(
            file,
            f"{where} needs an http: or https: url, and tokens of 0 or more",
            f"{where} 须有 http(s) url，tokens 不为负",
        )
    policy, anchor = table.get("policy"), table.get("anchor")
    return OwnTsa(
        name=name,
        url=str(table["url"]),
        roles=tuple(str(role) for role in roles),
        policy=None if policy is None else str(policy),
        tokens=int(table.get("tokens", 0)),
        anchor=None if anchor is None else str(anchor),
        terms=str(table.get("terms", "")),
    )


def _flattened(file: Path, tables: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for table, content in tables.items():
        if not isinstance(content, Mapping):
            raise _unknown(file, table)
        for key, value in content.items():
            if f"{table}.{key}" not in _DEFAULTS:
                raise _unknown(file, f"{table}.{key}")
            flat[f"{table}.{key}"] = value
    return flat


def checked_value(file: Path, name: str, value: object) -> SettingValue:
    """Return the value of a setting as `Settings` holds it.

    Raises:
        ConfigError: there is no such setting, or it does not take this value.
    """
    if name not in _DEFAULTS:
        raise _unknown(file, name)
    expected = _DEFAULTS[name]
    if isinstance(expected, tuple):
        if isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(item, str) for item in value):
            return tuple(_without_password(file, name, str(item)) for item in value)
        raise _wrong(file, f"{name} must be a list of texts", f"{name} 应为字符串列表")
    if isinstance(expected, bool):
        if isinstance(value, bool):
            return value
        raise _wrong(file, f"{name} must be true or false", f"{name} 应为 true 或 false")
    if not isinstance(value, str):
        raise _wrong(file, f"{name} must be a text", f"{name} 应为字符串")
    if name in _CHOICES and value not in _CHOICES[name]:
        choices = ", ".join(_CHOICES[name])
        raise _wrong(file, f"{name} must be one of {choices}", f"{name} 应为 {choices} 之一")
    return _without_password(file, name, value)


def _without_password(file: Path, name: str, value: str) -> str:
    if name.startswith("ledger.") and _PASSWORD.search(value):
        raise _wrong(
            file,
            f"{name} holds a password; keep it in ~/.pgpass, a file named by passfile=, a service file, or PGPASSWORD",
            f"{name} 含有口令;请存入 ~/.pgpass、passfile= 指定的文件、service 文件或环境变量 PGPASSWORD",
        )
    return value


def _unknown(file: Path, name: str) -> ConfigError:
    known = ", ".join(_DEFAULTS)
    return _wrong(file, f"{name} is not a setting; known are {known}", f"没有 {name} 这一设置;可用的有 {known}")


def _wrong(file: Path, en: str, zh: str) -> ConfigError:
    return ConfigError(f"{file} cannot be used: {en}; correct or remove it", f"无法使用 {file}:{zh};请更正或删除")
