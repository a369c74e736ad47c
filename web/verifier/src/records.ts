// EvidenceRecord (RFC 4998): the ASN.1 and the arithmetic of reduced hash trees (evidencekit/timestamp/record.py).

import { concat, FormatError, toHex } from './bytes';
import { readAlgorithm } from './certificate';
import { children, Cursor, Node, parse, readInteger, readOctets, TAG } from './der';
import { digestBy } from './digest';
import { HASH_NAMES } from './oids';

const MAX_STAMPS = 256;
const MAX_LISTS = 64;
const MAX_DIGESTS = 1 << 15;
const [ALGORITHM, ATTRIBUTES, TREE] = [0xa0, 0xa1, 0xa2];

/** One ArchiveTimeStamp (§4.1); without `algorithm` the token's own is meant, and `tree` may be empty. */
export interface ArchiveTimeStamp {
  readonly algorithm: string | null;
  readonly tree: readonly (readonly Uint8Array[])[];
  readonly token: Uint8Array;
  readonly attributes: boolean;
}

export interface EvidenceRecord {
  readonly algorithms: readonly string[];
  readonly chains: readonly (readonly ArchiveTimeStamp[])[];
  readonly encodedChains: readonly Uint8Array[];
  /** It carries crypto or encryption information, which nothing protects. */
  readonly extras: boolean;
}

const refuse = (en: string, zh: string): never => {
  throw new FormatError(en, zh);
};

export function parseRecord(data: Uint8Array): EvidenceRecord {
  const cursor = new Cursor(parse(data), 'EvidenceRecord');
  const version = readInteger(cursor.take());
  if (version !== 1n) refuse(`EvidenceRecord version ${version} is not 1`, `证据记录版本 ${version} 不是 1`);
  const algorithms = children(cursor.take(TAG.sequence)).map((node) => hashName(node));
  const extras = [cursor.optional(0xa0), cursor.optional(0xa1)];
  const sequence = children(cursor.take(TAG.sequence));
  cursor.end();
  const chains = sequence.map((chain) => children(chain, TAG.sequence).map(parseStamp));
  const count = chains.reduce((sum, chain) => sum + chain.length, 0);
  if (chains.some((chain) => !chain.length) || count < 1 || count > MAX_STAMPS) refuse(`EvidenceRecord holds ${count} time-stamps in ${chains.length} chains`, '证据记录的时间戳数量有误');
  return { algorithms, chains, encodedChains: sequence.map((node) => node.raw), extras: extras.some(Boolean) };
}

function parseStamp(node: Node): ArchiveTimeStamp {
  const cursor = new Cursor(node, 'ArchiveTimeStamp');
  const [algorithm, attributes, tree] = [cursor.optional(ALGORITHM), cursor.optional(ATTRIBUTES), cursor.optional(TREE)];
  const token = cursor.take(TAG.sequence);
  cursor.end();
  return { algorithm: algorithm ? hashName(algorithm, ALGORITHM) : null, tree: tree ? parseTree(tree) : [], token: token.raw, attributes: attributes !== null };
}

function parseTree(node: Node): Uint8Array[][] {
  const lists = children(node);
  if (lists.length > MAX_LISTS) refuse(`reduced hash tree of ${lists.length} levels`, '杂凑树层数过多');
  const found = lists.map((level) => children(level, TAG.sequence).map(readOctets));
  if (!found.length || found.some((level) => level.length < 1 || level.length > MAX_DIGESTS)) refuse('reduced hash tree with an empty or oversized level', '杂凑树有空层或过大的层');
  return found;
}

function hashName(node: Node, tag: number = TAG.sequence): string {
  const algorithm = readAlgorithm(node, tag);
  const name = HASH_NAMES.get(algorithm.oid);
  return name && algorithm.plain ? name : refuse(`hash function ${algorithm.oid} is not known`, `不支持杂凑算法 ${algorithm.oid}`);
}

/** Sorted by bytes, equal ones once, concatenated and hashed (§4.2). */
function group(values: readonly Uint8Array[], algorithm: string): Uint8Array {
  const once = new Map(values.map((value) => [toHex(value), value]));
  return digestBy(algorithm, concat(...[...once].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, value]) => value)));
}

/** The root to which a reduced hash tree leads (§4.3); a first list with one digest is not hashed. */
export function treeRoot(tree: readonly (readonly Uint8Array[])[], algorithm: string): Uint8Array {
  const [first, ...rest] = tree;
  return rest.reduce((current, level) => group([...level, current], algorithm), first.length === 1 ? first[0] : group(first, algorithm));
}
