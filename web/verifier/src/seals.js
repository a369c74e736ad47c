// Signatures, time-stamps and ledger, against the anchors that the user pasted.

const CLOCK_SLACK_MS = 300000;
const NO_ANCHOR = ['no anchor was given', '未提供信任锚'];

const SEALED = new Set(['ASiCManifest001.xml', 'ASiCManifest002.xml', 'signature001.p7s', 'timestamp001.tst'].map((name) => `META-INF/${name}`));

const isoTime = (ms) => new Date(ms).toISOString();

function parseAsic(bytes) {
  const text = toText(bytes);
  if (/<!|<\?(?!xml )|&/.test(text)) throw new FormatError('the ASiC manifest holds declarations or entities');
  const reference = /<asic:SigReference URI="([^"<]+)" MimeType="[^"<]+"\/>/.exec(text);
  const listed = new Map();
  const pattern = /<asic:DataObjectReference URI="([^"<]+)" MimeType="[^"<]+"><ds:DigestMethod Algorithm="http:\/\/www\.w3\.org\/2001\/04\/xmlenc#sha256"\/><ds:DigestValue>([A-Za-z0-9+/]{43}=)<\/ds:DigestValue><\/asic:DataObjectReference>\n?/g;
  for (const found of text.matchAll(pattern)) {
    if (listed.has(found[1])) throw new FormatError('a member is listed twice');
    listed.set(found[1], toHex(fromBase64(found[2])));
  }
  const rest = text.replace(pattern, '').replace(reference?.[0] ?? '', '').replace(/^<\?xml [^>]*\?>\n<asic:ASiCManifest xmlns:asic="http:\/\/uri\.etsi\.org\/02918\/v1\.2\.1#" xmlns:ds="http:\/\/www\.w3\.org\/2000\/09\/xmldsig#">\n/, '').replace(/<\/asic:ASiCManifest>\n$/, '');
  if (!reference || rest.trim()) throw new FormatError('the ASiC manifest is not in the fixed form');
  return { reference: reference[1], listed };
}

function compareAsic(bundle, name, reference, extra) {
  const manifest = parseAsic(bytesOf(bundle, name));
  const wanted = [...covered(bundle), ...extra];
  const bad = wanted.filter((one) => manifest.listed.get(one) !== bundle.read.get(one)?.sha256);
  bad.push(...[...manifest.listed.keys()].filter((one) => !wanted.includes(one)));
  if (manifest.reference !== reference) bad.push(name);
  return bad;
}

function checkOuterManifests(bundle) {
  if ([...bundle.read.keys()].some((name) => name.startsWith('META-INF/') && !SEALED.has(name))) {
    throw new Unsupported('a bundle that has grown after sealing');
  }
  const bad = compareAsic(bundle, 'META-INF/ASiCManifest001.xml', 'META-INF/signature001.p7s', []);
  if (bundle.read.has('META-INF/ASiCManifest002.xml')) {
    bad.push(...compareAsic(bundle, 'META-INF/ASiCManifest002.xml', 'META-INF/timestamp001.tst', ['META-INF/ASiCManifest001.xml', 'META-INF/signature001.p7s']));
  }
  if (bad.length) return failed(`does not agree: ${bad.slice(0, 5).map((one) => visible(one, 80)).join(', ')}`, `不一致：${bad.slice(0, 5).map((one) => visible(one, 80)).join('、')}`);
  return passed('every member is listed with its digest', '每个成员均已列出且摘要一致');
}

async function checkSeal(bundle, findings, id, signature, content, guard) {
  let certificate = null;
  let pool = [];
  await findings.run(id, async () => {
    const signed = parseSigned(bytesOf(bundle, signature));
    if (signed.content) throw new FormatError('the signature is not detached');
    const checked = await checkSigned(signed, bytesOf(bundle, content), OID.data);
    if (checked.reason) return failed(checked.reason, `签名不成立：${checked.reason}`);
    const objection = guard(checked.certificate);
    if (objection) return failed(...objection);
    certificate = checked.certificate;
    pool = signed.certificates;
    return passed(`${certificate.name}, SHA-256 ${certificate.fingerprint}`, `${certificate.name}，指纹 SHA-256 ${certificate.fingerprint}`);
  }, signature);
  return { certificate, pool };
}

