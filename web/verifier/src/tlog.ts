// C2SP signed-note, tlog-checkpoint and tlog-proof; Ed25519 keys of logs (0x01) and witnesses (0x04).

import { concat, FormatError, fromBase64, same, toAscii, toHex, toText, utf8, visible } from './bytes';
import { sha256 } from './digest';
import { EMPTY_ROOT, isIncluded, leafHash } from './merkle';
import { verifyEd25519 } from './publickeys';
import { MINUTE, SECOND } from './time';
import { quorumOf, WitnessPolicy } from './witnesspolicy';

const MAX_NOTE_BYTES = 1_000_000;
const MAX_SIGNATURES = 100;
const MAX_PATH = 63;
const MAX_SIZE = (1n << 63n) - 1n;
const COSIGNATURE = 4;
const MAX_SKEW = 5 * MINUTE;

export interface VerifierKey {
  readonly text: string;
  readonly name: string;
  readonly id: string;
  readonly type: number;
  readonly key: Uint8Array;
}

interface Signature {
  readonly name: string;
  readonly id: string;
  readonly value: Uint8Array;
}

export interface Checkpoint {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Uint8Array;
}

export interface ProofCheck {
  readonly checkpoint: Checkpoint;
  readonly index: bigint;
  readonly leaf: Uint8Array;
  readonly included: boolean;
  readonly logSigned: boolean;
  readonly witnesses: readonly string[];
  readonly extra: boolean;
  /** Known witnesses whose time has not come: they do not count. */
  readonly ahead: readonly string[];
  /** Names by which each of several witness policies is met. */
  readonly quorums: readonly (readonly string[])[];
}

const isKeyName = (name: string): boolean => name !== '' && !/[+\s\u0000-\u0020\ud800-\udfff\u001c-\u001f\u0085]/.test(name);

export function parseVkey(text: string): VerifierKey {
  const parts = text.length <= 8192 ? /^([^+]*)\+([^+]*)\+(.*)$/s.exec(text) : null;
  if (!parts || !isKeyName(parts[1])) throw new FormatError('A verifier key is not of the form name+keyid+base64.', '验证密钥不是 name+keyid+base64 的形式。');
  const key = fromBase64(parts[3]);
  const id = toHex(sha256(utf8.encode(`${parts[1]}\n`), key)).slice(0, 8);
  if (key.length < 2 || id !== parts[2]) throw new FormatError('The verifier key does not have the key ID that it states.', '验证密钥与其声明的密钥标识不符。');
  if ((key[0] !== 1 && key[0] !== COSIGNATURE) || key.length !== 33) throw new FormatError('The verifier key is not an Ed25519 key of type 0x01 or 0x04.', '验证密钥不是 0x01 或 0x04 型 Ed25519 密钥。');
  return { text, name: parts[1], id, type: key[0], key: key.subarray(1) };
}

/** The time that a cosignature states, in microseconds; null for a key whose signatures state none. */
function statedTime(key: VerifierKey, signature: Uint8Array): bigint | null {
  return key.type === COSIGNATURE && signature.length >= 8 ? BigInt(`0x${toHex(signature.subarray(0, 8))}`) * BigInt(SECOND) : null;
}

function isSignatureOf(key: VerifierKey, text: Uint8Array, signature: Uint8Array): boolean {
  if (key.type !== COSIGNATURE) return verifyEd25519(key.key, signature, text);
  if (signature.length < 8) return false;
  const time = BigInt(`0x${toHex(signature.subarray(0, 8))}`);
  return verifyEd25519(key.key, signature.subarray(8), concat(utf8.encode(`cosignature/v1\ntime ${time}\n`), text));
}

function splitNote(data: Uint8Array): { text: Uint8Array; signatures: Signature[] } {
  if (data.length > MAX_NOTE_BYTES) throw new FormatError(`A note of ${data.length} bytes is over the limit of ${MAX_NOTE_BYTES}.`, '签名文本过长。');
  const whole = toText(data, 'note');
  if (data.some((byte) => byte < 0x20 && byte !== 0x0a)) throw new FormatError('A note holds control characters.', '签名文本含有控制字符。');
  const end = whole.lastIndexOf('\n\n');
  const rest = whole.slice(end + 2);
  if (end < 0 || !rest.endsWith('\n')) throw new FormatError('A note has no signature lines after a blank line.', '签名文本在空行之后没有签名行。');
  const rows = rest.slice(0, -1).split('\n');
  if (rows.length > MAX_SIGNATURES) throw new FormatError(`A note has over ${MAX_SIGNATURES} signatures.`, `签名文本的签名超过 ${MAX_SIGNATURES} 个。`);
  return { text: utf8.encode(whole.slice(0, end + 1)), signatures: rows.map(parseSignature) };
}

function parseSignature(row: string): Signature {
  const found = /^— ([^ ]*) (.*)$/s.exec(row);
  if (!found || !isKeyName(found[1])) throw new FormatError("A signature line is not '— name base64'.", '签名行不是“— 名称 base64”的形式。');
  // Strict: no byte of a proof may change unseen.
  const blob = fromBase64(found[2]);
  if (blob.length <= 4) throw new FormatError('A signature is too short.', '签名过短。');
  return { name: found[1], id: toHex(blob.subarray(0, 4)), value: blob.subarray(4) };
}

