// Object identifiers of CMS, RFC 3161 and their algorithms, and which hash functions count (evidencekit/x509/oids.py).

export const OID = {
  data: '1.2.840.113549.1.7.1', signedData: '1.2.840.113549.1.7.2', gmData: '1.2.156.10197.6.1.4.2.1', gmSignedData: '1.2.156.10197.6.1.4.2.2',
  tstInfo: '1.2.840.113549.1.9.16.1.4', contentType: '1.2.840.113549.1.9.3', messageDigest: '1.2.840.113549.1.9.4',
  algorithmProtection: '1.2.840.113549.1.9.52', signingCertificate: '1.2.840.113549.1.9.16.2.12', signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
  rsa: '1.2.840.113549.1.1.1', pss: '1.2.840.113549.1.1.10', mgf1: '1.2.840.113549.1.1.8', ecPublicKey: '1.2.840.10045.2.1',
  ed25519: '1.3.101.112', mlDsa44: '2.16.840.1.101.3.4.3.17', mlDsa65: '2.16.840.1.101.3.4.3.18', mlDsa87: '2.16.840.1.101.3.4.3.19', sm2Curve: '1.2.156.10197.1.301', sm2Sign: '1.2.156.10197.1.301.1', sm2Sm3: '1.2.156.10197.1.501',
  basicConstraints: '2.5.29.19', keyUsage: '2.5.29.15', extendedKeyUsage: '2.5.29.37', subjectKeyIdentifier: '2.5.29.14', nameConstraints: '2.5.29.30',
  signerAttributes: '0.4.0.19122.1.1', name: '2.5.4.41', timeStamping: '1.3.6.1.5.5.7.3.8', ocspSigning: '1.3.6.1.5.5.7.3.9', anyExtendedKeyUsage: '2.5.29.37.0',
} as const;

/** The policy of tokens that the evidence's maker issued itself (evidencekit/timestamp/authority.py). */
export const SELF_ISSUED_POLICY = '2.25.34281955188649169761549124388192400127';

export const HASH_NAMES = new Map(Object.entries({
  '1.2.840.113549.2.5': 'md5', '1.3.14.3.2.26': 'sha1', '2.16.840.1.101.3.4.2.4': 'sha224', '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384', '2.16.840.1.101.3.4.2.3': 'sha512', '2.16.840.1.101.3.4.2.8': 'sha3-256',
  '2.16.840.1.101.3.4.2.9': 'sha3-384', '2.16.840.1.101.3.4.2.10': 'sha3-512', '1.2.156.10197.1.401': 'sm3',
}));

/** Hash functions that may carry evidence; MD5, SHA-1 and SHA-224 may not. */
export const STRONG = new Set(['sha256', 'sha384', 'sha512', 'sha3-256', 'sha3-384', 'sha3-512', 'sm3']);

/** RSASSA-PKCS1-v1_5 identifiers and the hash they name; null: the digest algorithm beside it decides. */
export const RSA_SIGNATURES = new Map<string, string | null>(Object.entries({
  [OID.rsa]: null, '1.2.840.113549.1.1.11': 'sha256', '1.2.840.113549.1.1.12': 'sha384', '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.113549.1.1.5': 'sha1', '1.2.840.113549.1.1.4': 'md5',
  '2.16.840.1.101.3.4.3.14': 'sha3-256', '2.16.840.1.101.3.4.3.15': 'sha3-384', '2.16.840.1.101.3.4.3.16': 'sha3-512',
}));

/** ECDSA identifiers and the hash they name; some signers write the bare key identifier. */
export const ECDSA_SIGNATURES = new Map<string, string | null>(Object.entries({
  [OID.ecPublicKey]: null, '1.2.840.10045.4.3.2': 'sha256', '1.2.840.10045.4.3.3': 'sha384', '1.2.840.10045.4.3.4': 'sha512',
  '1.2.840.10045.4.1': 'sha1',
  '2.16.840.1.101.3.4.3.10': 'sha3-256', '2.16.840.1.101.3.4.3.11': 'sha3-384', '2.16.840.1.101.3.4.3.12': 'sha3-512',
}));
