// ASiC manifests in the one form that evidencekit writes (ETSI EN 319 162-1 annex A.4), so that reading needs no XML.

import { FormatError, fromBase64, toAscii, visible } from './bytes';
import { lawfulName } from './paths';

export const SIGNATURE_TYPE = 'application/pkcs7-signature';
export const TIMESTAMP_TYPE = 'application/vnd.etsi.timestamp-token';
/** RFC 4998 registers no media type for evidence records. */
export const RECORD_TYPE = 'application/octet-stream';
const KINDS = [SIGNATURE_TYPE, TIMESTAMP_TYPE, RECORD_TYPE];

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">\n';
const TAIL = '</asic:ASiCManifest>\n';
const ATTRIBUTES = 'URI="([^"<&\\n]{1,240})" MimeType="([a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64})"';
const SIGNATURE = new RegExp(`^<asic:SigReference ${ATTRIBUTES}/>$`);
const MEMBER = new RegExp(
  `^<asic:DataObjectReference ${ATTRIBUTES}><ds:DigestMethod Algorithm="http://www\\.w3\\.org/2001/04/xmlenc#sha256"/>` +
    '<ds:DigestValue>([A-Za-z0-9+/]{43}=)</ds:DigestValue></asic:DataObjectReference>$',
);

export interface AsicManifest {
  readonly path: string;
  readonly reference: string;
  readonly type: string;
  readonly members: ReadonlyMap<string, Uint8Array>;
}

/** Anything but the fixed form is refused: no declaration, entity, comment or white space can say something else. */
export function parseAsic(data: Uint8Array, path: string): AsicManifest {
  const refuse = (en: string, zh: string): never => {
    throw new FormatError(`${path}: ${en}`, `${path}：${zh}`);
  };
  const text = toAscii(data, path);
  if (!text.startsWith(HEAD) || !text.endsWith(TAIL)) refuse('not in the fixed form', '不是规定的形式');
  const [first, ...lines] = text.slice(HEAD.length, -TAIL.length).split('\n');
  const signature = SIGNATURE.exec(first) ?? refuse('no SigReference in its place', 'SigReference 不在规定位置');
  const [, reference, type] = signature;
  if (!lawfulName(reference) || !KINDS.includes(type)) refuse('names no signature, time-stamp or evidence record', '引用的不是签名、时间戳或证据记录');
  if (lines.pop() !== '' || !lines.length) refuse('not in the fixed form', '不是规定的形式');
  const members = new Map<string, Uint8Array>();
  for (const line of lines) {
    const found = MEMBER.exec(line) ?? refuse(`line '${visible(line, 80)}' is not a member`, '含有非成员行');
    if (!lawfulName(found[1]) || members.has(found[1])) refuse('a name is unlawful or there twice', '名称不合法或重复');
    members.set(found[1], fromBase64(found[3]));
  }
  return { path, reference, type, members };
}
