// Signatures over public values only: curves by @noble/curves, RSA (RFC 8017) and SM2 (GB/T 32918.2) on big integers.
//
// WebCrypto is not used: it is absent from pages opened from disk in some browsers, and differs in what it knows.

import { weierstrass } from '@noble/curves/abstract/weierstrass.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { brainpoolP256r1, brainpoolP384r1, brainpoolP512r1 } from '@noble/curves/misc.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js';
import { concat, FormatError, fromBigInt, same, toBigInt, utf8 } from './bytes';
import { Cursor, parse, readInteger, TAG } from './der';
import { digestBy } from './digest';
import { OID } from './oids';

const CURVES = new Map(Object.entries({
  '1.2.840.10045.3.1.7': { curve: p256, bits: 256 }, '1.3.132.0.34': { curve: p384, bits: 384 }, '1.3.132.0.35': { curve: p521, bits: 521 },
  '1.3.132.0.10': { curve: secp256k1, bits: 256 }, '1.3.36.3.3.2.8.1.1.7': { curve: brainpoolP256r1, bits: 256 },
  '1.3.36.3.3.2.8.1.1.11': { curve: brainpoolP384r1, bits: 384 }, '1.3.36.3.3.2.8.1.1.13': { curve: brainpoolP512r1, bits: 512 },
}));

export const curveOf = (oid: string) => CURVES.get(oid);
export type NamedCurve = NonNullable<ReturnType<typeof curveOf>>;

function readPair(signature: Uint8Array, what: string): [bigint, bigint] {
  const cursor = new Cursor(parse(signature), what);
  const pair: [bigint, bigint] = [readInteger(cursor.take()), readInteger(cursor.take())];
  cursor.end();
  return pair;
}

/** ECDSA (FIPS 186-5 §6.4.2) over a digest; a malformed signature is simply not one. */
export function verifyEcdsa({ curve }: NamedCurve, point: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean {
  try {
    const [r, s] = readPair(signature, 'ECDSA signature');
    const size = curve.lengths.signature! / 2;
    if (r <= 0n || s <= 0n || r >> BigInt(8 * size) || s >> BigInt(8 * size)) return false;
    const compact = concat(fromBigInt(r, size), fromBigInt(s, size));
    return curve.verify(compact, digest, point, { prehash: false, lowS: false, format: 'compact' });
  } catch {
    return false;
  }
}

/** Ed25519 as RFC 8032 checks it, without the leniency of ZIP 215. */
export function verifyEd25519(key: Uint8Array, signature: Uint8Array, message: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, message, key, { zip215: false });
  } catch {
    return false;
  }
}

const ML_DSA = new Map([[OID.mlDsa44 as string, ml_dsa44], [OID.mlDsa65, ml_dsa65], [OID.mlDsa87, ml_dsa87]]);

export const isMlDsa = (oid: string): boolean => ML_DSA.has(oid);

/** Pure ML-DSA with an empty context (FIPS 204 §5.3, RFC 9882 §3). */
export function verifyMlDsa(oid: string, key: Uint8Array, signature: Uint8Array, message: Uint8Array): boolean {
  try {
    return ML_DSA.get(oid)!.verify(signature, message, key);
  } catch {
    return false;
  }
}

export interface RsaKey {
  readonly modulus: bigint;
  readonly exponent: bigint;
  readonly bits: number;
}

export function readRsaKey(encoded: Uint8Array): RsaKey {
  const cursor = new Cursor(parse(encoded), 'RSAPublicKey');
  const [modulus, exponent] = [readRsaInteger(cursor.take()), readRsaInteger(cursor.take())];
  cursor.end();
  const bits = modulus.toString(2).length;
  if (exponent < 3n || !(exponent & 1n) || exponent.toString(2).length > 64 || bits > 16_384) throw new FormatError('RSA key cannot be read', 'RSA 公钥无法读取');
  return { modulus, exponent, bits };
}

function readRsaInteger(node: { tag: number; content: Uint8Array }): bigint {
  if (node.tag !== TAG.integer || !node.content.length || node.content[0] & 0x80) throw new FormatError('RSA key cannot be read', 'RSA 公钥无法读取');
  return toBigInt(node.content);
}

function recover(key: RsaKey, signature: Uint8Array): Uint8Array | null {
  const size = Math.ceil(key.bits / 8);
  const value = toBigInt(signature);
  if (signature.length !== size || value >= key.modulus) return null;
  let [result, base, rest] = [1n, value, key.exponent];
  for (; rest; rest >>= 1n) {
    if (rest & 1n) result = (result * base) % key.modulus;
    base = (base * base) % key.modulus;
  }
  return fromBigInt(result, size);
}

