/** Values as people write them: durations, times, `name=value` pairs. Readers return null for what they do not know. */

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `90`, `90s`, `1h30m`, `7d` or `2w`, in seconds. */
export function durationSeconds(text: string): number | null {
  if (/^\d{1,12}$/.test(text)) return Number(text);
  if (!/^(?:\d{1,9}[smhdw])+$/.test(text)) return null;
  const parts = [...text.matchAll(/(\d+)([smhdw])/g)];
  return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNIT_SECONDS[unit] ?? 0), 0);
}

const DATE = /^\d{4}-\d\d-\d\d$/;
const DATE_TIME = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s?(Z|z|UTC|[+-]\d\d(?::?\d\d)?)?$/;

/** A date (its start in UTC) or a time by RFC 3339, also with a space and without seconds or zone (UTC). */
export function timeOf(text: string): string | null {
  if (DATE.test(text)) return existing(`${text}T00:00:00.000Z`);
  const [, date = '', time = '', zone = 'Z'] = DATE_TIME.exec(text) ?? [];
  if (date === '') return null;
  const offset = /^[+-]/.test(zone) ? `${zone.slice(0, 3)}:${zone.slice(3).replace(':', '') || '00'}` : 'Z';
  const seconds = time.length === 5 ? `${time}:00` : time;
  // Digits beyond milliseconds would not survive anyway.
  return existing(`${date}T${seconds.replace(/(\.\d{3})\d+$/, '$1')}${offset}`);
}

/** The moment in UTC; null for a day that its month does not have. */
function existing(text: string): string | null {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return null;
  const day = Number(text.slice(8, 10));
  const daysOfMonth = new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate();
  return day >= 1 && day <= daysOfMonth ? new Date(ms).toISOString() : null;
}

export function integerOf(text: string): number | null {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : null;
}

export function booleanOf(text: string): boolean | null {
  if (/^(?:true|yes|1)$/i.test(text)) return true;
  return /^(?:false|no|0)$/i.test(text) ? false : null;
}

/** A JSON object. */
export function objectOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** `name=value`, split at the first `=`. */
export function pairOf(text: string): readonly [string, string] | null {
  const at = text.indexOf('=');
  return at > 0 ? [text.slice(0, at), text.slice(at + 1)] : null;
}

/** Sets the member at a path, with the objects on the way. Names like `__proto__` become members of their own. */
export function setAt(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  let set = value;
  if (rest.length > 0) {
    const inner = Object.hasOwn(target, name) ? target[name] : undefined;
    set = typeof inner === 'object' && inner !== null ? inner : {};
    setAt(set as Record<string, unknown>, rest, value);
  }
  Object.defineProperty(target, name, { value: set, enumerable: true, writable: true, configurable: true });
}
