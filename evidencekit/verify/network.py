"""Whether DevTools and the browser's network log tell the same of every exchange (docs/spec/network.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.hashing.canonical import parse_canonical
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.verify.exchanges import MAX_BYTES, MAX_LINE_BYTES
from evidencekit.verify.tally import Tally

if TYPE_CHECKING:
    from evidencekit.model import Finding
    from evidencekit.verify.case import Case

FILE_LIMIT: Final = 64 << 20
_Told = tuple[int | None, str | None]


def check_network(case: Case) -> Finding:
    """`exchanges.corroborated`: status and peer of every exchange, as two channels of the browser give them."""
    tally = Tally("exchanges.corroborated", paths.NETWORK)
    if paths.NETWORK not in case.names:
        tally.skip(
            "the browser's network log was not kept: fast mode, or a browser without it",
            "未保留浏览器的网络日志：快速模式，或浏览器不支持",
        )
        return tally.close("", "")
    report = Fields(
        parse_canonical(case.data(paths.NETWORK, limit=FILE_LIMIT), limit=FILE_LIMIT, what=paths.NETWORK), paths.NETWORK
    )
    check_version(report, "network")
    if report.text("capture_id") != case.manifest.capture_id:
        tally.fail("the report is of another capture", "该报告属于另一次取证")
    told = _told_by_devtools(case)
    requests = report.items("requests")
    for request in requests:
        _compare(tally, request, told)
    missing = report.texts("unmatched")
    if missing:
        tally.doubt(
            f"the network log does not know {len(missing)} exchanges that DevTools reported, such as {missing[0]}",
            f"网络日志中没有 DevTools 报告的 {len(missing)} 个请求，例如 {missing[0]}",
        )
    tally.details.update(
        compared=len(requests), unmatched=len(missing), only_in_network_log=len(report.texts("only_here"))
    )
    return tally.close(
        f"DevTools and the network log agree on status and peer of {len(requests)} exchanges",
        f"DevTools 与网络日志就 {len(requests)} 个请求的状态和对端一致",
    )


def _told_by_devtools(case: Case) -> dict[str, _Told]:
    told: dict[str, _Told] = {}
    for number, line in enumerate(case.lines(case.exchanges, limit=MAX_BYTES, longest=MAX_LINE_BYTES)):
        if number == 0:
            continue
        row = Fields(
            parse_canonical(line, limit=MAX_LINE_BYTES, what=case.exchanges), f"{case.exchanges} line {number}"
        )
        response = row.optional("response", row.object) if row.has("response") else None
        address = row.optional("remote_address", row.text) if row.has("remote_address") else None
        told[row.text("id", limit=64)] = (None if response is None else response.integer("status"), address)
    return told


def _compare(tally: Tally, request: Fields, told: dict[str, _Told]) -> None:
    name = request.text("exchange", limit=64)
    if name not in told:
        tally.fail(f"exchange {name} is not in {paths.EXCHANGES}", f"{paths.EXCHANGES} 中没有请求 {name}")
        return
    logged: _Told = (
        request.optional("status", request.integer),
        request.optional("address", lambda field: request.text(field, limit=64)),
    )
    for what, what_zh, here, there in zip(
        ("the status", "the peer"), ("状态", "对端"), told[name], logged, strict=True
    ):
        if here is not None and there is not None and here != there:
            tally.doubt(
                f"exchange {name}: DevTools gives {what} as {here}, the network log as {there}",
                f"请求 {name}：{what_zh}在 DevTools 中为 {here}，在网络日志中为 {there}",
            )
