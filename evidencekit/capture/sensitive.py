"""Which names mean a secret: header fields, query parameters, form fields and JSON keys.

Names decide, never guesses from values. The reasons are those of docs/spec/records.md.
"""

from __future__ import annotations

import re
from functools import lru_cache

COOKIE = "cookie"
AUTHORIZATION = "authorization"
PASSWORD = "password"  # noqa: S105 - the name of a reason
TOKEN = "token"  # noqa: S105 - likewise
STORAGE = "storage"

REASONS = (COOKIE, AUTHORIZATION, PASSWORD, TOKEN, STORAGE)

_NAME_CHARS = 128
_HEADERS = {
    "cookie": COOKIE,
    "cookie2": COOKIE,
    "set-cookie": COOKIE,
    "set-cookie2": COOKIE,
    "authorization": AUTHORIZATION,
    "proxy-authorization": AUTHORIZATION,
    "authentication-info": AUTHORIZATION,
    "proxy-authentication-info": AUTHORIZATION,
}
_REPEATED = r"(?:confirm(?:ation)?|confirmed|again|repeat|value|verify|plain)?"
_PASSWORD = re.compile(rf"(?:password|passwd|passphrase|passcode|userpwd|loginpwd|密码|口令){_REPEATED}$")
_TOKEN = re.compile(
    r"(?:token|secret|csrf|xsrf|sessionid|sessid|sessionkey|session|apikey|accesskey|privatekey|secretkey|authkey"
    rf"|passticket|credential|nonceticket){_REPEATED}$"
)
_AUTHORIZATION = re.compile(r"authorization$")
# Short names mean a secret only as a word of their own: `classid` ends in `sid` and is none.
_WORDS = {
    "pwd": PASSWORD,
    "pass": PASSWORD,
    "otp": PASSWORD,
    "totp": PASSWORD,
    "pin": PASSWORD,
    "sid": TOKEN,
    "jwt": TOKEN,
    "sess": TOKEN,
    "auth": AUTHORIZATION,
}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_A-Za-z]+")
_SEPARATORS = re.compile(r"[\W_]+|\d+$")

HINT = re.compile(rb"(?i)pass|pwd|token|secret|csrf|xsrf|sess|sid|jwt|auth|otp|pin|key|credential|%E5%|\xe5|\\u5")
"""Occurs in every text that can hold a sensitive name: a cheap test before the costly one."""


@lru_cache(maxsize=4096)
def reason_for_name(name: str) -> str | None:
    """Say why the value of a field with this name is a secret, or `None`.

    Args:
        name: a query parameter, form field or JSON key, already decoded.
    """
    name = name[:_NAME_CHARS]
    flat = _SEPARATORS.sub("", _SEPARATORS.sub("", name)).lower()
    for pattern, reason in ((_PASSWORD, PASSWORD), (_TOKEN, TOKEN), (_AUTHORIZATION, AUTHORIZATION)):
        if pattern.search(flat):
            return reason
    words = _WORD.findall(name)
    return _WORDS.get(words[-1].lower()) if words else None


def reason_for_header(name: str) -> str | None:
    """Say why the value of this header field is a secret, or `None`."""
    lower = name.lower()
    if lower in _HEADERS:
        return _HEADERS[lower]
    if lower.startswith(("access-control-", "sec-", "content-", "cross-origin-", "public-key-")):
        return None
    return reason_for_name(lower)
