// Hash-chained logs (docs/spec/worklog.md): every line names the hash of the line before it.

import { FormatError, same, splitLines, Text } from './bytes';
import { parseCanonical } from './canonical';
import { sha256 } from './digest';
import { checkVersion, Fields } from './fields';
import { beijingTime } from './time';

export const MAX_LOG_BYTES = 64 << 20;
const MAX_LINE_BYTES = 1 << 20;
const OUTCOMES = ['ok', 'error', 'retry', 'warning', 'info'];

export interface ChainCheck {
  readonly ok: boolean;
  readonly lines: number;
  readonly head: Uint8Array;
  readonly brokenAt: number;
  readonly reason: Text;
}

interface Line {
  readonly n: number;
  readonly time: number;
  readonly monotonic: number;
  readonly step: string;
  readonly previous: Uint8Array;
}

interface Terms {
  readonly format: 'worklog' | 'custody';
  readonly captureId: string;
  readonly previous: Uint8Array;
  readonly firstN: number;
}

const NOTHING: Text = { en: '', zh: '' };

/** Checks a complete log; bad lines are a result. Throws when the first line is not the header of such a log. */
export function checkChain(data: Uint8Array, { format, captureId, previous, firstN }: Terms): ChainCheck {
  if (data.length > MAX_LOG_BYTES) throw new FormatError(`${format}.jsonl: ${data.length} bytes, more than the ${MAX_LOG_BYTES} allowed`, `${format}.jsonl：超过上限`);
  const whole = data[data.length - 1] === 10;
  const raw = [...splitLines(data)];
  const header = new Fields(parseCanonical(raw[0] ?? new Uint8Array(), MAX_LINE_BYTES, `${format}.jsonl header`), `${format}.jsonl header`);
  checkVersion(header, format);
  const [named, before] = [header.text('capture_id', 64), header.octets('previous', 32)];
  header.time('started');
  let good = { lines: 1, head: sha256(raw[0]) };
  const broken = (brokenAt: number, en: string, zh: string): ChainCheck => ({ ok: false, ...good, brokenAt, reason: { en, zh } });
  if (named !== captureId) return broken(0, 'the header names another capture', '首行所记的取证编号不是本次取证');
  if (!same(before, previous)) return broken(0, 'the header does not continue the log before it', '首行未衔接前一日志');
  let last: Line | null = null;
  for (let index = 1; index < raw.length; index += 1) {
    if (index === raw.length - 1 && !whole) break;
    let line: Line;
    try {
      line = readLine(raw[index], `${format}.jsonl line ${index}`);
    } catch (error) {
      if (error instanceof FormatError) return broken(index, error.en, error.zh);
      throw error;
    }
    const fault = breakIn(line, last, good.head, firstN + index - 1);
    if (fault) return broken(index, fault.en, fault.zh);
    good = { lines: index + 1, head: sha256(raw[index]) };
    last = line;
  }
  if (!whole) return broken(raw.length - 1, 'the last line is torn: its end is missing', '最后一行不完整：缺少结尾');
  return { ok: true, ...good, brokenAt: -1, reason: NOTHING };
}

function readLine(data: Uint8Array, what: string): Line {
  const fields = new Fields(parseCanonical(data, MAX_LINE_BYTES, what), what);
  const time = fields.time('time');
  if (fields.text('beijing', 64) !== beijingTime(time)) fields.refuse('beijing', 'is not the same instant as time', '与 time 不是同一时刻');
  fields.text('object');
  fields.choice('outcome', OUTCOMES);
  fields.object('detail');
  return { n: fields.integer('n', 1), time, monotonic: fields.integer('monotonic_ms'), step: fields.text('step'), previous: fields.octets('previous', 32) };
}

function breakIn(line: Line, before: Line | null, head: Uint8Array, n: number): Text | null {
  if (!same(line.previous, head)) return { en: 'its `previous` is not the hash of the line before', zh: '其 previous 不是上一行的摘要' };
  if (line.n !== n) return { en: `its number is ${line.n} where ${n} is due`, zh: `行号为 ${line.n}，应为 ${n}` };
  if (!before) return null;
  if (line.monotonic < before.monotonic) return { en: 'its monotonic_ms goes back', zh: 'monotonic_ms 倒退' };
  if (line.time < before.time && line.step !== 'clock.step') return { en: 'its time goes back and the line does not say so', zh: '时间倒退且该行未予说明' };
  return null;
}
