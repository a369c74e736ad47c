// Times as microseconds since 1970, the resolution that documents and tokens have; exact below the year 2255.

import { FormatError, visible } from './bytes';

export const SECOND = 1_000_000;
export const MINUTE = 60 * SECOND;

/** A date that exists, as microseconds; undefined otherwise (leap seconds included). */
export function moment(year: number, month: number, day: number, hour: number, minute: number, second: number, micros: number): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const exists = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  return exists && year >= 1 ? date.getTime() * 1000 + micros : undefined;
}

/** RFC 3339 in UTC with microseconds: 2026-11-23T03:04:05.678901Z. */
export function parseTime(text: string, what: string): number {
  const found = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{6})Z$/.exec(text);
  const [year, month, day, hour, minute, second, micros] = (found ?? []).slice(1).map(Number);
  const time = found ? moment(year, month, day, hour, minute, second, micros) : undefined;
  if (time === undefined) throw new FormatError(`${what}: '${visible(text, 40)}' is not a time like 2026-11-23T03:04:05.678901Z`, `${what}：'${visible(text, 40)}' 不是规定形式的时间`);
  return time;
}

/** With seconds, as a reader of a report expects. */
export function shownTime(micros: number): string {
  return `${new Date(Math.floor(micros / 1000)).toISOString().slice(0, 19)}Z`;
}

/** China Standard Time with microseconds: the second time that every log line states. */
export function beijingTime(micros: number): string {
  const fraction = String(((micros % SECOND) + SECOND) % SECOND).padStart(6, '0');
  const local = new Date(Math.floor(micros / SECOND) * 1000 + 8 * 3_600_000).toISOString().slice(0, 19);
  return `${local}.${fraction}+08:00`;
}
