// Container, digests, manifest, record and logs.

const NAME = /^(?!\/)(?!.*\/\/)(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9._/-]{1,240}(?<!\/)$/;
const KNOWN = new RegExp(
  '^(?:mimetype|VERIFY(?:\\.zh-CN)?\\.md|certificate\\.(?:pdf|html)|report\\.html|verify\\.html|SHA256SUMS|SM3SUMS|manifest\\.json' +
    '|seal/(?:manifest\\.p7s|open\\.json|open-\\d+\\.tsr|capture-\\d{4,}\\.json|capture-\\d{4,}-\\d+\\.tsr|seal-\\d+\\.tsr)' +
    '|capture/records\\.jsonl|proof/.+|trust/.+' +
    '|META-INF/(?:ASiCManifest\\d{3}\\.xml|signature\\d{3}\\.p7s|timestamp\\d{3}\\.tst|ASiCEvidenceRecordManifest\\d{3}\\.xml|evidencerecord\\d{3}\\.ers))$',
);
const KEEP = /^(?:manifest\.json|SHA256SUMS|SM3SUMS|seal\/.+|proof\/.+|trust\/.+|META-INF\/.+|mimetype|capture\/(?:records|exchanges|worklog)\.jsonl|capture\/environment\.json|capture\/pages\/\d+\/screenshot\.png)$/;
const REQUIRED = [
  'mimetype', 'VERIFY.md', 'VERIFY.zh-CN.md', 'SHA256SUMS', 'SM3SUMS', 'manifest.json', 'seal/manifest.p7s', 'seal/open.json', 'capture/records.jsonl',
  'proof/entry.json', 'proof/entry.tlog-proof', 'proof/open.json', 'proof/open.tlog-proof', 'proof/custody.jsonl',
  'META-INF/ASiCManifest001.xml', 'META-INF/signature001.p7s',
];
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const FORMATS = {
  'manifest.json': 'evidencekit/manifest', 'seal/open.json': 'evidencekit/open', 'proof/entry.json': 'evidencekit/entry',
  'proof/open.json': 'evidencekit/entry', 'capture/environment.json': 'evidencekit/environment',
};
const SOURCES = ['dom', 'dom.initial', 'archive'];
const LINE_FORMATS = {
  'capture/records.jsonl': 'evidencekit/records', 'capture/exchanges.jsonl': 'evidencekit/exchanges',
  'capture/worklog.jsonl': 'evidencekit/worklog', 'proof/custody.jsonl': 'evidencekit/custody',
};

function bytesOf(bundle, name) {
  const member = bundle.read.get(name);
  if (!member?.bytes) throw new FormatError(`${name} is missing`);
  return member.bytes;
}

const documentOf = (bundle, name) => parseCanonical(bytesOf(bundle, name));
const covered = (bundle) => [...bundle.read.keys()].filter((name) => name !== 'mimetype' && !name.startsWith('META-INF/'));

function checkMembers(bundle) {
  const missing = REQUIRED.filter((name) => !bundle.read.has(name));
  if (missing.length) return failed(`missing: ${missing.join(', ')}`, `缺少：${missing.join('、')}`);
  const artifacts = new Set(field(documentOf(bundle, 'manifest.json'), 'artifacts', 'array').map((one) => field(one, 'path', 'string')));
  const odd = [...bundle.read.keys()].filter((name) => !NAME.test(name) || !(KNOWN.test(name) || artifacts.has(name)));
  if (odd.length) return failed(`not lawful here: ${odd.slice(0, 5).map((one) => visible(one, 80)).join(', ')}`, `不应存在：${odd.slice(0, 5).map((one) => visible(one, 80)).join('、')}`);
  if (toText(bytesOf(bundle, 'mimetype')) !== 'application/vnd.etsi.asic-e+zip') return failed('mimetype says something else', 'mimetype 内容不符');
  return passed(`${bundle.read.size} members`, `共 ${bundle.read.size} 个成员`);
}

