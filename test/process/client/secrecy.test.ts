/** Neither the client nor its errors show a secret, however they are printed. */
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { clientOn, errorOf, json, problem, TOKEN } from '../../client/fake.ts';

const html = (status: number) => new Response('<h1>Oops</h1>', { status, headers: { 'Content-Type': 'text/html' } });

describe('no secret is shown', () => {
  const KEY = 'acme_live_0ERzKy9Pf34qVkeyOfSomebodyElse5gKv';
  const everyView = (value: unknown) =>
    [
      inspect(value, { showHidden: true, depth: 10, getters: true }),
      String(value),
      JSON.stringify(value),
      (value as Error).stack,
      Object.entries(Object(value)).join(),
    ].join('\n');

  test('by the client, its parts and its calls', () => {
    const { keystead } = clientOn([]);
    const parts = [keystead, keystead.keys, keystead.keys.list, keystead.keys.list('acme'), keystead.verify];
    for (const part of parts) expect(everyView(part)).not.toContain(TOKEN);
  });

  const hostile = [
    new TypeError(`invalid header: Bearer ${TOKEN}`),
    new TypeError('fetch failed', { cause: new Error(`could not send {"key":"${KEY}"}`) }),
    Object.assign(new Error('failed'), { options: { headers: { authorization: TOKEN } } }),
  ];
  test.each(hostile)('by an error of fetch: %#', async (cause) => {
    const { keystead } = clientOn([cause, cause]);
    const error = await errorOf(keystead.verify(KEY));
    expect(error.code).toBe('network');
    expect(everyView(error)).not.toMatch(new RegExp(`${TOKEN}|${KEY}`));
  });

  test('by the error of an answer', async () => {
    for (const reply of [html(200), problem(401, 'unauthenticated'), json({ code: 1 }, 400)]) {
      const view = everyView(await errorOf(clientOn([reply]).keystead.verify(KEY)));
      expect(view).not.toMatch(new RegExp(`${TOKEN}|${KEY}`));
    }
  });
});
