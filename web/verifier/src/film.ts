// A process's film: its parts' digests, and the time-stamps over them (evidencekit/verify/film.py).

import { toHex } from './bytes';
import { parseCanonical } from './canonical';
import type { Case } from './case';
import { newSha256 } from './digest';
import { checkVersion, Fields } from './fields';
import { Finding, InputMissing, Tally } from './findings';
import { pageId } from './manifest';
import { maxOf, minOf, noteOrder, noteStamps, Stamp, TimeChecks, times } from './times';
import type { Zip } from './zip';

const MAX_PROCESS = 16 << 20;
const MAX_DOCUMENT = 1 << 20;
const MAX_FILM = 2 ** 50;
const MAX_PIXELS = 1 << 16;
const FOLDER = 'capture/film/';
const MARKERS = ['listing', 'price', 'sales', 'seller', 'order', 'payment', 'logistics', 'statement'];
const DEEDS = ['login', 'challenge'];

interface Segment {
  readonly n: number;
  readonly time: number;
  readonly size: number;
  readonly sha256: string;
  readonly document: string;
  readonly tokens: readonly string[];
}

interface Video {
  readonly path: string;
  readonly segments: readonly Segment[];
}

export function hasFilm(kase: Case): boolean {
  try {
    return kase.manifest.artifacts.some(({ role, path }) => role === 'video' || path.startsWith(FOLDER));
  } catch {
    return false; // the check of the manifest says why
  }
}

export async function checkFilm(kase: Case, checks: TimeChecks): Promise<Finding> {
  const video = readVideo(kase);
  if (!video) {
    const tally = new Tally('time.film', FOLDER);
    tally.fail('the process names no film, but there is one', '过程记录未载明录像，但包内有录像');
    return tally.close('', '');
  }
  const tally = new Tally('time.film', video.path);
  await checkDigests(kase, video, tally);
  video.segments.forEach((segment, at) => {
    checkDocument(kase, video.path, segment, tally);
    if (segment.n !== at + 1) tally.fail(`part ${segment.n} stands at place ${at + 1}`, `第 ${segment.n} 段位于第 ${at + 1} 位`);
    checkTokens(kase, segment, checks, tally);
  });
  const last = video.segments[video.segments.length - 1];
  if (!last) tally.doubt('no part of the film has a digest of its own', '录像没有任何分段摘要');
  else if (last.size < (kase.sizes.get(video.path) ?? 0)) tally.doubt("the film's end is in no part", '录像结尾不属于任何分段');
  return tally.close(
    `${video.segments.length} parts of the film are as their documents say, each proved by a TSA you trust`, `录像的 ${video.segments.length} 个分段与其记载一致，并均由您信任的时间戳机构证明`,
  );
}

function readVideo(kase: Case): Video | null {
  const file = kase.manifest.artifacts.find(({ role }) => role === 'process');
  if (!file) throw new InputMissing('NOT_PERFORMED', { en: 'there is a film, but no process that names its parts', zh: '包内有录像，但没有载明其分段的过程记录' });
  const top = new Fields(parseCanonical(kase.data(file.path), MAX_PROCESS, 'process.json'), 'process.json');
  checkVersion(top, 'process');
  readTheRest(top);
  return top.optional('video', (name) => {
    const video = top.object(name);
    video.flag('sound');
    for (const side of ['width_px', 'height_px']) video.integer(side, 0, MAX_PIXELS);
    return {
      path: video.text('path'),
      segments: video.items('segments').map((one): Segment => ({
        n: one.integer('n', 1), time: one.time('time'), size: one.integer('size', 0, MAX_FILM), sha256: one.hex('sha256', 32), document: one.text('document'), tokens: one.texts('tokens'),
      })),
    };
  });
}

/** What this check does not use is read as well: a process that the library refuses is refused here. */
function readTheRest(top: Fields): void {
  for (const [name, limit] of [['capture_id', 32], ['kind', 16], ['ended_by', 64]] as const) top.text(name, limit);
  top.text('account_owner');
  top.optional('rights', (name) => top.text(name, 64));
  for (const name of ['started', 'ended']) top.time(name);
  for (const shot of top.items('shots')) {
    for (const name of ['n', 'tab']) shot.integer(name, 1);
    pageId(shot, 'page');
    shot.time('time');
    shot.optional('marker', (name) => shot.choice(name, MARKERS));
  }
  for (const deed of top.items('deeds')) [deed.time('time'), deed.choice('deed', DEEDS)];
  top.texts('steps');
  top.integer('notes');
}