function checkVersions(bundle) {
  const newer = [];
  const look = (name, head, format) => {
    if (field(head, 'format', 'string') !== format) throw new FormatError(`${name} is of another format`);
    if (field(head, 'version', 'number') > 1) newer.push(name);
  };
  for (const [name, format] of Object.entries(FORMATS)) {
    if (bundle.read.has(name)) look(name, documentOf(bundle, name), format);
  }
  for (const [name, format] of Object.entries(LINE_FORMATS)) {
    if (bundle.read.has(name)) look(name, parseCanonical(parseLines(bytesOf(bundle, name))[0]), format);
  }
  return newer.length ? undecided(`needs a newer verifier: ${newer.join(', ')}`, `需要更新的核验程序：${newer.join('、')}`) : passed('all of version 1', '均为版本 1');
}

function checkSums(bundle, name, algorithm, pattern, pick) {
  const text = toText(bytesOf(bundle, name));
  if (!text.endsWith('\n')) throw new FormatError(`${name}: the last line is not ended`);
  const listed = new Map();
  for (const line of text.slice(0, -1).split('\n')) {
    const found = pattern.exec(line);
    if (!found) throw new FormatError(`${name}: not a line of digests`);
    const [member, value] = pick(found);
    if (listed.has(member)) throw new FormatError(`${name}: ${visible(member, 80)} is listed twice`);
    listed.set(member, value);
  }
  const wanted = covered(bundle).filter((member) => member !== 'SHA256SUMS' && member !== 'SM3SUMS');
  const bad = wanted.filter((member) => listed.get(member) !== bundle.read.get(member)[algorithm]);
  bad.push(...[...listed.keys()].filter((member) => !wanted.includes(member)));
  if (bad.length) return failed(`does not agree: ${bad.slice(0, 5).map((one) => visible(one, 80)).join(', ')}`, `不一致：${bad.slice(0, 5).map((one) => visible(one, 80)).join('、')}`);
  return passed(`${listed.size} digests agree`, `${listed.size} 个摘要一致`);
}

/** Leaf of an opening line, or null when it is withheld with a reason. */
function openLine(line) {
  const { leaf, salt, withheld, ...descriptor } = line;
  if (withheld !== undefined) {
    if (!Array.isArray(withheld) || !withheld.length || salt !== undefined || line.sha256 !== undefined) throw new FormatError('a withheld line says too much');
    return null;
  }
  const bytes = fromHex(salt);
  if (bytes.length !== 32) throw new FormatError('a salt has another length');
  if (toHex(saltedLeaf(bytes, utf8.encode(canonical(descriptor)))) !== leaf) throw new FormatError('a line does not open its leaf');
  return descriptor;
}

function readRecords(bundle) {
  const [head, ...lines] = parseLines(bytesOf(bundle, 'capture/records.jsonl')).map(parseCanonical);
  const artifacts = field(head, 'artifacts', 'number');
  for (const line of lines) {
    if (!/^[0-9a-f]{64}$/.test(field(line, 'leaf', 'string'))) throw new FormatError('records.jsonl: a leaf has another form');
    if (!Object.hasOwn(line, 'withheld') && !/^[0-9a-f]{64}$/.test(field(line, 'salt', 'string'))) throw new FormatError('records.jsonl: a salt has another form');
  }
  if (lines.length !== artifacts + field(head, 'records', 'number')) throw new FormatError('records.jsonl: another number of lines');
  return { artifacts: lines.slice(0, artifacts), records: lines.slice(artifacts) };
}

function checkManifestForm(bundle, manifest) {
  const leaves = field(manifest, 'artifacts', 'array').map((one) => fromHex(field(one, 'leaf', 'string')));
  if (toHex(rootOf(leaves)) !== field(manifest, 'artifacts_root', 'string')) return failed('artifacts_root is not the root of the leaves', 'artifacts_root 与叶不符');
  const { started, finished } = field(manifest, 'times', 'object');
  for (const page of field(manifest, 'pages', 'array')) {
    const times = [started, page.started, page.initial, page.finished, finished];
    if (times.some((time) => !TIME.test(time)) || times.some((time, i) => i && times[i - 1] > time)) return failed('the times are not in order', '时间先后不符');
  }
  return passed('canonical and consistent', '规范且自洽');
}

