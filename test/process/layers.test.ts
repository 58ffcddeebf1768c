/** The direction of imports: the files follow the drawing in docs/architecture.md. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SOURCES } from '../../selfhost/build.ts';
import { againstTheDirection, circles, type Imports, importsIn, importsOf } from './layers.ts';
import { ROOT } from './server.ts';

const imports = importsIn(ROOT, [
  ...['domain', 'client/src', 'client/tools'],
  ...['durable-objects', 'src', 'selfhost', 'bench'],
]);

const withImport = (file: string, path: string): Imports =>
  new Map(imports).set(file, [...(imports.get(file) ?? []), path]);

describe('imports, those of types included,', () => {
  test('lead to the same floor or to one below', () => {
    expect(imports.size).toBeGreaterThan(100);
    expect(againstTheDirection(imports)).toEqual([]);
  });

  test('form no cycle', () => {
    expect(circles(imports)).toEqual([]);
  });

  test('are found in every form', () => {
    const text = `
      import { a } from './a.ts';
      import type { B } from '../b.ts';
      import {
        c,
      } from './c/c.ts';
      export { d } from './d.ts';
      import './e.ts';
      const f = await import('./f.ts');
      type G = import('./g.ts').G;
      import { z } from 'elsewhere';`;
    expect(importsOf('src/api/x.ts', text)).toEqual([
      'src/api/a.ts',
      'src/b.ts',
      'src/api/c/c.ts',
      'src/api/d.ts',
      'src/api/e.ts',
      'src/api/f.ts',
      'src/api/g.ts',
    ]);
  });
});

test('the rules in domain/ use no clock, no storage and no network', () => {
  const platform =
    /\b(?:Date\.now|new Date\(\)|performance|scheduler|setTimeout|SqlStorage|DurableObject\w*|console|fetch)\b/;
  const rules = [...imports.keys()].filter((file) => file.startsWith('domain/'));
  expect(rules.length).toBeGreaterThan(15);
  const code = (file: string) => readFileSync(join(ROOT, file), 'utf8').replaceAll(/\/\*.*?\*\/|\/\/.*/gs, '');
  expect(rules.filter((file) => platform.test(code(file)))).toEqual([]);
});

test('the bundle is rebuilt after a change in any file that the Worker imports', () => {
  const reached = new Set(['src/index.ts']);
  for (const file of reached) for (const next of imports.get(file) ?? []) reached.add(next);
  expect(reached.size).toBeGreaterThan(80);
  const isSource = (file: string) => SOURCES.some((source) => file === source || file.startsWith(`${source}/`));
  expect([...reached].filter((file) => !isSource(file))).toEqual([]);
});

describe('one import that is turned around', () => {
  test.each([
    ['domain/keys/record.ts', 'durable-objects/tenant/store.ts'],
    ['durable-objects/tenant/tenant.ts', 'src/crypto/envelope.ts'],
    ['durable-objects/bindings.ts', 'durable-objects/tenant/tenant.ts'],
    ['src/http/problem.ts', 'src/api/problems.ts'],
    ['src/auth/authenticator.ts', 'src/config/runtime.ts'],
    ['src/api/keys/operations.ts', 'src/router.ts'],
    ['client/src/keystead.ts', 'src/http/problem.ts'],
    ['domain/keys/record.ts', 'client/src/keystead.ts'],
  ])('is noticed: %s -> %s', (file, path) => {
    expect(againstTheDirection(withImport(file, path))).toEqual([`${file} -> ${path}`]);
  });

  test('within a floor is noticed as a cycle', () => {
    const found = circles(withImport('domain/keys/record.ts', 'domain/keys/status.ts'));
    expect(found).toContain('domain/keys/record.ts -> domain/keys/status.ts -> domain/keys/record.ts');
  });

  test('and a file on no floor is noticed', () => {
    expect(againstTheDirection(new Map([['somewhere/else.ts', []]]))).toEqual(['somewhere/else.ts is on no floor']);
  });
});