/** One token with trust; returns its time when it is intact. */
async function judgeToken(bundle, name, over, anchors, now) {
  const checked = await checkToken(bytesOf(bundle, name), name.endsWith('.tsr'), bytesOf(bundle, over), anchors.tsas);
  if (checked.reason) return { outcome: failed(checked.reason, `时间戳不成立：${checked.reason}`) };
  const { token, certificate } = checked;
  const words = `${isoTime(token.time)}, ${certificate.name}, SHA-256 ${certificate.fingerprint}`;
  if (token.time > now + CLOCK_SLACK_MS) return { outcome: failed(`in the future: ${words}`, `时间在未来：${words}`) };
  if (!anchors.tsas.length) return { time: token.time, certificate, outcome: undecided(`intact, but ${NO_ANCHOR[0]}: ${words}`, `完好，但${NO_ANCHOR[1]}：${words}`) };
  const trusted = await leadsTo(certificate, token.signed.certificates, anchors.tsas, token.time);
  const outcome = trusted ? passed(words, words) : undecided(`intact, but not from an anchor given: ${words}`, `完好，但不出自所提供的信任锚：${words}`);
  return { time: token.time, certificate, outcome };
}

/** The best of several tokens over one document. */
async function judgeTokens(bundle, findings, id, names, over, context, guard = () => null) {
  const judged = [];
  const outcome = await findings.run(id, async () => {
    const objection = guard();
    if (objection) return failed(...objection);
    if (!names.length) return undecided('the time-stamp is pending', '时间戳待补');
    for (const name of names) judged.push(await judgeToken(bundle, name, over, context.anchors, context.now));
    const ranks = [PASSED, INDETERMINATE, FAILED];
    const wrong = judged.find((one) => one.outcome[0] === FAILED);
    return wrong?.outcome ?? judged.map((one) => one.outcome).sort((a, b) => ranks.indexOf(a[0]) - ranks.indexOf(b[0]))[0];
  }, over);
  const times = judged.filter((one) => one.time !== undefined).map((one) => one.time);
  return { outcome, time: times.length ? Math.min(...times) : null };
}

function checkCaptureRoot(bundle, manifest, stamp) {
  const document = documentOf(bundle, field(stamp, 'document', 'string'));
  const { records } = readRecords(bundle);
  const leafOf = (role) => field(manifest, 'artifacts', 'array').find((one) => one.role === role && one.page === stamp.page)?.leaf;
  const wanted = [field(document, 'initial_screenshot', 'string'), field(document, 'initial_dom', 'string')];
  if (wanted[0] !== leafOf('screenshot.initial') || wanted[1] !== leafOf('dom.initial')) return false;
  const count = field(document, 'records', 'number');
  const root = rootOf([...records.slice(0, count).map((line) => fromHex(line.leaf)), ...wanted.map(fromHex)]);
  return count <= records.length && document.capture_id === manifest.capture_id && toHex(root) === document.root && document.page === stamp.page;
}

async function checkTimes(bundle, findings, context) {
  const manifest = documentOf(bundle, 'manifest.json');
  const tokens = (pattern) => [...bundle.read.keys()].filter((name) => pattern.test(name));
  const open = await judgeTokens(bundle, findings, 'time.open', tokens(/^seal\/open-\d+\.tsr$/), 'seal/open.json', context, () => {
    const stamp = field(manifest, 't_open', 'object');
    const wrong = [stamp, ...field(stamp, 'tokens', 'array')].find((one) => bundle.read.get(one.document ?? one.path)?.sha256 !== field(one, 'sha256', 'string'));
    return wrong ? ['the document or a token is not the one in the manifest', '文件或时间戳与清单所载不符'] : null;
  });
  const captures = [];
  for (const stamp of field(manifest, 't_capture', 'array')) {
    const page = field(stamp, 'page', 'string');
    if (!/^\d{4,}$/.test(page)) throw new FormatError('a page id');
    if (bundle.read.get(stamp.document)?.sha256 !== stamp.sha256 || !checkCaptureRoot(bundle, manifest, stamp)) {
      findings.put('time.capture', FAILED, 'the stamped root is not that of the records', '所盖根哈希与记录不符', stamp.document);
      continue;
    }
    captures.push(await judgeTokens(bundle, findings, 'time.capture', tokens(new RegExp(`^seal/capture-${page}-\\d+\\.tsr$`)), stamp.document, context));
  }
  const seal = await judgeTokens(bundle, findings, 'time.seal', tokens(/^seal\/seal-\d+\.tsr$/), 'seal/manifest.p7s', context);
  const order = [open.time, ...captures.map((one) => one.time), seal.time];
  await findings.run('time.order', () => {
    if (order.includes(null)) return undecided('a token is missing', '缺少时间戳');
    const inOrder = captures.every((one) => open.time <= one.time && one.time <= seal.time) && open.time <= seal.time;
    const said = field(manifest, 'times', 'object');
    const near = Date.parse(said.started) >= open.time - CLOCK_SLACK_MS && Date.parse(said.finished) <= seal.time + CLOCK_SLACK_MS;
    if (!inOrder) return failed('the tokens are not in order', '时间戳先后不符');
    const trusted = [open, seal, ...captures].every((one) => one.outcome === PASSED);
    if (!trusted) return undecided('in order, but not all from an authority that was given', '先后相符，但并非均出自所提供的时间戳机构');
    return near ? passed('in order', '先后相符') : undecided('the record\'s own times lie elsewhere', '记录自身时间不在区间内');
  });
  return seal.outcome === PASSED ? seal.time : null;
}

