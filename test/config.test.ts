import { describe, expect, it } from 'vitest';
import { type ConfigVariables, parseConfig } from '../src/config/config.ts';

const A = 'q83vEjRWeJCrze8SNFZ4kP7cuph2VDIQD/Hjxbe1k9E=';
const B = 'Y2hpbWVyYS1vZi10ZXN0cy4uLrtPnIbA8xJ31GqZ5lU=';
const C = 'n0R8f2wTZ6mJtq1bXyK5cVhG9sLdE3uPaO7iQxWzBkM=';
const TOKEN = 'Zk3vR8qLw2NxT6bYc9HsJd4FgMp7Ua5E';
const GOOD = { ADMIN_TOKEN: TOKEN, ENCRYPTION_KEY: A, HMAC_SECRET: B };

/** The problems that a caller of the misconfigured deployment reads. */
function problemsOf(variables: ConfigVariables): string[] {
  const config = parseConfig(variables);
  return Array.isArray(config) ? config.map(({ variable, reason }) => `${variable} ${reason}`) : [];
}

const REFUSED: readonly [string, ConfigVariables, readonly string[]][] = [
  ['nothing set', {}, ['ENCRYPTION_KEY is not set', 'HMAC_SECRET is not set']],
  [
    'everything empty',
    { ADMIN_TOKEN: '', ENCRYPTION_KEY: '', HMAC_SECRET: '' },
    ['ENCRYPTION_KEY is not set', 'HMAC_SECRET is not set'],
  ],
  ['no such level', { ...GOOD, LOG_LEVEL: 'loud' }, ['LOG_LEVEL is not one of debug, info, warn, error, silent']],
  ['neither on nor off', { ...GOOD, DOCS: 'no' }, ['DOCS is not one of on, off']],
  ['no ENCRYPTION_KEY', { ...GOOD, ENCRYPTION_KEY: undefined }, ['ENCRYPTION_KEY is not set']],
  ['no HMAC_SECRET', { ...GOOD, HMAC_SECRET: undefined }, ['HMAC_SECRET is not set']],
  ['a token of 31 characters', { ...GOOD, ADMIN_TOKEN: TOKEN.slice(1) }, ['ADMIN_TOKEN is shorter than 32 characters']],
  [
    'a token of 257 characters',
    { ...GOOD, ADMIN_TOKEN: TOKEN.repeat(9).slice(0, 257) },
    ['ADMIN_TOKEN is longer than 256 characters'],
  ],
  [
    'a token with a space',
    { ...GOOD, ADMIN_TOKEN: `${TOKEN} ${TOKEN}` },
    ['ADMIN_TOKEN has characters other than visible ASCII'],
  ],
  [
    'a token with a newline at its end, as a file has',
    { ...GOOD, ADMIN_TOKEN: `${TOKEN}\n` },
    ['ADMIN_TOKEN has characters other than visible ASCII'],
  ],
  [
    'a token beyond ASCII',
    { ...GOOD, ADMIN_TOKEN: `${TOKEN}é` },
    ['ADMIN_TOKEN has characters other than visible ASCII'],
  ],
  [
    'a token of one character',
    { ...GOOD, ADMIN_TOKEN: 'x'.repeat(40) },
    ['ADMIN_TOKEN is not random (repeated characters)'],
  ],
  [
    'a token of nine different characters',
    { ...GOOD, ADMIN_TOKEN: 'abcdefghi'.repeat(4) },
    ['ADMIN_TOKEN is not random (repeated characters)'],
  ],
  ...['change-me', 'CHANGEME', 'your-admin-token', 'replace_me', 'Placeholder', 'example'].map(
    (word): [string, ConfigVariables, string[]] => [
      `a token that says ${word}`,
      { ...GOOD, ADMIN_TOKEN: `${TOKEN}-${word}` },
      ['ADMIN_TOKEN is a placeholder'],
    ],
  ),
  [
    'short secrets',
    { ...GOOD, ENCRYPTION_KEY: A.slice(0, 40), HMAC_SECRET: B.slice(0, 40) },
    ['ENCRYPTION_KEY is shorter than 32 bytes', 'HMAC_SECRET is shorter than 32 bytes'],
  ],
  [
    'repeated bytes',
    { ...GOOD, ENCRYPTION_KEY: btoa('\0'.repeat(32)), HMAC_SECRET: btoa('ab'.repeat(32)) },
    ['ENCRYPTION_KEY is not random (repeated bytes)', 'HMAC_SECRET is not random (repeated bytes)'],
  ],
  [
    'a placeholder in base64',
    { ...GOOD, HMAC_SECRET: btoa('please change me, I am 32 bytes long') },
    ['HMAC_SECRET is not random (a text or placeholder)'],
  ],
  ['a value that is not base64', { ...GOOD, HMAC_SECRET: `${B}!` }, ['HMAC_SECRET is not id:base64']],
  [
    'one secret for both purposes',
    { ...GOOD, HMAC_SECRET: A },
    ['HMAC_SECRET has a secret that ENCRYPTION_KEY has too'],
  ],
  [
    'a secret that both keyrings have under different ids',
    { ...GOOD, ENCRYPTION_KEY: `2:${C},1:${A}`, HMAC_SECRET: `3:${B},2:${A}` },
    ['HMAC_SECRET has a secret that ENCRYPTION_KEY has too'],
  ],
  [
    'something wrong with everything',
    { ADMIN_TOKEN: 'short', ENCRYPTION_KEY: `1:${A},1:${C}`, HMAC_SECRET: `1:${B},2:${B}` },
    [
      'ADMIN_TOKEN is shorter than 32 characters',
      'ENCRYPTION_KEY entry 2 repeats the id of another entry',
      'HMAC_SECRET entry 2 repeats the secret of another entry',
    ],
  ],
];

describe('a configuration', () => {
  it('is read when every value is valid', () => {
    const config = parseConfig({ ...GOOD, ENCRYPTION_KEY: `2:${C},1:${A}` });
    if (Array.isArray(config)) throw new Error(problemsOf(GOOD).join());
    expect(config.adminToken).toBe(TOKEN);
    expect([config.encryption.current.id, config.hmac.current.id]).toEqual([2, 1]);
    expect([...config.encryption.entries.keys()]).toEqual([2, 1]);
  });

  it('accepts an admin token of 32 and one of 256 characters', () => {
    expect(problemsOf(GOOD)).toEqual([]);
    expect(problemsOf({ ...GOOD, ADMIN_TOKEN: TOKEN.repeat(8) })).toEqual([]);
  });

  it.each(REFUSED)('is refused with every problem at once: %s', (_name, variables, problems) => {
    expect(problemsOf(variables)).toEqual(problems);
  });

  it.each(REFUSED)('is refused without any part of a value in the reasons: %s', (_name, variables) => {
    const reasons = problemsOf(variables)
      .join(' ')
      .replaceAll(/[A-Z]+_[A-Z]+/g, '');
    for (const value of Object.values(variables)) {
      for (let at = 0; at + 6 <= (value?.length ?? 0); at++) {
        const piece = value?.slice(at, at + 6) ?? '';
        // A token may contain the word that names its fault.
        if (!'placeholder'.includes(piece.toLowerCase())) expect(reasons).not.toContain(piece);
      }
    }
  });
});
