// C2SP signed note, tlog-checkpoint and tlog-proof.

const ED25519_NOTE = 1;

function parseVkey(text) {
  const found = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text.trim());
  if (!found) throw new FormatError('not a ledger key');
  const key = fromBase64(found[3]);
  if (key.length !== 33 || key[0] !== ED25519_NOTE) throw new FormatError('not an Ed25519 ledger key');
  const id = toHex(sha256(utf8.encode(`${found[1]}\n`), key)).slice(0, 8);
  if (id !== found[2]) throw new FormatError('the ledger key does not have its key id');
  return { name: found[1], id, key: key.subarray(1) };
}

function parseNote(bytes) {
  const text = toText(bytes);
  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) throw new FormatError('control characters in a note');
  const end = text.lastIndexOf('\n\n');
  if (end < 0 || !text.endsWith('\n')) throw new FormatError('not a signed note');
  const lines = text.slice(end + 2, -1).split('\n');
  if (lines.length > 64) throw new FormatError('too many signatures');
  const signatures = lines.map((line) => {
    const found = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line);
    if (!found) throw new FormatError('not a signature line');
    const blob = fromBase64(found[2]);
    return { name: found[1], id: toHex(blob.subarray(0, 4)), value: blob.subarray(4) };
  });
  const body = text.slice(0, end + 1);
  const [origin, size, root, ...rest] = body.slice(0, -1).split('\n');
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(size) || rest.length || !origin) throw new FormatError('not a checkpoint');
  return { body: utf8.encode(body), origin, size: Number(size), root: fromBase64(root), signatures };
}

function parseProof(bytes) {
  const text = toText(bytes);
  const end = text.indexOf('\n\n');
  const [head, ...lines] = text.slice(0, end).split('\n');
  if (end < 0 || head !== 'c2sp.org/tlog-proof@v1') throw new FormatError('not a tlog-proof');
  if (lines[0]?.startsWith('extra ')) lines.shift();
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '');
  if (!index || lines.length > 63) throw new FormatError('not a tlog-proof');
  const path = lines.map(fromBase64);
  if (path.some((hash) => hash.length !== 32)) throw new FormatError('a hash of the proof has another length');
  return { index: Number(index[1]), path, note: parseNote(utf8.encode(text.slice(end + 2))) };
}

async function isLogSigned(note, vkey) {
  if (vkey.name !== note.origin) return false;
  const signature = note.signatures.find((one) => one.name === vkey.name && one.id === vkey.id);
  if (!signature) return false;
  let key;
  try {
    key = await crypto.subtle.importKey('raw', vkey.key, 'Ed25519', false, ['verify']);
  } catch {
    throw new Unsupported('Ed25519 in this browser');
  }
  return crypto.subtle.verify('Ed25519', key, signature.value, note.body);
}