async function checkIdentity(findings, seal, outer, context, sealedAt) {
  await findings.run('outer.signer', () => {
    if (!seal.certificate || !outer.certificate) return undecided('a signature is not intact', '有签名不成立');
    return same(seal.certificate.der, outer.certificate.der) ? passed('one signer', '同一签署人') : failed('two signers', '签署人不同');
  });
  if (!seal.certificate) return;
  const { certificate, pool } = seal;
  const at = sealedAt ?? context.now;
  await findings.run('seal.identity', async () => {
    if (!context.anchors.signers.length) return undecided(...NO_ANCHOR);
    // Whether it was valid then is the next finding's question; the path is judged inside its validity.
    const inside = Math.max(Math.min(at, certificate.to), certificate.from);
    const trusted = await leadsTo(certificate, pool, context.anchors.signers, inside);
    return trusted ? passed(certificate.name, certificate.name) : undecided('it leads to no anchor that was given', '未能链接至所提供的信任锚');
  });
  await findings.run('seal.validity', () => {
    const when = isoTime(at);
    if (at < certificate.from && sealedAt) return failed(`it became valid after ${when}`, `${when} 之后才生效`);
    if (at < certificate.from || at > certificate.to) return undecided(`not valid at ${when}`, `${when} 时不在有效期内`);
    return sealedAt ? passed(`valid at the time-stamp, ${when}`, `时间戳时刻 ${when} 有效`) : passed(`valid at the time of verification, ${when}`, `核验时刻 ${when} 有效`);
  });
}

/** The open entry stands before the record's, in the same log, which showed no two trees of one size. */
function inSameLog(open, entry) {
  const fork = open.note.size === entry.note.size && !same(open.note.root, entry.note.root);
  return open.index < entry.index && open.note.origin === entry.note.origin && !fork;
}

