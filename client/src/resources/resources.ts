/** The methods of all resources, made from the table of operations. Their types are generated beside it. */
import { OPERATIONS, type Resources } from '../api/operations.ts';
import { encode } from '../http/encode.ts';
import { KeysteadError } from '../http/errors.ts';
import type { Transport } from '../http/transport.ts';
import type { ConditionalOptions, List, PagePosition } from './options.ts';

type Page = {
  readonly data: readonly unknown[];
  readonly page: { readonly nextCursor: string | null };
  readonly unavailable?: readonly string[];
};

/** The most items that each list gives in a page: fewer calls for who reads it all. */
const ITEMS_OF_PAGE = 100;

export function resourcesOn(transport: Transport): Resources {
  const resources: Record<string, Record<string, unknown>> = {};
  for (const [group, operations] of Object.entries(OPERATIONS)) {
    resources[group] = {};
    for (const [name, entry] of Object.entries<string>(operations)) resources[group][name] = methodOf(transport, entry);
  }
  return resources as unknown as Resources;
}

function methodOf(transport: Transport, entry: string) {
  const [method = '', template = '', ...flags] = entry.split(' ');
  const takes = (flag: string) => flags.includes(flag);
  const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const accept = flags.find((flag) => flag.includes('/'));
  const bodyAt = takes('body') ? names.length : -1;
  const queryAt = takes('list') || takes('query') ? names.length + (takes('body') ? 1 : 0) : -1;
  const optionsAt = Math.max(names.length - 1, bodyAt, queryAt) + 1;

  const send = async (args: readonly unknown[], position?: PagePosition) => {
    const path = names.reduce((text, name, i) => text.replace(`{${name}}`, () => encoded(name, args[i])), template);
    const { onBehalfOf, ifMatch, requestId, idempotencyKey, ...options } = Object(
      args[optionsAt],
    ) as ConditionalOptions;
    const answer = await transport.request({
      ...options,
      ...{ method, path, accept },
      body: bodyAt < 0 ? undefined : (args[bodyAt] ?? {}),
      query: { ...Object(args[queryAt]), ...position },
      idempotencyKey: takes('once') ? idempotencyKey : false,
      headers: {
        'if-match': typeof ifMatch === 'number' ? `"${ifMatch}"` : ifMatch,
        'x-on-behalf-of': onBehalfOf?.replace(/[^\x20-\x7e]+|%/g, (part) => encode('onBehalfOf', part)),
        'x-request-id': requestId,
      },
    });
    return answer.body;
  };
  if (!takes('list')) return (...args: unknown[]) => send(args);
  return (...args: unknown[]) => listOf((position) => send(args, position) as Promise<Page>, Object(args[queryAt]));
}

/** Dots would be another path, also when they are encoded, so Keystead cannot be asked for these ids. */
function encoded(name: string, value: unknown): string {
  if (typeof value === 'string' && !/^\.{0,2}$/.test(value)) return encode(name, value);
  throw new TypeError(`keystead: ${name} must be a text, and neither empty nor dots`);
}

function listOf(
  send: (position: PagePosition) => Promise<Page>,
  { limit = ITEMS_OF_PAGE, cursor }: PagePosition,
): List<unknown, Page> {
  return {
    page: (position = {}) => send(position),
    async *[Symbol.asyncIterator]() {
      let next: string | null | undefined = cursor;
      do {
        const { data, page, unavailable = [] }: Page = await send({ limit, cursor: next });
        yield* data;
        // A walk that left something out would look complete.
        if (unavailable.length > 0) {
          const ids = { status: 200, ids: unavailable, detail: 'page() reads on after them' };
          throw new KeysteadError('unavailable', 'Some items of the list could not be read', ids);
        }
        next = page.nextCursor;
      } while (typeof next === 'string');
    },
  };
}
