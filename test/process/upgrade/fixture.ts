/**
 * The data folder that version 0.1.0 wrote at commit 9941890, as make-fixture.ts kept it: each database compressed,
 * under the name that the runtime finds it by. And what that version answered about it at the time.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';

export const FIXTURE = join(import.meta.dirname, 'data-0.1.0');

/** A key string of the fixture and what the old version made of it. */
export type ExpectedVerification = {
  readonly about: string;
  readonly secret: string;
  readonly answer: { readonly valid: boolean; readonly code: string; readonly keyId?: string };
};

/** A question and the whole answer to it. */
export type ExpectedAnswer = { readonly path: string; readonly answer: unknown };

/** A request that was answered before under this `Idempotency-Key`. */
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
  /** Key strings of management keys by what they are. */
  readonly callers: Readonly<Record<string, string>>;
  /** Key ids by what the keys are. */
  readonly keys: Readonly<Record<string, string>>;
};

export function readExpected(): Expected {
  return JSON.parse(readFileSync(join(FIXTURE, 'expected.json'), 'utf8'));
}

/** Makes the data folder anew, byte for byte. */
export function restoreFixture(dataDir: string): void {
  const files = readdirSync(FIXTURE, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((path) => path.endsWith('.gz'))) {
    const target = join(dataDir, file.slice(0, -'.gz'.length));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, gunzipSync(readFileSync(join(FIXTURE, file))), { mode: 0o600 });
  }
  writeFileSync(join(dataDir, 'secrets.json'), readFileSync(join(FIXTURE, 'secrets.json')), { mode: 0o600 });
}
