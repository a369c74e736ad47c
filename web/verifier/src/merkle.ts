// Merkle trees of RFC 6962 §2.1 over SHA-256, and salted leaves (docs/spec/records.md).

import { same } from './bytes';
import { sha256 } from './digest';

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const EMPTY_ROOT = sha256(new Uint8Array());
export const leafHash = (...data: Uint8Array[]): Uint8Array => sha256(LEAF, ...data);
export const saltedLeaf = (salt: Uint8Array, descriptor: Uint8Array): Uint8Array => leafHash(salt, descriptor);
const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => sha256(NODE, left, right);

/** Level by level; an odd last node is carried up unchanged, which is the same tree. */
export function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  if (!leaves.length) return EMPTY_ROOT;
  let level = [...leaves];
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) next.push(i + 1 < level.length ? nodeHash(level[i], level[i + 1]) : level[i]);
    level = next;
  }
  return level[0];
}

/** RFC 9162 §2.1.3.2; a path with one hash too many or too few proves nothing. Sizes go up to 2^63 - 1. */
export function isIncluded(leaf: Uint8Array, index: bigint, size: bigint, path: readonly Uint8Array[], root: Uint8Array): boolean {
  if (index < 0n || index >= size) return false;
  let inner = 0;
  for (let rest = index ^ (size - 1n); rest; rest >>= 1n) inner += 1;
  let border = 0;
  for (let rest = index >> BigInt(inner); rest; rest >>= 1n) border += Number(rest & 1n);
  if (path.length !== inner + border) return false;
  let node = leaf;
  path.forEach((sibling, at) => {
    node = at >= inner || (index >> BigInt(at)) & 1n ? nodeHash(sibling, node) : nodeHash(node, sibling);
  });
  return same(node, root);
}
