// The page: two languages, anchors, a place to drop the bundle, the result. Foreign text only as textContent.

const WORDS = {
  zh: {
    title: '证据包离线核验', supplied: '本页面由制作方随包提供，请使用您自备的副本，并将本文件的 SHA-256（sha256sum verify.html）与另行取得的值比对。',
    anchors: '信任锚（请另行取得，勿取自证据包）', signers: '签署人证书（PEM）', tsas: '时间戳机构证书（PEM）', log: '账本与见证方公钥（vkey，每行一个）',
    self: '使用包内自带的信任锚（结论至多为“未定”）', drop: '将证据包 ZIP 拖放至此，或点击选择；文件不会离开本机。', again: '重新核验',
    reading: '正在读取', PASSED: '通过', INDETERMINATE: '未定', FAILED: '未通过', NOT_PERFORMED: '未执行', unreadable: '无法读取此文件',
    number: '编号', digest: '文件 SHA-256', at: '核验时点', finding: '检查项', outcome: '结果', reason: '说明', other: 'English', screenshot: '包内截图（仅供对照）', badAnchors: '信任锚无法读取',
    limits: '本页面不能证明网页内容真实，也不能排除取证设备被整体替换；未提供信任锚时不能证明签署人、时间与账本。本账本不是区块链。',
  },
  en: {
    title: 'Offline verification of an evidence bundle', supplied: 'This page was supplied by the party who made the bundle; use your own copy, and compare the SHA-256 of this file (sha256sum verify.html) with one obtained elsewhere.',
    anchors: 'Anchors (obtain them elsewhere, not from the bundle)', signers: "Signer's certificates (PEM)", tsas: 'Time-stamp authorities (PEM)', log: 'Keys of ledger and witnesses (vkey, one a line)',
    self: "Use the bundle's own anchors (the verdict is then INDETERMINATE at best)", drop: 'Drop the bundle ZIP here, or click to choose; it does not leave this machine.', again: 'Verify again',
    reading: 'Reading', PASSED: 'PASSED', INDETERMINATE: 'INDETERMINATE', FAILED: 'FAILED', NOT_PERFORMED: 'NOT PERFORMED', unreadable: 'This file cannot be read',
    number: 'Number', digest: 'SHA-256 of the file', at: 'Judged at', finding: 'Finding', outcome: 'Outcome', reason: 'Reason', other: '中文', screenshot: 'Screenshot in the bundle (for comparison)', badAnchors: 'The anchors cannot be read',
    limits: 'This page cannot show that the content of the web page was true, nor that the machine that captured it was not replaced as a whole; without anchors it shows nothing of signer, time and ledger. The ledger is not a blockchain.',
  },
};

const state = { lang: 'zh', file: null, result: null, error: null, progress: null };
const byId = (id) => document.getElementById(id);

function element(tag, text, css) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (css) made.className = css;
  return made;
}

function resultRows(result, words) {
  const table = element('table');
  const head = table.createTHead().insertRow();
  for (const name of ['finding', 'outcome', 'reason']) head.append(element('th', words[name]));
  const body = table.createTBody();
  for (const one of result.findings) {
    const row = body.insertRow();
    row.dataset.id = one.id;
    row.dataset.outcome = one.outcome;
    row.append(element('td', one.subject ? `${one.id} · ${visible(one.subject, 120)}` : one.id), element('td', words[one.outcome], one.outcome), element('td', visible(one[state.lang])));
  }
  return table;
}

function picture(result, words) {
  const name = [...result.bundle.read.keys()].find((one) => /\/screenshot\.png$/.test(one));
  const bytes = name && result.bundle.read.get(name).bytes;
  if (!bytes) return [];
  const image = element('img');
  image.src = URL.createObjectURL(new Blob([bytes], { type: 'image/png' }));
  image.alt = name;
  return [element('h2', words.screenshot), image];
}

function shownNumber(result) {
  try {
    return visible(field(documentOf(result.bundle, 'manifest.json'), 'number', 'string'), 80);
  } catch {
    return '–';
  }
}

function renderResult(words) {
  const place = byId('result');
  place.replaceChildren();
  if (state.progress !== null) place.append(element('p', `${words.reading} ${Math.round(state.progress * 100)} %`));
  if (state.error) place.append(element('p', `${words[state.error.what]}: ${visible(state.error.message)}`, 'FAILED verdict'));
  if (!state.result) return;
  const { result } = state;
  const verdict = element('p', words[result.overall], `${result.overall} verdict`);
  verdict.id = 'overall';
  verdict.dataset.outcome = result.overall;
  place.append(verdict);
  for (const [name, value] of [['number', shownNumber(result)], ['digest', result.digest], ['at', isoTime(result.at)]]) place.append(element('p', `${words[name]}: ${value}`, 'fact'));
  place.append(element('p', words.limits), resultRows(result, words), ...picture(result, words));
}

function render() {
  const words = WORDS[state.lang];
  document.documentElement.lang = state.lang === 'zh' ? 'zh-CN' : 'en';
  document.title = words.title;
  for (const node of document.querySelectorAll('[data-word]')) node.textContent = words[node.dataset.word];
  renderResult(words);
}

async function fileDigest(file) {
  const hasher = newSha256();
  const reader = file.stream().getReader();
  for (let step = await reader.read(); !step.done; step = await reader.read()) hasher.update(step.value);
  return toHex(hasher.digest());
}

async function start() {
  if (!state.file) return;
  Object.assign(state, { result: null, error: null, progress: 0 });
  render();
  let anchors;
  try {
    anchors = readAnchors(byId('signers').value, byId('tsas').value, byId('log').value);
  } catch (error) {
    Object.assign(state, { error: { what: 'badAnchors', message: error.message }, progress: null });
    render();
    return;
  }
  try {
    const at = Date.now();
    const onProgress = (part) => {
      state.progress = part;
      renderResult(WORDS[state.lang]);
    };
    const result = await verifyBundle(state.file, { anchors, self: byId('self').checked, now: at, onProgress });
    state.result = { ...result, at, digest: await fileDigest(state.file) };
  } catch (error) {
    state.error = { what: 'unreadable', message: error.message };
  }
  state.progress = null;
  render();
}

function choose(files) {
  [state.file] = files;
  start();
}

byId('language').addEventListener('click', () => {
  state.lang = state.lang === 'zh' ? 'en' : 'zh';
  render();
});
byId('file').addEventListener('change', (event) => choose(event.target.files));
byId('again').addEventListener('click', start);
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  choose(event.dataTransfer.files);
});
state.lang = navigator.language.startsWith('zh') ? 'zh' : 'en';
render();
