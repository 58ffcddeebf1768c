/**
 * The floors of the program (docs/architecture.md), from the top. A file may import from its own floor and from those
 * below, type imports included, and imports must not form a cycle.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** A file belongs to the first floor that has a prefix of its path. */
export const FLOORS: readonly { readonly name: string; readonly prefixes: readonly string[] }[] = [
  { name: 'examples', prefixes: ['examples/'] },
  { name: 'programs around the Worker', prefixes: ['selfhost/', 'bench/'] },
  { name: 'entry points', prefixes: ['src/index.ts', 'src/service.ts', 'src/router.ts'] },
  { name: 'operations', prefixes: ['src/api/'] },
  { name: 'services of an isolate', prefixes: ['src/config/runtime.ts'] },
  { name: 'callers', prefixes: ['src/auth/'] },
  { name: 'verification', prefixes: ['src/verify/'] },
  { name: 'the way to the objects', prefixes: ['src/object-client.ts', 'src/tenant-memory.ts'] },
  { name: 'environment', prefixes: ['src/env.ts', 'src/config/', 'src/storage-reserve.ts', 'src/version.ts'] },
  { name: 'HTTP', prefixes: ['src/http/'] },
  { name: 'cryptography', prefixes: ['src/crypto/'] },
  { name: 'objects', prefixes: ['durable-objects/tenant/', 'durable-objects/directory/'] },
  { name: 'what objects share', prefixes: ['durable-objects/'] },
  // It is a program of its own that shares the rules with the server, and nothing else.
  { name: 'client', prefixes: ['client/'] },
  { name: 'rules', prefixes: ['domain/'] },
];

/** The files of this repository that each file imports, by path. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/** `import`, `export … from` and `import()`, with types or without. */
const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*'(\.{1,2}\/[^']+)'/g;

/** The imports of all source files in these folders. */
export function importsIn(root: string, folders: readonly string[]): Imports {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
      .map((name) => join(folder, name)),
  );
  return new Map(files.map((file) => [file, importsOf(file, readFileSync(join(root, file), 'utf8'))]));
}

/** The files that a source text imports, as paths from the root. */
export function importsOf(file: string, text: string): string[] {
  return [...text.matchAll(IMPORT)].map(([, path = '']) => normalize(join(dirname(file), path)));
}

const floorOf = (file: string) =>
  FLOORS.findIndex(({ prefixes }) => prefixes.some((prefix) => file.startsWith(prefix)));

/** Imports that lead to a higher floor, and files that are on none. */
export function againstTheDirection(imports: Imports): string[] {
  return [...imports].flatMap(([file, imported]) => {
    const floor = floorOf(file);
    if (floor < 0) return [`${file} is on no floor`];
    return imported.filter((path) => floorOf(path) >= 0 && floorOf(path) < floor).map((path) => `${file} -> ${path}`);
  });
}

/** The cycles that are found, at least one for each group of files that import each other. */
export function circles(imports: Imports): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) found.push([...path.slice(start), file].join(' -> '));
    if (start >= 0 || done.has(file)) return;
    for (const next of imports.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return found;
}
