// C2SP signed note, tlog-checkpoint and tlog-proof.

const ED25519_NOTE = 1;
const ED25519_COSIGNATURE = 4;

function parseVkey(text) {
  const found = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text.trim());
  if (!found) throw new FormatError('not a ledger key');
  const key = fromBase64(found[3]);
  if (key.length !== 33 || ![ED25519_NOTE, ED25519_COSIGNATURE].includes(key[0])) throw new FormatError('not an Ed25519 ledger key');
  const id = toHex(sha256(utf8.encode(`${found[1]}\n`), key)).slice(0, 8);
  if (id !== found[2]) throw new FormatError('the ledger key does not have its key id');
  return { name: found[1], id, type: key[0], key: key.subarray(1) };
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
  // C2SP lets a proof carry unauthenticated data; ours never do, and nothing would vouch for them.
  if (lines[0]?.startsWith('extra ')) throw new FormatError('unauthenticated extra data in a proof');
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '');
  if (!index || lines.length > 63) throw new FormatError('not a tlog-proof');
  const path = lines.map(fromBase64);
  if (path.some((hash) => hash.length !== 32)) throw new FormatError('a hash of the proof has another length');
  return { index: Number(index[1]), path, note: parseNote(utf8.encode(text.slice(end + 2))) };
}

async function verifyEd25519(raw, signature, message) {
  let key;
  try {
    key = await crypto.subtle.importKey('raw', raw, 'Ed25519', false, ['verify']);
  } catch {
    throw new Unsupported('Ed25519 in this browser');
  }
  return crypto.subtle.verify('Ed25519', key, signature, message);
}

const signatureBy = (note, vkey) => note.signatures.find((one) => one.name === vkey.name && one.id === vkey.id);

/** The log's own signature over its checkpoint. */
async function isLogSigned(note, vkey) {
  const signature = vkey.type === ED25519_NOTE && vkey.name === note.origin && signatureBy(note, vkey);
  return Boolean(signature) && verifyEd25519(vkey.key, signature.value, note.body);
}

/** A witness's cosignature/v1: its time (64 bits) and a signature over time and checkpoint (C2SP tlog-cosignature). */
async function isWitnessed(note, vkey) {
  const signature = vkey.type === ED25519_COSIGNATURE && signatureBy(note, vkey);
  if (!signature || signature.value.length !== 72) return false;
  const time = new DataView(signature.value.buffer, signature.value.byteOffset).getBigUint64(0);
  const message = concat(utf8.encode(`cosignature/v1\ntime ${time}\n`), note.body);
  return verifyEd25519(vkey.key, signature.value.subarray(8), message);
}
