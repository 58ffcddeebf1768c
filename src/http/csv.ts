/**
 * Tables as CSV (RFC 4180), for spreadsheets. A spreadsheet takes a text that begins with `=`, `+`, `-` or `@` for a
 * formula, and a customer's text could make it do something. Such a text gets an apostrophe in front, which
 * spreadsheets do not show (OWASP, "CSV Injection").
 */

type Field = string | number | null;

const FORMULA = /^[=+\-@\t\r＝＋－＠]/;
const SPECIAL = /[",\r\n]/;

function fieldText(field: Field): string {
  if (field === null) return '';
  if (typeof field === 'number') return String(field);
  const text = FORMULA.test(field) ? `'${field}` : field;
  return SPECIAL.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export class Csv {
  readonly #text: string;

  constructor(header: readonly string[], rows: readonly (readonly Field[])[]) {
    this.#text = [header, ...rows].map((row) => `${row.map(fieldText).join()}\r\n`).join('');
  }

  /** The part of a reply that this is. */
  toReply(): { readonly contentType: 'text/csv; charset=utf-8'; readonly body: string } {
    return { contentType: 'text/csv; charset=utf-8', body: this.#text };
  }
}

/** Longest header that is read. */
const ACCEPT_LENGTH_MAX = 1000;

/** Whether an `Accept` header (RFC 9110) names `text/csv`, and JSON not with a higher or the same weight. */
export function prefersCsv(accept: string | null): boolean {
  if (accept === null || accept.length > ACCEPT_LENGTH_MAX) return false;
  const weights = new Map<string, number>();
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    weights.set(type, q === undefined ? 1 : Number(q) || 0);
  }
  return (weights.get('text/csv') ?? 0) > (weights.get('application/json') ?? 0);
}
