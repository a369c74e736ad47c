"""What each probe of the environment is called in a document (docs/spec/environment.md); a test holds it complete."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "system.facts": Text(en="System", zh="系统信息"),
        "system.virtual": Text(en="Virtual machine or container", zh="虚拟机与容器"),
        "system.remote": Text(en="Remote use", zh="远程使用"),
        "system.processes": Text(en="Running programs", zh="运行中的程序"),
        "system.recording": Text(en="Screen recording", zh="录屏状态"),
        "system.injection": Text(en="Injected code, key logs, faked time", zh="代码注入、密钥记录与伪造时间"),
        "system.roots": Text(en="Roots of the system", zh="系统根证书"),
        "system.fonts": Text(en="Fonts", zh="字体"),
        "network.hosts": Text(en="Hosts file", zh="hosts 文件"),
        "network.dns": Text(en="DNS answers compared", zh="DNS 解析对比"),
        "network.proxy": Text(en="Proxy variables", zh="代理变量"),
        "network.system_proxy": Text(en="System proxy, PAC", zh="系统代理与 PAC"),
        "network.interfaces": Text(en="VPN and tunnel interfaces", zh="VPN 与隧道接口"),
        "network.gateway": Text(en="Gateway", zh="网关"),
        "network.egress": Text(en="Egress address and its network", zh="出口 IP 与归属"),
        "network.route": Text(en="Reachability and route", zh="连通性与路由"),
        "clock.ntp": Text(en="Offset of the clock", zh="系统时间偏差"),
        "browser.program": Text(en="Browser program", zh="浏览器程序"),
        "browser.integrity": Text(en="Integrity of the browser", zh="浏览器文件完整性"),
        "browser.profile": Text(en="Profile and cache of the browser", zh="浏览器配置与缓存"),
        "browser.policies": Text(en="Managed policies", zh="浏览器受管策略"),
        "browser.extensions": Text(en="Extensions", zh="浏览器扩展"),
        "browser.roots": Text(en="Roots of the browser", zh="浏览器根证书"),
        "tool.package": Text(en="This program", zh="取证程序"),
        "tool.dependencies": Text(en="Libraries of this program", zh="取证程序所用程序库"),
        "tool.selftest": Text(en="Self-test of algorithms", zh="算法自检"),
        "connection.peer": Text(en="Connected addresses", zh="实际连接地址"),
        "devtools.exclusive": Text(en="Debugging channel of the browser", zh="浏览器调试通道"),
    }
)


def probe_name(probe_id: str) -> Text:
    """The name of a probe; its id when it is one that this version does not know."""
    return NAMES.get(probe_id, Text(en=probe_id, zh=probe_id))
