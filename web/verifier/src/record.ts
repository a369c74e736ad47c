// The record: manifest, salted leaves and artifacts, one against the other.

import { same, toHex } from './bytes';
import type { Case } from './case';
import { Finding, Tally } from './findings';
import { Opening, openingIsTrue } from './manifest';
import { rootOf } from './merkle';
import { PATH } from './paths';

export function checkManifestForm(kase: Case): Finding {
  const tally = new Tally('manifest.form', PATH.manifest);
  const manifest = kase.readManifest();
  const listed = new Set(manifest.artifacts.map((one) => one.path));
  for (const artifact of manifest.artifacts) {
    for (const parent of artifact.derivedFrom) if (!listed.has(parent)) tally.fail(`${artifact.path} derives from ${parent}, which is not there`, `${artifact.path} 的来源 ${parent} 不存在`);
  }
  if (manifest.started > manifest.finished) tally.fail('it ends before it starts', '结束时间早于开始时间');
  for (const page of manifest.pages) {
    const times = [manifest.started, page.started, page.initial, page.finished, manifest.finished];
    if (times.some((time, at) => at && times[at - 1] > time)) tally.fail(`the times of page ${page.id} are not in order`, `页面 ${page.id} 的时间顺序不正确`);
  }
  if (!same(rootOf(manifest.artifacts.map((one) => one.leaf)), manifest.artifactsRoot)) tally.fail('the root of the artifacts is not that of their leaves', '文件根与叶子不符');
  return tally.close('canonical and consistent in itself', '形式规范，内部一致');
}

export function checkArtifacts(kase: Case): Finding {
  const tally = new Tally('manifest.artifacts', PATH.records);
  const { manifest } = kase;
  const records = kase.readRecords();
  if (records.captureId !== manifest.captureId) tally.fail('the openings are of another capture', '开封记录属于另一次取证');
  const committed = manifest.artifacts.map((one) => `${one.path} ${toHex(one.leaf)}`);
  const opened = records.artifacts.map((line) => `${line.name} ${toHex(line.leaf)}`);
  if (committed.length !== opened.length || committed.some((one, at) => one !== opened[at])) tally.fail("the openings are not those of the manifest's artifacts", '开封记录与清单中的文件不符');
  for (const line of records.artifacts) checkArtifact(kase, line, tally);
  const count = records.artifacts.filter((line) => line.opened).length;
  const [en, zh] = andWithheld(records.artifacts);
  return tally.close(`${count} files equal what was committed${en}`, `${count} 个文件与承诺一致${zh}`);
}

function checkArtifact(kase: Case, line: Opening, tally: Tally): void {
  const { name, opened } = line;
  if (!opened) {
    if (kase.has(name)) tally.fail(`${name} is said to be withheld, but it is there`, `${name} 标为不公开，但实际存在`);
    return;
  }
  if (!openingIsTrue(line)) tally.fail(`${name} does not open its leaf`, `${name} 无法开启其叶子`);
  if (kase.broken.has(name)) {
    const { en, zh } = kase.whyBroken(name);
    tally.fail(en, zh);
  } else if (!kase.has(name)) tally.fail(`${name} is missing`, `缺少 ${name}`);
  else {
    const found = kase.digestOf(name);
    const agrees = kase.sizes.get(name) === opened.size && found.sha256 === opened.digests.sha256 && found.sm3 === opened.digests.sm3;
    if (!agrees) tally.fail(`${name} does not equal what was committed`, `${name} 与承诺不符`);
  }
}

export function checkRecords(kase: Case): Finding {
  const tally = new Tally('manifest.records', PATH.records);
  const stated = kase.manifest.records;
  const lines = kase.records.records;
  if (lines.length !== stated.count) tally.fail(`${lines.length} records where the manifest says ${stated.count}`, `有 ${lines.length} 条记录，清单记为 ${stated.count} 条`);
  if (!same(rootOf(lines.map((line) => line.leaf)), stated.root)) tally.fail('the leaves do not rebuild the root in the manifest', '叶子无法重建清单中的根');
  const originals = new Set(lines.filter((line) => !line.opened).map((line) => line.name));
  for (const line of lines) {
    if (line.opened && !openingIsTrue(line)) tally.fail(`record ${line.name} does not open its leaf`, `记录 ${line.name} 无法开启其叶子`);
    if (line.name.endsWith('.public') && !originals.has(line.name.slice(0, -'.public'.length))) tally.fail(`${line.name} masks a record that is not withheld`, `${line.name} 所遮盖的记录并未保留不公开`);
  }
  const [en, zh] = andWithheld(lines);
  return tally.close(`${lines.length} leaves rebuild the root${en}`, `${lines.length} 个叶子重建出根${zh}`);
}

/** URL, source and full-page image with time, for every page (Berkeley Protocol ¶155; R01). */
export function checkMinimum(kase: Case): Finding {
  const tally = new Tally('manifest.minimum', PATH.manifest);
  const { pages, artifacts } = kase.manifest;
  const withheld = new Set(kase.records.artifacts.filter((line) => !line.opened).map((line) => line.name));
  if (!pages.length) tally.fail('no page was captured', '没有任何页面');
  const archives = artifacts.filter((one) => one.role === 'archive').map((one) => one.path);
  for (const page of pages) {
    const own = artifacts.filter((one) => one.page === page.id);
    const sources = [...own.filter((one) => one.role === 'dom' || one.role === 'dom.initial').map((one) => one.path), ...archives];
    const images = own.filter((one) => one.role === 'screenshot').map((one) => one.path);
    if (!page.requestedUrl) tally.fail(`page ${page.id} has no URL`, `页面 ${page.id} 缺少网址`);
    for (const [en, zh, members] of [['source', '源码', sources], ['full-page image', '整页图像', images]] as const) {
      if (!members.length) tally.fail(`page ${page.id} has no ${en}`, `页面 ${page.id} 缺少${zh}`);
      else if (members.every((member) => withheld.has(member))) tally.doubt(`the ${en} of page ${page.id} is withheld`, `页面 ${page.id} 的${zh}不公开`);
    }
  }
  return tally.close(`URL, source and full-page image of ${pages.length} pages`, `${pages.length} 个页面的网址、源码与整页图像齐备`);
}

function andWithheld(lines: readonly Opening[]): [string, string] {
  const reasons = [...new Set(lines.flatMap((line) => line.withheld))].sort();
  return reasons.length ? [`; withheld, so not checked: ${reasons.join(', ')}`, `；不公开因而未核对：${reasons.join('、')}`] : ['', ''];
}