interface OpenedNote {
  readonly text: Uint8Array;
  readonly verified: string[];
  readonly invalid: string[];
  readonly labels: Set<string>;
  /** Whose lines were passed over, because they are dated after `until`. */
  readonly ahead: Set<string>;
}

/** Sorts a note's signatures by whether the given keys know and confirm them; of one key's lines the first counts. */
function openNote(data: Uint8Array, keys: readonly VerifierKey[], until: number | null = null): OpenedNote {
  const { text, signatures } = splitNote(data);
  const known = new Map(keys.map((key) => [`${key.name} ${key.id}`, key]));
  const seen = new Set<string>();
  const verified: string[] = [];
  const labels = new Set<string>();
  const invalid: string[] = [];
  const ahead = new Set<string>();
  for (const signature of signatures) {
    const label = `${signature.name} ${signature.id}`;
    const key = known.get(label);
    if (!key) continue;
    const time = statedTime(key, signature.value);
    if (until !== null && time !== null && time > BigInt(until)) {
      ahead.add(signature.name);
      continue;
    }
    if (seen.has(label)) continue;
    seen.add(label);
    const valid = isSignatureOf(key, text, signature.value);
    (valid ? verified : invalid).push(signature.name);
    if (valid) labels.add(label);
  }
  return { text, verified, invalid, labels, ahead };
}

function parseDecimal(text: string): bigint {
  if (!/^(?:0|[1-9][0-9]{0,18})$/.test(text) || BigInt(text) > MAX_SIZE) throw new FormatError(`'${visible(text, 40)}' is not a canonical decimal number.`, `'${visible(text, 40)}' 不是规范的十进制数。`);
  return BigInt(text);
}

function parseCheckpoint(text: Uint8Array): Checkpoint {
  const lines = toText(text, 'checkpoint').split('\n');
  if (lines.length !== 4 || lines[3] || !lines[0]) throw new FormatError('A checkpoint is not three lines: origin, size and root, without extension lines.', '检查点必须恰为三行。');
  const [size, root] = [parseDecimal(lines[1]), fromBase64(lines[2])];
  if (root.length !== 32 || (size === 0n && !same(root, EMPTY_ROOT))) throw new FormatError("A checkpoint's root is not the hash of such a tree.", '检查点的根不是相应大小的树的哈希。');
  return { origin: lines[0], size, root };
}

function parseProof(data: Uint8Array): { index: bigint; path: Uint8Array[]; extra: boolean; note: Uint8Array } {
  let end = 0;
  while (end + 1 < data.length && !(data[end] === 10 && data[end + 1] === 10)) end += 1;
  if (end + 1 >= data.length || end > 100_000) throw new FormatError('A tlog-proof has no checkpoint, or is too long.', '证明文件缺少检查点或过长。');
  const lines = toAscii(data.subarray(0, end), 'tlog-proof').split('\n');
  if (lines.shift() !== 'c2sp.org/tlog-proof@v1') throw new FormatError('This is not a c2sp.org/tlog-proof@v1 file.', '这不是 c2sp.org/tlog-proof@v1 文件。');
  const extra = lines[0]?.startsWith('extra ') ?? false;
  if (extra) fromBase64(lines.shift()!.slice(6));
  if (!lines[0]?.startsWith('index ')) throw new FormatError('A tlog-proof has no index line.', '证明文件缺少 index 行。');
  const index = parseDecimal(lines.shift()!.slice(6));
  const path = lines.map(fromBase64);
  if (path.length > MAX_PATH || path.some((one) => one.length !== 32)) throw new FormatError("A tlog-proof's path is not at most 63 hashes.", '证明路径不是至多 63 个哈希。');
  return { index, path, extra, note: data.subarray(end + 2) };
}

/** The text of a proof's checkpoint, which is what anchors vouch for: cosignatures do not change it. */
export function checkpointText(proof: Uint8Array): Uint8Array {
  const { text } = splitNote(parseProof(proof).note);
  parseCheckpoint(text);
  return text;
}

/** Checks a proof file for the bytes of an entry against keys; a proof that does not hold is a result. */
export function checkProof(proof: Uint8Array, entry: Uint8Array, keys: readonly VerifierKey[], policies: readonly WitnessPolicy[], at: number): ProofCheck {
  const { index, path, extra, note } = parseProof(proof);
  const opened = openNote(note, keys);
  const until = at + MAX_SKEW;
  const inTime = openNote(note, keys, until);
  const ahead = [inTime, ...policies.map((policy) => openNote(note, policy.witnesses.map((one) => one.key), until))].flatMap((one) => [...one.ahead]);
  const checkpoint = parseCheckpoint(opened.text);
  const leaf = leafHash(entry);
  return {
    checkpoint, index, leaf, extra, included: isIncluded(leaf, index, checkpoint.size, path, checkpoint.root),
    logSigned: opened.verified.includes(checkpoint.origin) && !opened.invalid.length,
    witnesses: inTime.verified.filter((name) => name !== checkpoint.origin),
    ahead: [...new Set(ahead)],
    quorums: policies.map((policy) => {
      const byPolicy = openNote(note, [...policy.logs, ...policy.witnesses.map((one) => one.key)], until);
      return quorumOf(policy, (key) => byPolicy.labels.has(`${key.name} ${key.id}`), checkpoint.origin, byPolicy.invalid.length > 0);
    }),
  };
}
