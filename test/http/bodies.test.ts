import { env, exports } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';

import { BODY_BYTES } from '../../src/api/operation.ts';
import { createKey, createTenant, walk } from '../support/api.ts';
import { describedBody } from '../support/described.ts';
import { complaintsIn, problemIn, send } from './client.ts';

beforeAll(() => createTenant('acme'));

describe('a body', () => {
  const verify = (body: string | Uint8Array | ReadableStream, headers: Readonly<Record<string, string>> = {}) =>
    send('POST', '/v1/keys/verify', { body, headers });

  it.each<[string, string | Uint8Array]>([
    ['cut off', '{"key":"x"'],
    ['with a trailing comma', '{"key":"x",}'],
    ['of two documents', '{"key":"x"}{"key":"x"}'],
    ['of blanks', '  \n'],
    ['in single quotes', "{'key':'x'}"],
    ['with a bare NUL in a text', '{"key":"x\0"}'],
    ['of form fields', 'key=x'],
    ['nested without end', '['.repeat(10_000)],
    ['that is not UTF-8', Uint8Array.of(...new TextEncoder().encode('{"key":"'), 0xff, 0x22, 0x7d)],
    ['with half a surrogate pair in UTF-8', Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)],
    ['with an overlong NUL', Uint8Array.of(0x22, 0xc0, 0x80, 0x22)],
    ['in UTF-16', Uint8Array.from([...'{"key":"x"}'].flatMap((char) => [char.charCodeAt(0), 0]))],
  ])('%s is not JSON, and the response repeats none of it', async (_name, body) => {
    const problem = await problemIn(await verify(body), 'invalid_json');
    expect(problem.detail).toBe('The body is not valid JSON.');
    expect(problem.errors).toBeUndefined();
  });

  it('that is absent where one is needed is a validation problem, like absent fields', async () => {
    for (const body of [undefined, '']) {
      const response = await send('POST', '/v1/keys/verify', body === undefined ? {} : { body });
      expect(await complaintsIn(response)).toEqual(['body: is missing']);
    }
  });

  it('may be absent where every field may be, whatever the content type', async () => {
    const { id } = await createKey('acme');
    const headers = { 'Content-Type': 'text/plain' };
    expect((await send('POST', `/v1/tenants/acme/keys/${id}/rotate`, { headers })).status).toBe(201);
    expect((await send('POST', `/v1/tenants/acme/keys/${id}/revoke`)).status).toBe(200);
  });

  it.each([
    'application/json',
    'Application/JSON',
    'application/json;charset=utf-8',
    'application/json; charset="UTF-8"',
  ])('may be sent as %s', async (type) => {
    expect((await verify('{"key":"x"}', { 'Content-Type': type })).status).toBe(200);
  });

  it.each([
    '',
    'text/plain',
    'application/jsonp',
    'text/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=latin1',
    'application/merge-patch+json',
    'text/plain, application/json',
  ])('is refused as "%s"', async (type) => {
    await problemIn(await verify('{"key":"x"}', { 'Content-Type': type }), 'unsupported_media_type');
  });

  it('may have 16 KiB and not one byte more, counted in bytes', async () => {
    const start = '{"key":"é"}';
    const padded = (bytes: number) => start + ' '.repeat(bytes - new TextEncoder().encode(start).length);
    expect((await verify(padded(BODY_BYTES.small))).status).toBe(200);
    const { detail } = await problemIn(await verify(padded(BODY_BYTES.small + 1)), 'payload_too_large');
    expect(detail).toBe('The limit is 16384 bytes.');
  });

  it('is refused by its declared length, before it is read', async () => {
    const unread = new ReadableStream({ pull: () => expect.fail('the body was read') }, { highWaterMark: 0 });
    const declared = { 'Content-Length': String(BODY_BYTES.small + 1) };
    await problemIn(await verify(unread, declared), 'payload_too_large');
  });

  it('without a declared length is refused as soon as it passes the limit, not at its end', async () => {
    let sent = 0;
    const endless = new ReadableStream({
      pull(controller) {
        sent += 64 * 1024;
        controller.enqueue(new Uint8Array(64 * 1024).fill(0x20));
      },
    });
    await problemIn(await verify(endless), 'payload_too_large');
    expect(sent).toBeLessThan(3 * 64 * 1024);
  });

  it('that is too large leaves no work behind, also through the deployed entry point', async () => {
    const before = (await walk('/tenants')).length;
    const response = await exports.default.fetch('http://keystead.test/v1/tenants', {
      method: 'POST',
      headers: { Authorization: `Bearer ${env.ADMIN_TOKEN}`, 'Content-Type': 'application/json' },
      body: `{"id":"large"}${' '.repeat(BODY_BYTES.small)}`,
    });
    await describedBody('POST', '/v1/tenants', response.clone());
    await problemIn(response, 'payload_too_large');
    expect(await walk('/tenants')).toHaveLength(before);
  });
});
