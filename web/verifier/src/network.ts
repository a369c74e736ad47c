// Whether DevTools and the browser's network log tell the same of every exchange (docs/spec/network.md).

import { parseCanonical } from './canonical';
import type { Case } from './case';
import { checkVersion, Fields } from './fields';
import { Finding, Tally } from './findings';
import { PATH } from './paths';

const MAX_BYTES = 64 << 20;
const MAX_LINE_BYTES = 8 << 20;

interface Told {
  readonly status: number | null;
  readonly address: string | null;
}

export function checkNetwork(kase: Case): Finding {
  const tally = new Tally('exchanges.corroborated', PATH.network);
  if (!kase.names.includes(PATH.network)) {
    tally.skip("the browser's network log was not kept: fast mode, or a browser without it", '未保留浏览器的网络日志：快速模式，或浏览器不支持');
    return tally.close('', '');
  }
  const report = new Fields(parseCanonical(kase.data(PATH.network, MAX_BYTES), MAX_BYTES, PATH.network), PATH.network);
  checkVersion(report, 'network');
  if (report.text('capture_id') !== kase.manifest.captureId) tally.fail('the report is of another capture', '该报告属于另一次取证');
  const told = toldByDevtools(kase);
  const requests = report.items('requests');
  for (const request of requests) compare(tally, request, told);
  const missing = report.texts('unmatched');
  if (missing.length) tally.doubt(`the network log does not know ${missing.length} exchanges that DevTools reported, such as ${missing[0]}`, `网络日志中没有 DevTools 报告的 ${missing.length} 个请求，例如 ${missing[0]}`);
  report.texts('only_here');
  return tally.close(`DevTools and the network log agree on status and peer of ${requests.length} exchanges`, `DevTools 与网络日志就 ${requests.length} 个请求的状态和对端一致`);
}

function toldByDevtools(kase: Case): Map<string, Told> {
  const told = new Map<string, Told>();
  let number = 0;
  for (const line of kase.exchangeLines()) {
    const what = `${kase.exchanges} line ${number}`;
    if (number) {
      const row = new Fields(parseCanonical(line, MAX_LINE_BYTES, what), what);
      const response = row.has('response') ? row.optional('response', row.object) : null;
      told.set(row.text('id', 64), { status: response ? response.integer('status') : null, address: row.has('remote_address') ? row.optional('remote_address', row.text) : null });
    }
    number += 1;
  }
  return told;
}

function compare(tally: Tally, request: Fields, told: ReadonlyMap<string, Told>): void {
  const name = request.text('exchange', 64);
  const here = told.get(name);
  if (!here) {
    tally.fail(`exchange ${name} is not in ${PATH.exchanges}`, `${PATH.exchanges} 中没有请求 ${name}`);
    return;
  }
  const logged: Told = { status: request.optional('status', (field) => request.integer(field)), address: request.optional('address', (field) => request.text(field, 64)) };
  for (const [key, en, zh] of [['status', 'the status', '状态'], ['address', 'the peer', '对端']] as const) {
    if (here[key] !== null && logged[key] !== null && here[key] !== logged[key]) {
      tally.doubt(`exchange ${name}: DevTools gives ${en} as ${here[key]}, the network log as ${logged[key]}`, `请求 ${name}：${zh}在 DevTools 中为 ${here[key]}，在网络日志中为 ${logged[key]}`);
    }
  }
}
