// Whether a redacted edition withholds exactly what it says (docs/spec/redaction.md).

import { parseCanonical } from './canonical';
import type { Case } from './case';
import { checkVersion, Fields } from './fields';
import { Finding, Tally } from './findings';
import type { Opening } from './manifest';
import { PATH } from './paths';

const LIMIT = 64 << 20;

const redacted = (lines: readonly Opening[]): string[] => lines.filter((line) => line.withheld.includes('redacted')).map((line) => line.name).sort();
const agree = (left: readonly string[], right: readonly string[]): boolean => left.length === right.length && left.every((one, at) => one === right[at]);

export function checkRedaction(kase: Case): Finding {
  const tally = new Tally('redaction.edition', PATH.redaction);
  const stated = new Fields(parseCanonical(kase.data(PATH.redaction, LIMIT), LIMIT, PATH.redaction), PATH.redaction);
  checkVersion(stated, 'redaction');
  const original = stated.object('original');
  const [digest, rules] = [original.hex('sha256', 32), stated.texts('rules')];
  [original.integer('size'), stated.time('time'), rules];
  const { manifest, records } = kase;
  if (stated.hex('capture_id', 16) !== manifest.captureId || stated.text('number', 200) !== manifest.number) tally.fail('the edition is of another record', '该遮盖版属于另一份记录');
  const found = { artifacts: redacted(records.artifacts), records: redacted(records.records) };
  for (const [name, en, zh] of [['artifacts', 'files', '文件'], ['records', 'records', '记录']] as const) {
    const said = stated.texts(name);
    if (!agree(said, [...new Set(said)].sort())) stated.refuse(name, 'must be sorted, each once', '须排序且不重复');
    if (!agree(said, found[name])) tally.fail(`the ${en} that it says it withholds are not those that are withheld`, `所称不公开的${zh}与实际不符`);
  }
  for (const [from, edition] of [[PATH.archive, PATH.archiveEdition], [PATH.exchanges, PATH.exchangesEdition]] as const) {
    if (kase.has(edition) !== found.artifacts.includes(from)) tally.fail(`${edition} may stand there exactly when ${from} is withheld`, `仅当 ${from} 不公开时才应有 ${edition}`);
  }
  return tally.close(
    `a redacted edition of the bundle with SHA-256 ${digest}: ${found.records.length} records and ${found.artifacts.length} files WITHHELD(redacted), not checked`,
    `SHA-256 为 ${digest} 的证据包的遮盖版：${found.records.length} 条记录、${found.artifacts.length} 个文件不公开（WITHHELD：redacted），未核对`,
  );
}