async function checkLedger(bundle, findings, context) {
  const entry = () => bytesOf(bundle, 'proof/entry.json');
  await findings.run('ledger.entry', () => {
    const value = parseCanonical(entry());
    const agrees = (name, part) => ['sha256', 'sm3'].every((kind) => field(value, part, 'object')[kind] === bundle.read.get(name)?.[kind]);
    const token = bundle.read.get('seal/seal-1.tsr');
    const stamped = token ? value.timestamp?.sha256 === token.sha256 || value.timestamp === 'pending' : ['pending', 'none'].includes(value.timestamp);
    const good = value.kind === 'capture' && agrees('manifest.json', 'manifest') && agrees('seal/manifest.p7s', 'seal') && stamped &&
      value.number === documentOf(bundle, 'manifest.json').number && value.open === documentOf(bundle, 'manifest.json').open.index;
    return good ? passed('it names this manifest, seal and token', '与清单、签名、时间戳相符') : failed('it names something else', '与清单、签名或时间戳不符');
  });
  const included = (proof, data) => isIncluded(leafHash(data), proof.index, proof.note.size, proof.path, proof.note.root);
  const proofOf = (name) => parseProof(bytesOf(bundle, name));
  await findings.run('ledger.inclusion', () => {
    const proof = proofOf('proof/entry.tlog-proof');
    return included(proof, entry()) ? passed(`index ${proof.index} of ${proof.note.size}`, `序号 ${proof.index}，树大小 ${proof.note.size}`) : failed('the proof does not lead to the root', '包含证明不成立');
  });
  const signed = async (note) => {
    for (const vkey of context.anchors.logs) if (await isLogSigned(note, vkey)) return true;
    return false;
  };
  await findings.run('ledger.checkpoint', async () => {
    const { note } = proofOf('proof/entry.tlog-proof');
    const named = field(documentOf(bundle, 'manifest.json'), 'ledger', 'object');
    const own = parseVkey(field(named, 'key', 'string'));
    if (note.origin !== named.origin || own.name !== named.origin) return failed('it is of another log than the manifest names', '与清单所载账本不符');
    if (!(await isLogSigned(note, own))) return failed('the signature of the tree head is not the log\'s', '树头签名不是该账本所签');
    if (await signed(note)) return passed(visible(note.origin, 120), visible(note.origin, 120));
    return undecided('signed by the key that the bundle names; no such key was given', '由证据包所载密钥签名；未提供该密钥');
  });
  await findings.run('ledger.independent', async () => {
    const { note } = proofOf('proof/entry.tlog-proof');
    if (!(await isLogSigned(note, parseVkey(documentOf(bundle, 'manifest.json').ledger.key)))) return failed('the tree head is not signed by the log', '树头不是该账本所签');
    const names = [];
    for (const vkey of context.anchors.logs) if (await isWitnessed(note, vkey)) names.push(vkey.name);
    if (names.length) return passed(visible(names.join(', '), 200), visible(names.join('、'), 200));
    return undecided('no witness that was given vouches for the tree head', '所提供的见证方均未为树头作证');
  });
  await findings.run('ledger.open', async () => {
    const manifest = documentOf(bundle, 'manifest.json');
    const opening = field(manifest, 'open', 'object');
    const data = bytesOf(bundle, 'proof/open.json');
    const value = parseCanonical(data);
    const proof = proofOf('proof/open.tlog-proof');
    const commitment = toHex(sha256(LEAF, fromHex(opening.salt), utf8.encode(manifest.capture_id)));
    const good = value.kind === 'open' && toHex(leafHash(data)) === opening.entry && value.commitment === commitment && included(proof, data) &&
      proof.index === opening.index && inSameLog(proof, proofOf('proof/entry.tlog-proof'));
    if (!good) return failed('the open entry does not belong to this record', '启动登记与本记录不符');
    const own = parseVkey(field(field(manifest, 'ledger', 'object'), 'key', 'string'));
    if (own.name !== manifest.ledger.origin || !(await isLogSigned(proof.note, own))) return failed('its tree head is not signed by the log', '树头不是该账本所签');
    if (!context.anchors.logs.length) return undecided('consistent, but no ledger key was given', '相符，但未提供账本公钥');
    return (await signed(proof.note)) ? passed(`index ${proof.index}`, `序号 ${proof.index}`) : undecided('its tree head is signed by a key that was not given', '树头由未提供的密钥签名');
  });
}

async function checkSeals(bundle, findings, context) {
  await findings.run('outer.manifest', () => checkOuterManifests(bundle));
  const outer = await checkSeal(bundle, findings, 'outer.signature', 'META-INF/signature001.p7s', 'META-INF/ASiCManifest001.xml', () => {
    parseAsic(bytesOf(bundle, 'META-INF/ASiCManifest001.xml'));
    return null;
  });
  const seal = await checkSeal(bundle, findings, 'seal.signature', 'seal/manifest.p7s', 'manifest.json', (certificate) => {
    const named = field(field(documentOf(bundle, 'manifest.json'), 'signer', 'object'), 'certificate_sha256', 'string');
    return named === certificate.fingerprint ? null : ['another certificate than the manifest names', '与清单所载证书不符'];
  });
  const last = bundle.read.has('META-INF/timestamp001.tst') ? ['META-INF/timestamp001.tst'] : [];
  await judgeTokens(bundle, findings, 'outer.timestamp', last, 'META-INF/ASiCManifest002.xml', context, () => {
    parseAsic(bytesOf(bundle, 'META-INF/ASiCManifest001.xml'));
    const fits = parseAsic(bytesOf(bundle, 'META-INF/ASiCManifest002.xml')).reference === 'META-INF/timestamp001.tst';
    return fits ? null : ['the manifest names another time-stamp', '清单所载时间戳不符'];
  });
  let sealedAt = null;
  try {
    sealedAt = await checkTimes(bundle, findings, context);
  } catch {
    findings.put('time.capture', FAILED, 'the manifest or a stamped document cannot be read', '清单或所盖文件无法读取');
  }
  await checkIdentity(findings, seal, outer, context, sealedAt);
  await checkLedger(bundle, findings, context);
}
