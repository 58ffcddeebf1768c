import { expect, test } from 'vitest';
import { mayGrow } from '../src/storage-reserve.ts';

const NOW = Date.parse('2040-01-01T00:00:00.000Z');

/** A folder as the runtime serves it, which counts the requests. */
function folder(status: number | 'broken') {
  const state = { status, questions: 0 };
  const fetch = async (url: string, init: { readonly method: string }) => {
    state.questions += 1;
    expect([url, init.method]).toEqual(['http://reserve/open', 'HEAD']);
    if (state.status === 'broken') throw new Error('broken');
    return new Response(null, { status: state.status });
  };
  return { state, env: { RESERVE: { fetch } } };
}

test('without a reserve, as on Cloudflare, growth is allowed', async () => {
  expect(await mayGrow({}, NOW)).toBe(true);
});

test('growth is allowed while the marker exists, which is checked once a second', async () => {
  const { state, env } = folder(200);
  expect(await mayGrow(env, NOW)).toBe(true);
  state.status = 404;
  expect(await mayGrow(env, NOW + 999)).toBe(true);
  expect(state.questions).toBe(1);
  expect(await mayGrow(env, NOW + 1000)).toBe(false);
  state.status = 200;
  expect(await mayGrow(env, NOW + 1999)).toBe(false);
  expect(await mayGrow(env, NOW + 2000)).toBe(true);
  expect(state.questions).toBe(3);
});

test('all callers wait for the first check, and only the one that starts a later check waits for it', async () => {
  const { state, env } = folder(404);
  expect(await Promise.all([mayGrow(env, NOW), mayGrow(env, NOW)])).toEqual([false, false]);
  state.status = 200;
  const before = state.questions;
  expect(await Promise.all([mayGrow(env, NOW + 1000), mayGrow(env, NOW + 1000)])).toEqual([true, false]);
  expect(state.questions).toBe(before + 1);
});

test('a clock that was set back does not keep a result for longer', async () => {
  const { state, env } = folder(404);
  expect(await mayGrow(env, NOW)).toBe(false);
  state.status = 200;
  expect(await mayGrow(env, NOW - 60_000)).toBe(true);
});

test.each([500, 'broken'] as const)('a folder that cannot be read (%s) leaves the last result', async (failure) => {
  const { state, env } = folder(failure);
  expect(await mayGrow(env, NOW)).toBe(true);
  state.status = 404;
  expect(await mayGrow(env, NOW + 1000)).toBe(false);
  state.status = failure;
  expect(await mayGrow(env, NOW + 2000)).toBe(false);
});
