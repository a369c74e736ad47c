// CMS SignedData (RFC 5652) with CAdES attributes, and RFC 3161 tokens.

const OID = {
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  tstInfo: '1.2.840.113549.1.9.16.1.4',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
  sm3: '1.2.156.10197.1.401',
};

async function hashBy(oid, data) {
  if (HASHES[oid] === 'SHA-256') return sha256(data);
  if (oid === OID.sm3) return sm3(data);
  if (!HASHES[oid]) throw new Unsupported(`digest ${oid}`);
  return new Uint8Array(await crypto.subtle.digest(HASHES[oid], data));
}

function parseSigned(bytes) {
  const [type, wrapped] = derChildren(derRead(bytes), 0x30);
  if (derOid(type) !== OID.signedData) throw new FormatError('not CMS SignedData');
  const parts = derChildren(derChildren(derExpect(wrapped, 0xa0))[0], 0x30);
  const [contentType, content] = derChildren(parts[2], 0x30);
  const certificates = parts.slice(3, -1).filter((part) => part.tag === 0xa0).flatMap((part) => derChildren(part));
  const signers = derChildren(derExpect(parts[parts.length - 1], 0x31));
  if (signers.length !== 1) throw new FormatError('not exactly one signer');
  return {
    type: derOid(contentType),
    content: content ? derExpect(derChildren(derExpect(content, 0xa0))[0], 0x04).body : null,
    certificates: certificates.filter((node) => node.tag === 0x30).map((node) => parseCertificate(node.raw)),
    signer: parseSigner(signers[0]),
  };
}

function parseSigner(node) {
  const [, sid, digest, attributes, algorithm, signature] = derChildren(node, 0x30);
  const found = new Map();
  for (const attribute of derChildren(derExpect(attributes, 0xa0))) {
    const [type, values] = derChildren(attribute, 0x30);
    const listed = derChildren(values, 0x31);
    if (found.has(derOid(type)) || listed.length !== 1) throw new FormatError('a signed attribute is not there once');
    found.set(derOid(type), listed[0]);
  }
  return {
    sid, digest: derOid(derChildren(digest, 0x30)[0]), attributes: found, signed: concat(Uint8Array.of(0x31), attributes.raw.subarray(1)),
    algorithm, signature: derExpect(signature, 0x04).body,
  };
}

function signerCertificate(signed, extra) {
  const { sid } = signed.signer;
  const parts = sid.tag === 0x30 ? derChildren(sid) : null;
  return [...signed.certificates, ...extra].find((one) => {
    if (parts) return same(one.issuer, parts[0].raw) && same(one.serial, parts[1].body);
    const identifier = one.extensions.get('2.5.29.14');
    return sid.tag === 0x80 && identifier && same(derRead(identifier.value).body, sid.body);
  });
}

/** The certificate is the one that the signature itself names (ESS, RFC 5035). */
async function isBound(signer, certificate) {
  const second = signer.attributes.get(OID.signingCertificateV2);
  const first = signer.attributes.get(OID.signingCertificate);
  if (!second && !first) return false;
  const id = derChildren(derChildren(derChildren(second ?? first, 0x30)[0], 0x30)[0], 0x30);
  if (!second) return same(new Uint8Array(await crypto.subtle.digest('SHA-1', certificate.der)), derExpect(id[0], 0x04).body);
  const named = id[0].tag === 0x30;
  const digest = named ? await hashBy(derOid(derChildren(id[0])[0]), certificate.der) : sha256(certificate.der);
  return same(digest, derExpect(id[named ? 1 : 0], 0x04).body);
}

/** Checks one signature over `content`; returns its certificate, or the reason why it is not intact. */
async function checkSigned(signed, content, type, extra = []) {
  const { signer } = signed;
  const certificate = signerCertificate(signed, extra);
  if (!certificate) return { reason: 'the signer\'s certificate is not there' };
  const named = signer.attributes.get(OID.contentType);
  if (signed.type !== type || !named || derOid(named) !== type) return { reason: 'the content type is another' };
  const digest = signer.attributes.get(OID.messageDigest);
  if (!digest || !same(derExpect(digest, 0x04).body, await hashBy(signer.digest, content))) return { reason: 'the content has another digest' };
  if (!(await isBound(signer, certificate))) return { reason: 'the signature does not name this certificate' };
  const intact = await verifySignature(certificate.spki, signer.algorithm, signer.digest, signer.signed, signer.signature);
  return intact ? { certificate } : { reason: 'the signature does not verify' };
}

function parseToken(bytes, isReply) {
  let token = bytes;
  if (isReply) {
    const [status, inner] = derChildren(derRead(bytes), 0x30);
    const code = derExpect(derChildren(status, 0x30)[0], 0x02).body;
    if (code.length !== 1 || code[0] > 1 || !inner) throw new FormatError('the TSA refused');
    token = inner.raw;
  }
  const signed = parseSigned(token);
  if (!signed.content) throw new FormatError('the token is empty');
  const info = derChildren(derRead(signed.content), 0x30);
  const [algorithm, imprint] = derChildren(info[2], 0x30);
  return {
    signed, policy: derOid(info[1]), imprintOid: derOid(derChildren(algorithm, 0x30)[0]), imprint: derExpect(imprint, 0x04).body,
    serial: toHex(derExpect(info[3], 0x02).body), time: derTime(info[4]),
  };
}

/** Imprint, signature, purpose and binding of a token; trust is asked for separately. */
async function checkToken(bytes, isReply, data, extra) {
  const token = parseToken(bytes, isReply);
  if (!same(token.imprint, await hashBy(token.imprintOid, data))) return { token, reason: 'it stamps other bytes' };
  const checked = await checkSigned(token.signed, token.signed.content, OID.tstInfo, extra);
  if (checked.reason) return { token, reason: checked.reason };
  if (!isTimeStamper(checked.certificate)) return { token, reason: 'its certificate is not for time-stamping alone' };
  return { token, certificate: checked.certificate };
}