function checkArtifacts(bundle, manifest) {
  const { artifacts } = readRecords(bundle);
  const listed = field(manifest, 'artifacts', 'array');
  if (artifacts.length !== listed.length) return failed('records.jsonl opens another number of artifacts', 'records.jsonl 与清单的文件数不同');
  let hidden = 0;
  for (const [index, line] of artifacts.entries()) {
    const path = field(listed[index], 'path', 'string');
    if (line.kind !== 'artifact' || line.path !== path || line.leaf !== listed[index].leaf) return failed(`${visible(path, 80)}: another leaf`, `${visible(path, 80)}：叶不符`);
    const opened = openLine(line);
    const member = bundle.read.get(path);
    hidden += opened ? 0 : 1;
    if (Boolean(opened) !== Boolean(member)) return failed(`${visible(path, 80)} is missing, or there although withheld`, `${visible(path, 80)} 缺失，或已声明不公开却存在`);
    if (opened && (opened.sha256 !== member.sha256 || opened.sm3 !== member.sm3 || opened.size !== member.size)) return failed(`${visible(path, 80)} has changed`, `${visible(path, 80)} 已被改动`);
  }
  return passed(`${artifacts.length - hidden} opened, ${hidden} withheld`, `${artifacts.length - hidden} 个已打开，${hidden} 个不公开`);
}

function checkRecords(bundle, manifest) {
  const { records } = readRecords(bundle);
  records.forEach(openLine);
  const wanted = field(manifest, 'records', 'object');
  const root = toHex(rootOf(records.map((line) => fromHex(field(line, 'leaf', 'string')))));
  if (records.length !== wanted.count || root !== wanted.root) return failed('the leaves give another root', '叶所得根哈希不符');
  return passed(`${records.length} records`, `${records.length} 条记录`);
}

function checkMinimum(bundle, manifest) {
  const artifacts = field(manifest, 'artifacts', 'array');
  const pages = field(manifest, 'pages', 'array');
  const withheld = new Set(readRecords(bundle).artifacts.filter((line) => Object.hasOwn(line, 'withheld')).map((line) => line.path));
  if (!pages.length) return failed('there is no page', '没有网页');
  for (const page of pages) {
    const made = (roles) => artifacts.filter((one) => roles.includes(one.role) && (one.page === page.id || one.page === null));
    const has = (roles) => made(roles).length > 0;
    const hidden = [['screenshot'], SOURCES].some((roles) => has(roles) && !made(roles).some((one) => !withheld.has(one.path)));
    if (!page.requested_url || !page.initial || !has(['screenshot']) || !has(SOURCES)) {
      return failed(`page ${visible(String(page.id), 20)} lacks URL, source or picture`, `网页 ${visible(String(page.id), 20)} 缺少网址、源码或画面`);
    }
    if (hidden) return undecided(`page ${visible(String(page.id), 20)}: source or picture is withheld`, `网页 ${visible(String(page.id), 20)} 的源码或画面不公开`);
  }
  return passed(`${pages.length} pages`, `${pages.length} 个网页`);
}

function checkExchangeLinks(bundle, lines) {
  const ids = new Set(lines.map((line) => line.id));
  const named = lines.flatMap((line) => field(line, 'records', 'array'));
  const committed = readRecords(bundle).records.map((line) => field(line, 'id', 'string'));
  const own = lines.every((line) => line.records.every((name) => String(name).split('.')[0] === line.id));
  const linked = lines.every((line) => [line.redirected_from, line.redirected_to].every((id) => id === null || ids.has(id)));
  return own && linked && [...named].sort().join('\n') === [...committed].sort().join('\n');
}

function checkExchanges(bundle, manifest) {
  const [head, ...lines] = parseLines(bytesOf(bundle, 'capture/exchanges.jsonl')).map(parseCanonical);
  const wanted = field(manifest, 'completeness', 'object');
  const count = (outcome) => lines.filter((line) => line.outcome === outcome).length;
  const agree = field(head, 'count', 'number') === lines.length && wanted.requests === lines.length && wanted.recorded === count('recorded') &&
    wanted.partial === count('partial') && wanted.failed === count('failed') && wanted.withheld === count('withheld') &&
    wanted.not_retrievable === count('not-retrievable') && new Set(lines.map((line) => line.id)).size === lines.length &&
    wanted.recorded + wanted.partial + wanted.failed + wanted.withheld + wanted.not_retrievable === lines.length;
  if (agree && head.capture_id === manifest.capture_id && !checkExchangeLinks(bundle, lines)) return failed('a redirect or a record leads nowhere', '有跳转或记录没有对应');
  return agree && head.capture_id === manifest.capture_id ? passed(`${lines.length} requests`, `${lines.length} 次请求`) : failed('the counts differ from the manifest', '计数与清单不符');
}

