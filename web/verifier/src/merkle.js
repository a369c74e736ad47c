// RFC 6962 §2.1 trees and inclusion proofs (RFC 9162 §2.1.3.2); salted leaves of docs/spec/records.md.

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

const leafHash = (data) => sha256(LEAF, data);
const saltedLeaf = (salt, descriptor) => sha256(LEAF, salt, descriptor);

function rootOf(leaves) {
  const stack = [];
  leaves.forEach((leaf, index) => {
    stack.push(leaf);
    for (let n = index + 1; n % 2 === 0; n /= 2) {
      const right = stack.pop();
      stack.push(sha256(NODE, stack.pop(), right));
    }
  });
  if (!stack.length) return sha256();
  return stack.reduceRight((right, left) => sha256(NODE, left, right));
}

function isIncluded(leaf, index, size, path, root) {
  if (index >= size) return false;
  let at = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = sha256(NODE, sibling, hash);
      while (at % 2 === 0 && at > 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else {
      hash = sha256(NODE, hash, sibling);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && same(hash, root);
}
