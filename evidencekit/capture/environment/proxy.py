"""Proxies: variables, browser arguments and PAC; credentials in their addresses stay out of the report (R09, FM3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evidencekit.capture.environment.probe import Observation, Probe, ProbeContext, passed, warned
from evidencekit.model import Text

if TYPE_CHECKING:
    from evidencekit.model import JsonValue

_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "auto_proxy", "socks_proxy")
_ARGUMENTS = ("--proxy-server", "--proxy-pac-url", "--proxy-auto-detect", "--host-rules", "--host-resolver-rules")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@|^[^/@\s]*@")
_VALUE_CHARS = 300
# The tool's own rule, which refuses private addresses, maps nothing to another place.
_OWN_RULE = re.compile(r"^--host-resolver-rules=(?:\s*(?:MAP \S+ \^?NOTFOUND|EXCLUDE \S+)\s*,?)*$")


def probe_proxy(context: ProbeContext) -> Observation:
    """Look at proxy variables in any case, and at the arguments the browser gets."""
    environment = {name.lower(): value for name, value in sorted(context.options.environment.items())}
    found: dict[str, JsonValue] = {
        name: _CREDENTIALS.sub("", environment[name])[:_VALUE_CHARS] for name in _VARIABLES if environment.get(name)
    }
    arguments = context.options.browser.arguments if context.options.browser else ()
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name in _ARGUMENTS and not _OWN_RULE.fullmatch(argument):
            found[name] = _CREDENTIALS.sub("", value)[:_VALUE_CHARS]
    observed: dict[str, JsonValue] = {"found": found, "no_proxy": environment.get("no_proxy")}
    if found:
        names = ", ".join(found)
        return warned(f"traffic may go through a proxy: {names}", f"流量可能经过代理：{names}", observed)
    return passed("no proxy setting was seen", "未发现代理设置", observed)


PROBE = Probe(
    id="network.proxy",
    name=Text(en="Proxy variables", zh="代理变量"),
    method=Text(en="proxy variables and browser arguments", zh="代理环境变量与浏览器启动参数"),
    run=probe_proxy,
)
