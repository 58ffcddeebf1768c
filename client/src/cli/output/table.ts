/** Lists as aligned tables, and one thing as names and values. */
import { cut, jsonText, padded, printable, widthOf } from './text.ts';

/** On a terminal, no cell is wider; what is cut can be seen with --json. */
const MAX_CELL_COLUMNS = 44;
const GAP = '  ';

/** A value as one printable line. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'string') return value === '' ? '""' : printable(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value) && value.length === 0) return '-';
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return value.map(shown).join(', ');
  return jsonText(value);
}

/** The member at a path with dots. */
export function memberAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, name) => {
    const of = Object(inner) as Record<string, unknown>;
    return Object.hasOwn(of, name) ? of[name] : undefined;
  }, value);
}

/** `lastUsedAt` as `LAST USED AT`, `actor.id` as `ACTOR`. */
export const heading = (path: string): string =>
  path
    .replace(/\.id$/, '')
    .replace(/^.*\./, '')
    .replace(/[A-Z]/g, (letter) => ` ${letter}`)
    .toUpperCase();

/** Rows in columns that keep their widths from page to page. */
export class Table {
  readonly #columns: readonly string[];
  readonly #onTerminal: boolean;
  readonly #bold: (text: string) => string;
  #widths: number[] | null = null;

  constructor(columns: readonly string[], onTerminal: boolean, bold: (text: string) => string) {
    this.#columns = columns;
    this.#onTerminal = onTerminal;
    this.#bold = bold;
  }

  /** The lines of these items, the first time with headings. */
  lines(items: readonly unknown[]): string {
    const rows = items.map((item) => this.#columns.map((path) => this.#cell(memberAt(item, path))));
    const isFirst = this.#widths === null;
    const headings = this.#columns.map(heading);
    this.#widths ??= headings.map((text, at) =>
      Math.max(...[text, ...rows.map((row) => row[at] ?? '')].map((cell) => widthOf(cell))),
    );
    const line = (cells: readonly string[]) =>
      cells
        .map((cell, at) => padded(cell, this.#widths?.[at] ?? 0))
        .join(GAP)
        .trimEnd();
    return [...(isFirst ? [this.#bold(line(headings))] : []), ...rows.map(line)].map((text) => `${text}\n`).join('');
  }

  #cell(value: unknown): string {
    const isTime = typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/.test(value);
    const text = isTime ? `${value.slice(0, 19)}Z` : shown(value);
    return this.#onTerminal ? cut(text, MAX_CELL_COLUMNS) : text;
  }
}

/** One thing: a line for each value, those of inner objects with their paths. */
export function details(value: unknown, bold: (text: string) => string): string {
  const lines: [string, string][] = [];
  const walk = (inner: unknown, path: string) => {
    const entries = typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? Object.entries(inner) : [];
    // Metadata and the like is one value of whoever wrote it.
    if (entries.length === 0 || /(?:^|\.)(?:metadata|ownerMetadata|changes)$/.test(path)) {
      lines.push([printable(path), shown(inner)]);
    } else {
      for (const [name, member] of entries) walk(member, path === '' ? name : `${path}.${name}`);
    }
  };
  walk(value, '');
  const width = Math.max(...lines.map(([name]) => widthOf(name)));
  return lines.map(([name, text]) => `${bold(padded(name, width))}${GAP}${text}\n`).join('');
}
