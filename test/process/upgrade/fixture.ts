/**
 * The data folder that version 0.1.0 wrote at commit 9941890, as make-fixture.ts stored it: each database compressed,
 * under the name by which the runtime finds it. Also that version's responses about the data.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';

export const FIXTURE = join(import.meta.dirname, 'data-0.1.0');

/** A key string of the fixture and its verification by the old version. */
export type ExpectedVerification = {
  readonly about: string;
  readonly secret: string;
  readonly answer: {
    readonly valid: boolean;
    readonly code: string;
    readonly keyId?: string;
    readonly owner?: string | null;
  };
};

/** A read and its complete response. */
export type ExpectedAnswer = { readonly path: string; readonly answer: unknown };

/** A request that got a response before under this `Idempotency-Key`. */
export type ExpectedReplay = {
  readonly method: 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly idempotencyKey: string;
  readonly body: unknown;
  readonly status: number;
  readonly answer: unknown;
};

export type Expected = {
  readonly verifications: readonly ExpectedVerification[];
  readonly answers: readonly ExpectedAnswer[];
  readonly replays: readonly ExpectedReplay[];
  /** Key strings of management keys, by a description of the key. */
  readonly callers: Readonly<Record<string, string>>;
  /** Key ids, by a description of the key. */
  readonly keys: Readonly<Record<string, string>>;
};

export function readExpected(): Expected {
  return JSON.parse(readFileSync(join(FIXTURE, 'expected.json'), 'utf8'));
}

/** Restores the data folder, byte for byte. */
export function restoreFixture(dataDir: string): void {
  const files = readdirSync(FIXTURE, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((path) => path.endsWith('.gz'))) {
    const target = join(dataDir, file.slice(0, -'.gz'.length));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, gunzipSync(readFileSync(join(FIXTURE, file))), { mode: 0o600 });
  }
  writeFileSync(join(dataDir, 'secrets.json'), readFileSync(join(FIXTURE, 'secrets.json')), { mode: 0o600 });
}