/** Checks a chained log; returns the hash of its last line and the next number. */
function checkChain(bytes, previous, first, captureId) {
  const lines = parseLines(bytes);
  if (lines.length < 2) throw new FormatError('the log is empty');
  if (parseCanonical(lines[0]).capture_id !== captureId) throw new FormatError('the log is of another capture');
  let before = previous;
  lines.forEach((line, index) => {
    const value = parseCanonical(line);
    if (field(value, 'previous', 'string') !== before) throw new FormatError(`the chain breaks at line ${index}`);
    if (index && field(value, 'n', 'number') !== first + index - 1) throw new FormatError(`line ${index} has another number`);
    before = toHex(sha256(line));
  });
  return { head: before, next: first + lines.length - 1, count: lines.length };
}

async function checkLogs(bundle, manifest, findings) {
  let end = null;
  await findings.run('worklog.chain', () => {
    end = checkChain(bytesOf(bundle, 'capture/worklog.jsonl'), '0'.repeat(64), 1, manifest.capture_id);
    const wanted = field(manifest, 'worklog', 'object');
    if (end.head !== wanted.head || ![end.count, end.count - 1].includes(wanted.lines)) return failed('it ends elsewhere than the manifest says', '末行与清单不符');
    return passed(`${end.count} lines`, `${end.count} 行`);
  });
  await findings.run('custody.chain', () => {
    if (!end) return undecided('the work log before it is broken', '其前的工作记录已中断');
    const custody = checkChain(bytesOf(bundle, 'proof/custody.jsonl'), end.head, end.next, manifest.capture_id);
    return passed(`${custody.count} lines`, `${custody.count} 行`);
  });
}

function checkEnvironment(bundle) {
  const report = documentOf(bundle, 'capture/environment.json');
  const results = field(report, 'checks', 'array').map((one) => field(one, 'result', 'string'));
  const count = (result) => results.filter((one) => one === result).length;
  const en = `pass ${count('PASS')}, warning ${count('WARN')}, fail ${count('FAIL')}, not performed ${count('NOT_PERFORMED')}`;
  const zh = `通过 ${count('PASS')}，提示 ${count('WARN')}，未通过 ${count('FAIL')}，未执行 ${count('NOT_PERFORMED')}`;
  const stated = field(report, 'counts', 'object');
  if (['PASS', 'WARN', 'FAIL', 'NOT_PERFORMED'].some((result) => stated[result] !== count(result))) return failed('the counts are not those of the checks', '计数与检查项不符');
  if (!results.length) return [NOT_PERFORMED, 'no probe ran', '没有执行任何探查'];
  if (count('FAIL')) return failed(en, zh);
  return count('PASS') === results.length ? passed(en, zh) : undecided(en, zh);
}

async function checkRecord(bundle, findings) {
  await findings.run('container.members', () => checkMembers(bundle));
  await findings.run('sums.sha256', () => checkSums(bundle, 'SHA256SUMS', 'sha256', /^([0-9a-f]{64}) {2}(.+)$/, (found) => [found[2], found[1]]));
  await findings.run('sums.sm3', () => checkSums(bundle, 'SM3SUMS', 'sm3', /^SM3 \((.+)\) = ([0-9a-f]{64})$/, (found) => [found[1], found[2]]));
  const manifest = () => documentOf(bundle, 'manifest.json');
  await findings.run('manifest.form', () => checkManifestForm(bundle, manifest()));
  await findings.run('manifest.artifacts', () => checkArtifacts(bundle, manifest()));
  await findings.run('manifest.records', () => checkRecords(bundle, manifest()));
  await findings.run('manifest.minimum', () => checkMinimum(bundle, manifest()));
  await findings.run('exchanges.complete', () => checkExchanges(bundle, manifest()));
  try {
    await checkLogs(bundle, manifest(), findings);
  } catch {
    findings.put('worklog.chain', FAILED, 'the manifest cannot be read', '清单无法读取');
  }
  if (bundle.read.has('capture/environment.json')) await findings.run('environment.report', () => checkEnvironment(bundle));
}
