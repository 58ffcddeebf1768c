/** Bodies that are as expensive as their size allows: for the parser, for validation, and for the code after it. */

/** Builds `head`, as many copies of the item as fit, and `tail`. */
function filled(head: string, item: (i: number) => string, tail: string, bytes: number): string {
  const parts: string[] = [];
  let left = bytes - head.length - tail.length;
  for (let i = 0; ; i++) {
    const part = item(i);
    left -= part.length + 1;
    if (left < 0) return `${head}${parts.join()}${tail}`;
    parts.push(part);
  }
}

const UNKNOWN_FIELDS = Array.from({ length: 20 }, (_, i) => `"u${i}":1`).join();
const name = (i: number) => i.toString(36);

/** Items that fill a field that takes an array. */
const ITEMS: Readonly<Record<string, (i: number) => string>> = {
  zeros: () => '0',
  'empty objects': () => '{}',
  'empty arrays': () => '[]',
  'objects of unknown fields': () => '{"a":1,"b":2,"c":3}',
  'objects of new shapes': (i) => `{"${name(i)}":0}`,
  'deep arrays': () => `${'['.repeat(30)}${']'.repeat(30)}`,
  'equal scopes': () => `"${'a:b'.padEnd(100, 'x')}"`,
  'other scopes': (i) => `"a${name(i)}"`,
  ids: (i) => `"key_${name(i).padStart(17, '0')}"`,
  'keys with bad scopes': () => `{"name":"","scopes":[${Array(100).fill('""').join()}]}`,
};

const METADATA: Readonly<Record<string, (bytes: number) => string>> = {
  'many members': (bytes) => filled('{', (i) => `"${name(i)}":0`, '}', bytes),
  'numbered members': (bytes) => filled('{', (i) => `"${(i * 7919) % 4_294_967_290}":0`, '}', bytes),
  'a long text': (bytes) => `{"a":"${'x'.repeat(Math.max(0, bytes - 10))}"}`,
  'many zeros': (bytes) => filled('{"a":[', () => '0', ']}', bytes),
};

/** 500 keys or one key, as large as they may be and as fit. */
function valid(keys: number, bytes: number): string {
  const each = Math.floor(bytes / keys);
  const scopes = Math.min(100, Math.max(0, Math.floor((each - 1400) / 103)));
  const scope = (i: number) => `s${i}:`.padEnd(Math.min(100, Math.floor((each - 1400) / 100) - 3), 'x');
  const key = {
    ...{ name: 'n'.repeat(100), owner: 'o'.repeat(128), expiresAt: '2100-01-01T00:00:00Z' },
    scopes: Array.from({ length: scopes }, (_, i) => scope(i)),
    metadata: { a: 'm'.repeat(Math.max(0, Math.min(900, each - 400))) },
  };
  return JSON.stringify(keys === 1 ? key : { keys: Array(keys).fill(key) });
}

type Maker = (bytes: number) => string;

const MAKERS: ReadonlyMap<string, Maker> = new Map<string, Maker>([
  ...['scopes', 'keys', 'ids', 'permissions'].flatMap((field) =>
    Object.entries(ITEMS).map(([items, item]): [string, Maker] => [
      `${items} in ${field}`,
      (bytes) => filled(`{"key":"x","name":"x","${field}":[`, item, `],${UNKNOWN_FIELDS}}`, bytes),
    ]),
  ),
  ...Object.entries(METADATA).flatMap(([what, make]): [string, Maker][] => [
    [`${what} in metadata`, (bytes) => `{"name":"x","metadata":${make(bytes - 30)}}`],
    [`${what} in one of keys`, (bytes) => `{"keys":[{"name":"x","metadata":${make(bytes - 50)}}]}`],
  ]),
  ['unknown fields', (bytes) => filled('{', (i) => `"${name(i)}":0`, '}', bytes)],
  ['one field again and again', (bytes) => filled('{', () => '"name":0', '}', bytes)],
  ['a deep array', (bytes) => '['.repeat(bytes)],
  ['a deep object', (bytes) => '{"a":'.repeat(bytes / 5)],
  ['blanks', (bytes) => ' '.repeat(bytes)],
  ['line ends', (bytes) => '\n'.repeat(bytes)],
  ['a long text', (bytes) => `"${'x'.repeat(bytes - 2)}"`],
  ['escaped quotes', (bytes) => `"${'\\"'.repeat(bytes / 2 - 1)}"`],
  ['escaped letters', (bytes) => `{"key":"${'\\u0041'.repeat(bytes / 6 - 4)}"}`],
  ['a long number', (bytes) => '1'.repeat(bytes)],
  ['an error at the end', (bytes) => `"${'x'.repeat(bytes - 3)}"x`],
  ['one large valid key', (bytes) => valid(1, Math.min(bytes, 14_000))],
  ['500 large valid keys', (bytes) => (bytes < 500_000 ? '{}' : valid(500, bytes))],
  ['500 small valid keys', () => `{"keys":[${Array(500).fill('{"name":"x"}').join()}]}`],
]);

export const HEAVY_BODIES: readonly string[] = [...MAKERS.keys()];

export function heavyBody(heavy: string, bytes: number): string {
  const make = MAKERS.get(heavy);
  if (make === undefined) throw new Error(`there is no heavy body ${heavy}`);
  return make(bytes);
}