/** Compares each part's digest with the film's first `size` bytes. */
async function checkDigests(kase: Case, video: Video, tally: Tally): Promise<void> {
  const sizes = video.segments.map(({ size }) => size);
  if (sizes.some((size, at) => at && sizes[at - 1] > size)) {
    tally.fail('the parts of the film do not grow', '录像分段的长度并非递增');
    return;
  }
  kase.digestOf(video.path); // withheld, missing or unreadable: that is said instead
  const found = await beginnings(kase.zip, video.path, sizes);
  for (const { n, size, sha256 } of video.segments) {
    if (size > kase.sizes.get(video.path)!) tally.fail(`part ${n} is longer than the film`, `第 ${n} 段比录像还长`);
    else if (found.get(size) !== sha256) tally.fail(`the film's first ${size} bytes are not those of part ${n}`, `录像的前 ${size} 字节与第 ${n} 段的摘要不符`);
  }
}

const known = new WeakMap<Zip, Promise<Map<number, string>>>();

/** The SHA-256 of a member's first so many bytes, for each of the ascending sizes; read once, however often it is judged. */
function beginnings(zip: Zip, name: string, sizes: readonly number[]): Promise<Map<number, string>> {
  const found = known.get(zip) ?? digestBeginnings(zip.stream(zip.members.get(name)!), sizes);
  known.set(zip, found);
  return found;
}

async function digestBeginnings(pieces: AsyncIterable<Uint8Array>, sizes: readonly number[]): Promise<Map<number, string>> {
  const [hasher, found, wanted] = [newSha256(), new Map<number, string>(), [...new Set(sizes)]];
  const close = () => found.set(wanted.shift()!, toHex(hasher.clone().digest()));
  let done = 0;
  for await (const piece of pieces) {
    let at = 0;
    while (wanted.length && wanted[0] <= done + piece.length) {
      const end = wanted[0] - done;
      hasher.update(piece.subarray(at, end));
      at = end;
      close();
    }
    hasher.update(piece.subarray(at));
    done += piece.length;
  }
  if (wanted[0] === 0) close();
  return found;
}

/** Notes where the stamped document is not about this part of this film. */
function checkDocument(kase: Case, film: string, segment: Segment, tally: Tally): void {
  const path = segment.document;
  const document = new Fields(parseCanonical(kase.data(path, MAX_DOCUMENT), MAX_DOCUMENT, path), path);
  checkVersion(document, 'film-segment');
  if (document.text('capture_id') !== kase.manifest.captureId || document.text('path') !== film) tally.fail(`${path} is of another capture or film`, `${path} 属于另一次取证或另一录像`);
  const said = [document.integer('n', 1), document.integer('size'), document.hex('sha256', 32), document.time('time')];
  if (String(said) !== String([segment.n, segment.size, segment.sha256, segment.time])) tally.fail(`${path} is not what the process says`, `${path} 与过程记录不符`);
}

function checkTokens(kase: Case, { n, document, tokens }: Segment, checks: TimeChecks, tally: Tally): void {
  const digest = kase.sha256(document);
  for (const path of tokens) if (!kase.has(path)) tally.fail(`the token ${path} is missing`, `缺少时间戳 ${path}`);
  const stamps = tokens.filter((path) => kase.has(path)).map((path) => checks.stampOf(path, digest));
  if (!tokens.length) tally.doubt(`part ${n} of the film carries no time-stamp`, `录像第 ${n} 段没有时间戳`);
  else if (stamps.length) noteStamps(tally, stamps, { en: `part ${n}`, zh: `第 ${n} 段` });
  checkOrder(stamps, checks, n, tally);
}

/** A part is made after the request was stamped, and its tokens are under the seal. */
function checkOrder(stamps: readonly Stamp[], checks: TimeChecks, n: number, tally: Tally): void {
  noteOrder(tally, 'T_open', maxOf(times(checks.opens(), 'earliest')), `T_film ${n}`, minOf(times(stamps, 'latest')));
  noteOrder(tally, `T_film ${n}`, maxOf(times(stamps, 'earliest')), 'T_seal', maxOf(times(checks.seals(), 'latest')));
}
