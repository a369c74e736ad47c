// Certificates (RFC 5280), signatures by WebCrypto, and paths to the anchors that the user pasted.

const SIGNATURES = {
  '1.2.840.10045.4.3.2': ['ECDSA', 'SHA-256'],
  '1.2.840.10045.4.3.3': ['ECDSA', 'SHA-384'],
  '1.2.840.10045.4.3.4': ['ECDSA', 'SHA-512'],
  '1.2.840.113549.1.1.11': ['RSASSA-PKCS1-v1_5', 'SHA-256'],
  '1.2.840.113549.1.1.12': ['RSASSA-PKCS1-v1_5', 'SHA-384'],
  '1.2.840.113549.1.1.13': ['RSASSA-PKCS1-v1_5', 'SHA-512'],
  '1.3.101.112': ['Ed25519', null],
};
const KEY_ONLY = { '1.2.840.113549.1.1.1': 'RSASSA-PKCS1-v1_5', '1.2.840.10045.2.1': 'ECDSA' };
const HASHES = {
  '2.16.840.1.101.3.4.2.1': 'SHA-256',
  '2.16.840.1.101.3.4.2.2': 'SHA-384',
  '2.16.840.1.101.3.4.2.3': 'SHA-512',
};
const CURVES = {
  '1.2.840.10045.3.1.7': ['P-256', 32],
  '1.3.132.0.34': ['P-384', 48],
  '1.3.132.0.35': ['P-521', 66],
};
const NAMES = { '2.5.4.3': 'CN', '2.5.4.6': 'C', '2.5.4.10': 'O', '2.5.4.11': 'OU' };
const TIME_STAMPING = '1.3.6.1.5.5.7.3.8';
const MAX_PATH = 8;

/** Something this page does not check: it never counts as passed. */
class Unsupported extends Error {}

function nameText(node) {
  return derChildren(node).flatMap((set) => derChildren(set)).map((pair) => {
    const [type, value] = derChildren(pair);
    const oid = derOid(type);
    const text = value.tag === 0x1e ? new TextDecoder('utf-16be').decode(value.body) : new TextDecoder().decode(value.body);
    return `${NAMES[oid] ?? oid}=${visible(text, 200)}`;
  }).join(', ');
}

function readExtensions(node) {
  const found = new Map();
  for (const extension of derChildren(derChildren(node)[0], 0x30)) {
    const parts = derChildren(extension, 0x30);
    const oid = derOid(parts[0]);
    if (found.has(oid)) throw new FormatError('an extension is there twice');
    found.set(oid, { critical: parts[1].tag === 0x01 && parts[1].body[0] !== 0, value: derExpect(parts[parts.length - 1], 0x04).body });
  }
  return found;
}

function parseCertificate(der) {
  const [tbs, algorithm, signature] = derChildren(derRead(der), 0x30);
  const parts = derChildren(tbs, 0x30);
  const shift = parts[0].tag === 0xa0 ? 1 : 0;
  const [serial, , issuer, validity, subject, spki] = parts.slice(shift);
  const [from, to] = derChildren(validity, 0x30).map(derTime);
  const extensions = parts.find((part, i) => i > shift + 5 && part.tag === 0xa3);
  return {
    der, tbs: tbs.raw, algorithm, signature: derExpect(signature, 0x03).body.subarray(1), serial: derExpect(serial, 0x02).body,
    issuer: issuer.raw, subject: subject.raw, name: nameText(subject), from, to, spki: derExpect(spki, 0x30).raw,
    extensions: extensions ? readExtensions(extensions) : new Map(), fingerprint: toHex(sha256(der)),
  };
}

function parsePem(text) {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.slice(0, 64).map((block) => parseCertificate(fromBase64(block.replace(/-----[A-Z ]+-----|\s/g, ''))));
}

/** r and s of an ECDSA signature as WebCrypto wants them. */
function rawEcdsa(signature, size) {
  return concat(...derChildren(derRead(signature), 0x30).map((node) => {
    const value = derExpect(node, 0x02).body;
    const digits = value.subarray(Math.max(0, value.findIndex((byte) => byte !== 0)));
    if (digits.length > size) throw new FormatError('ECDSA value too large');
    return concat(new Uint8Array(size - digits.length), digits);
  }));
}

async function verifySignature(spki, algorithm, digestOid, data, signature) {
  const oid = derOid(derChildren(algorithm, 0x30)[0]);
  const [name, hash] = SIGNATURES[oid] ?? [KEY_ONLY[oid], HASHES[digestOid]];
  if (!name || (name !== 'Ed25519' && !hash)) throw new Unsupported(`signature algorithm ${oid}`);
  const keyAlgorithm = derChildren(derChildren(derRead(spki), 0x30)[0], 0x30);
  let importAs = name === 'Ed25519' ? { name } : { name, hash };
  let value = signature;
  if (name === 'ECDSA') {
    const [curve, size] = CURVES[derOid(keyAlgorithm[1])] ?? [];
    if (!curve) throw new Unsupported('elliptic curve');
    importAs = { name, namedCurve: curve };
    value = rawEcdsa(signature, size);
  }
  let key;
  try {
    key = await crypto.subtle.importKey('spki', spki, importAs, false, ['verify']);
  } catch (error) {
    if (error.name === 'NotSupportedError') throw new Unsupported(name);
    return false;
  }
  return crypto.subtle.verify(name === 'ECDSA' ? { name, hash } : name, key, value, data);
}

function mayIssue(certificate) {
  const constraints = certificate.extensions.get('2.5.29.19');
  const usage = certificate.extensions.get('2.5.29.15');
  const flag = constraints && derChildren(derRead(constraints.value), 0x30)[0];
  const isCa = Boolean(flag && flag.tag === 0x01 && flag.body[0]);
  return isCa && (!usage || (derRead(usage.value).body[1] & 0x04) !== 0);
}

function isTimeStamper(certificate) {
  const usage = certificate.extensions.get('2.5.29.37');
  if (!usage || !usage.critical) return false;
  const purposes = derChildren(derRead(usage.value), 0x30).map(derOid);
  return purposes.length === 1 && purposes[0] === TIME_STAMPING;
}

async function issued(issuer, certificate) {
  if (!same(issuer.subject, certificate.issuer)) return false;
  return verifySignature(issuer.spki, certificate.algorithm, null, certificate.tbs, certificate.signature);
}

/** Whether a certificate leads to one of the anchors at `at`; an anchor may be the certificate itself. */
async function leadsTo(certificate, pool, anchors, at, depth = 0) {
  if (at < certificate.from || at > certificate.to) return false;
  if (anchors.some((anchor) => same(anchor.der, certificate.der))) return true;
  if (depth >= MAX_PATH) return false;
  for (const issuer of [...anchors, ...pool]) {
    if (!same(issuer.subject, certificate.issuer) || !mayIssue(issuer) || same(issuer.der, certificate.der)) continue;
    if ((await issued(issuer, certificate)) && (await leadsTo(issuer, pool.filter((one) => one !== issuer), anchors, at, depth + 1))) return true;
  }
  return false;
}