/** DigestInfo prefixes (RFC 8017 §9.2 note 1; FIPS 202 identifiers alike). */
const DIGEST_INFO = new Map(Object.entries({
  sha256: '3031300d060960864801650304020105000420', sha384: '3041300d060960864801650304020205000430', sha512: '3051300d060960864801650304020305000440',
  'sha3-256': '3031300d060960864801650304020805000420', 'sha3-384': '3041300d060960864801650304020905000430', 'sha3-512': '3051300d060960864801650304020a05000440',
}));

/** RSASSA-PKCS1-v1_5 (RFC 8017 §8.2.2): the whole block is built and compared, nothing is parsed. */
export function verifyPkcs1(key: RsaKey, hash: string, digest: Uint8Array, signature: Uint8Array): boolean | null {
  const prefix = DIGEST_INFO.get(hash);
  if (!prefix) return null;
  const block = recover(key, signature);
  if (!block) return false;
  const info = concat(Uint8Array.from(prefix.match(/../g)!, (pair) => parseInt(pair, 16)), digest);
  const fill = block.length - info.length - 3;
  return fill >= 8 && same(block, concat(Uint8Array.of(0, 1), new Uint8Array(fill).fill(0xff), Uint8Array.of(0), info));
}

function mask(hash: string, seed: Uint8Array, size: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let counter = 0, made = 0; made < size; counter += 1) {
    parts.push(digestBy(hash, seed, fromBigInt(BigInt(counter), 4)));
    made += parts[counter].length;
  }
  return concat(...parts).subarray(0, size);
}

/** RSASSA-PSS (RFC 8017 §8.1.2 and §9.1.2). */
export function verifyPss(key: RsaKey, hash: string, maskHash: string, saltLength: number, digest: Uint8Array, signature: Uint8Array): boolean {
  const block = recover(key, signature);
  if (!block) return false;
  const emBits = key.bits - 1;
  const size = Math.ceil(emBits / 8);
  const em = block.subarray(block.length - size);
  if ((block.length > size && block[0] !== 0) || size < digest.length + saltLength + 2 || em[size - 1] !== 0xbc) return false;
  const free = 8 * size - emBits;
  const masked = em.subarray(0, size - digest.length - 1);
  const value = em.subarray(masked.length, size - 1);
  if (masked[0] & ~(0xff >> free) & 0xff) return false;
  const db = mask(maskHash, value, masked.length).map((byte, at) => byte ^ masked[at]);
  db[0] &= 0xff >> free;
  const salt = db.subarray(db.length - saltLength);
  const start = db.length - saltLength - 1;
  if (db[start] !== 1 || db.subarray(0, start).some((byte) => byte !== 0)) return false;
  return same(value, digestBy(hash, new Uint8Array(8), digest, salt));
}

const SM2 = {
  p: 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn, n: 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n,
  h: 1n, a: 0xfffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffcn, b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
  Gx: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n, Gy: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
};
const Sm2Point = weierstrass(SM2);

/** SM2 with SM3 and the identifier of GM/T 0009, `1234567812345678` (GB/T 32918.2 §7.1). */
export function verifySm2(point: Uint8Array, signature: Uint8Array, data: Uint8Array): boolean {
  if (point.length !== 65 || point[0] !== 4) throw new FormatError('SM2 key is not an uncompressed point', 'SM2 公钥不是未压缩点');
  const [x, y] = [toBigInt(point.subarray(1, 33)), toBigInt(point.subarray(33))];
  let key;
  try {
    key = Sm2Point.fromAffine({ x, y });
    key.assertValidity();
  } catch {
    throw new FormatError('SM2 key is not a point of the curve', 'SM2 公钥不在曲线上');
  }
  const [r, s] = readPair(signature, 'SM2 signature');
  if (r <= 0n || s <= 0n || r >= SM2.n || s >= SM2.n) return false;
  const t = (r + s) % SM2.n;
  if (t === 0n) return false;
  const numbers = [SM2.a, SM2.b, SM2.Gx, SM2.Gy, x, y].map((value) => fromBigInt(value, 32));
  const identity = digestBy('sm3', Uint8Array.of(0, 128), utf8.encode('1234567812345678'), ...numbers);
  const hashed = toBigInt(digestBy('sm3', identity, data));
  const sum = Sm2Point.BASE.multiplyUnsafe(s).add(key.multiplyUnsafe(t));
  return !sum.is0() && (hashed + sum.toAffine().x) % SM2.n === r;
}
