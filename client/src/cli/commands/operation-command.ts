/** The command of any operation: a request from words and flags, and its answer as a table, as lines or as JSON. */
import type { Operation } from '../api/operations.ts';
import { bodyFlags, type Flag, headerFlags, kebab, propertiesOf, queryFlags, valueOfFlag } from '../arguments/flags.ts';
import { BODY_FLAG, ownFlag, YES_FLAG } from '../arguments/global-flags.ts';
import { type Fault, faultOf } from '../arguments/schema.ts';
import { integerOf, setAt } from '../arguments/values.ts';
import { EXIT, UsageError } from '../exit.ts';
import { columnsOf } from '../output/columns.ts';
import { printAnswer, printItems, printText } from '../output/print.ts';
import { Table } from '../output/table.ts';
import { confirm } from './ask.ts';
import { type Command, isGiven, type Positional, type Run, textOf } from './command.ts';
import { EXAMPLES } from './examples.ts';
import { readBody } from './stdin.ts';

/** How many items a list shows when nobody says. */
const DEFAULT_ITEMS = 100;

/** What cannot be undone, beside every DELETE. */
const FINAL: ReadonlySet<string> = new Set(['keys.revoke', 'keys.revokeMany', 'managementKeys.revoke']);

/** Other words that people would try. */
const ALIASES: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'keys.changeCredits': [['credits', 'key']],
  'owners.changeCredits': [['credits', 'owner']],
  'usage.read': [['usage', 'list']],
  'audit.listOfDeployment': [['audit', 'deployment']],
};

/** What a command of an operation does differently from the others. */
export type Differences = Partial<Pick<Command, 'run' | 'positionals' | 'aliases' | 'description' | 'summary'>> & {
  readonly flags?: readonly Flag[];
  /** The flags instead of those for the body; whoever acts can still be named. */
  readonly onlyFlags?: readonly Flag[];
  /** Members of the body that have no flag. */
  readonly withoutFlags?: readonly string[];
};

export const isFinal = ({ id, method }: Operation): boolean => method === 'DELETE' || FINAL.has(id);

const isPaged = ({ query }: Operation): boolean => query.some(({ name }) => name === 'cursor');

/** The tenant is a word of its own where it is the resource, and a flag everywhere else. */
const tenantIsWord = ({ id, path }: Operation): boolean => id.startsWith('tenants.') && path.includes('{tenantId}');

/** The member `id` of a body that makes a new resource is a word, like the ids of those that are there. */
const idIsWord = ({ id, body }: Operation): boolean => id.endsWith('.create') && body?.properties?.id !== undefined;

export function commandOf(operation: Operation, differences: Differences = {}): Command {
  const { id, query, body } = operation;
  const { flags: ownFlags = [], onlyFlags, withoutFlags = [], ...rest } = differences;
  const pagingFlags = isPaged(operation)
    ? [
        ownFlag('limit', 'N', `At most so many items, from as many pages as it takes; ${DEFAULT_ITEMS} by default.`),
        ownFlag('all', null, 'All items, from all pages.'),
      ]
    : [];
  const isPaging = ({ name }: { readonly name: string }) => isPaged(operation) && name === 'limit';
  const left = [...withoutFlags, ...(idIsWord(operation) ? ['id'] : [])];
  const fields = body === null ? [] : bodyFlags(body, left);
  return {
    words: id.split('.').map(kebab),
    aliases: ALIASES[id] ?? [],
    summary: operation.summary,
    description: operation.description,
    positionals: positionalsOf(operation),
    takesTenant: operation.path.includes('{tenantId}') && !tenantIsWord(operation),
    examples: EXAMPLES[id] ?? [],
    operation,
    run: (run) => runOperation(run, operation),
    ...rest,
    flags:
      onlyFlags !== undefined
        ? [...onlyFlags, ...headerFlags(operation).filter(isActor)]
        : [
            ...queryFlags(query.filter((parameter) => !isPaging(parameter))),
            ...pagingFlags,
            ...fields,
            ...(body !== null && Object.keys(propertiesOf(body)).length > 0 ? [BODY_FLAG] : []),
            ...headerFlags(operation),
            ...(isFinal(operation) ? [YES_FLAG] : []),
            ...(answersSecret(operation)
              ? [ownFlag('secret-only', null, 'Prints the key string and nothing else.')]
              : []),
            ...ownFlags,
          ],
  };
}

/** Bulk commands have versions and idempotency keys of their own. */
const isActor = ({ name }: Flag): boolean => name === 'on-behalf-of';

/** Operations whose answer has one key string. */
const SECRET_AT: Readonly<Record<string, string>> = {
  'keys.create': 'secret',
  'keys.rotate': 'key.secret',
  'keys.reveal': 'secret',
  'managementKeys.create': 'secret',
  'managementKeys.rotate': 'key.secret',
};
const answersSecret = ({ id }: Operation): boolean => id in SECRET_AT;

function positionalsOf(operation: Operation): Positional[] {
  const parts = operation.parts.filter(({ name }) => name !== 'tenantId' || tenantIsWord(operation));
  const words = parts.map(({ name, description }) => ({ name: wordName(name), description, required: true }));
  const description = 'The id of the new one.';
  const required = operation.body?.required?.includes('id') === true;
  return idIsWord(operation) ? [...words, { name: 'ID', description, required }] : words;
}

const wordName = (name: string): string => kebab(name).replaceAll('-', '_').toUpperCase();

type Request = {
  readonly path: string;
  readonly query: Record<string, unknown>;
  readonly body: Record<string, unknown> | undefined;
  readonly headers: Record<string, string>;
};

/** The request that words and flags describe. Throws a UsageError when something is wrong or missing. */
export async function requestOf(run: Run, operation: Operation, members: object = {}): Promise<Request> {
  const { command, flags, io } = run;
  const words = [...run.positionals];
  let { path } = operation;
  for (const part of operation.parts) {
    const isTenantFlag = part.name === 'tenantId' && !tenantIsWord(operation);
    const value = isTenantFlag ? tenantOf(run) : (words.shift() ?? '');
    const fault = faultOf(part.schema, value);
    const name = isTenantFlag ? '--tenant' : wordName(part.name);
    if (fault !== null) throw new UsageError(`${name} ${fault.message}`);
    // An empty part, or one of dots, would be another path.
    if (/^\.{0,2}$/.test(value)) throw new UsageError(`${name} is not an id`);
    path = path.replace(`{${part.name}}`, encodeURIComponent(value));
  }

  const bodyText = textOf(run, 'body');
  const body: Record<string, unknown> = bodyText === undefined ? {} : await readBody(bodyText, io.stdin);
  Object.assign(body, members);
  if (idIsWord(operation) && words.length > 0) body.id = words.shift();
  const query: Record<string, unknown> = {};
  const headers: Record<string, string> = {};
  for (const flag of command.flags) {
    const texts = flags.get(flag.name);
    if (texts === undefined || flag.target.in === 'option') continue;
    const value = texts === null ? flag.negated : valueOfFlag(flag, texts, io.now());
    if (flag.target.in === 'header') headers[flag.target.path[0] ?? ''] = String(value);
    else setAt(flag.target.in === 'query' ? query : body, flag.target.path, value);
  }
  if (operation.body !== null) {
    const fault = faultOf(operation.body, body);
    if (fault !== null) throw new UsageError(faultText(command, operation, fault));
  }
  return { path, query, body: operation.body === null ? undefined : body, headers };
}

function tenantOf({ connection }: Run): string {
  const { tenant } = connection;
  if (tenant !== undefined) return tenant;
  throw new UsageError('Which tenant? Say --tenant ID, or set KEYSTEAD_TENANT');
}

/** What is wrong with a body, with the flag that sets it. */
function faultText({ flags }: Command, { body }: Operation, { path, message }: Fault): string {
  const names = path.filter((part) => typeof part === 'string');
  const flag = flags.find(({ target }) => target.in === 'body' && target.path.every((name, at) => names[at] === name));
  const choices = body?.anyOf ?? [];
  if (choices.length > 0 && message === 'is missing') {
    const all = flags
      .filter(({ target, name }) => target.in === 'body' && name !== 'body')
      .map(({ name }) => `--${name}`);
    return `Say ${all.join(' or ')}`;
  }
  if (flag === undefined) return names.length === 0 ? `The body ${message}` : `${names.join('.')} ${message}`;
  const inner = names.slice(flag.target.path.length).join('.');
  return `--${flag.name} ${inner === '' ? '' : `${inner} `}${message}`;
}

async function runOperation(run: Run, operation: Operation): Promise<number> {
  const request = await requestOf(run, operation);
  if (isFinal(operation)) await askFirst(run, operation, request);
  if (operation.answer === 'list' && operation.method === 'GET') {
    return request.query.format === 'csv' ? listText(run, operation, request) : listItems(run, operation, request);
  }
  const { body } = await send(run, operation, request);
  if (operation.answer === 'none') await run.printer.hint(`Done: ${operation.summary}.`);
  else if (typeof body === 'string') await printText(run, body);
  else if (operation.answer === 'list') await printItems(run, operation, (body as { data: unknown[] }).data);
  else await printAnswer(run, body, isGiven(run, 'secret-only') ? (SECRET_AT[operation.id] ?? null) : null);
  return operation.id === 'limits.check' && (body as { allowed?: unknown }).allowed === false ? EXIT.no : EXIT.ok;
}

async function askFirst(run: Run, operation: Operation, { body }: Request): Promise<void> {
  const word = run.positionals[0];
  if (operation.id === 'tenants.delete') {
    return confirm(run, 'This deletes the tenant and all its keys.', word);
  }
  const whole = body?.lineage === true ? ', with all predecessors and successors' : '';
  const owner = typeof body?.owner === 'string' ? ' (all keys of the owner)' : '';
  return confirm(run, `${operation.summary}${owner}${whole}. This cannot be undone.`);
}

/** Sends the request. What changes nothing takes no Idempotency-Key. */
export async function send(run: Run, operation: Operation, { path, query, body, headers }: Request) {
  const { 'Idempotency-Key': idempotencyKey, ...others } = headers;
  const takesKey = operation.headers.includes('IdempotencyKey');
  const text = operation.types.filter((type) => type !== 'application/json');
  return run.connection.transport.request({
    method: operation.method,
    path,
    query,
    body,
    headers: others,
    ...(takesKey ? (idempotencyKey === undefined ? {} : { idempotencyKey }) : { idempotencyKey: false as const }),
    ...(text.length > 0 ? { accept: text.join(', ') } : {}),
    signal: run.io.signal,
  });
}

type ListAnswer = {
  readonly data: readonly unknown[];
  readonly page?: { readonly nextCursor?: string | null; readonly hasMore?: boolean };
};

/** Prints a list page by page, up to the limit. */
async function listItems(run: Run, operation: Operation, request: Request): Promise<number> {
  const { printer, io } = run;
  const paged = isPaged(operation);
  const wanted = isGiven(run, 'all') ? Number.POSITIVE_INFINITY : limitOf(run);
  const maximum = largestPage(operation);
  let table: Table | null = null;
  let printed = 0;
  let { cursor } = request.query as { cursor?: unknown };
  for (;;) {
    const limit = Math.min(maximum, wanted - printed);
    const query = { ...request.query, ...(paged ? { limit } : {}), ...(cursor === undefined ? {} : { cursor }) };
    const { data, page = {} } = (await send(run, operation, { ...request, query })).body as ListAnswer;
    if (printer.json) await printItems(run, operation, data);
    else if (data.length > 0) {
      table ??= new Table(columnsOf(operation, data[0]), io.stdout.isTTY, printer.bold);
      await printer.out(table.lines(data));
    }
    printed += data.length;
    if (page.hasMore && page.nextCursor == null) {
      await printer.hint('There are more: go on with a larger --offset.');
    }
    if (page.nextCursor == null) break;
    cursor = page.nextCursor;
    if (printed >= wanted) {
      await printer.hint(`There are more: --all, or --cursor ${page.nextCursor}`);
      break;
    }
  }
  if (printed === 0) await printer.hint('There are none.');
  return EXIT.ok;
}

const largestPage = ({ query }: Operation): number =>
  query.find(({ name }) => name === 'limit')?.schema.maximum ?? DEFAULT_ITEMS;

/** Prints a list as CSV, page by page. Each page begins with the names of the columns, which are printed once. */
async function listText(run: Run, operation: Operation, request: Request): Promise<number> {
  const wanted = isGiven(run, 'all') ? Number.POSITIVE_INFINITY : limitOf(run);
  let printed = 0;
  let { cursor } = request.query as { cursor?: unknown };
  for (;;) {
    const limit = Math.min(largestPage(operation), wanted - printed);
    const query = { ...request.query, limit, ...(cursor === undefined ? {} : { cursor }) };
    const { body, headers } = await send(run, operation, { ...request, query });
    const text = String(body);
    await printText(run, printed === 0 ? text : text.slice(text.indexOf('\n') + 1));
    const [, next] = /[?&]cursor=([^&>]+)[^>]*>; *rel="next"/.exec(headers.get('link') ?? '') ?? [];
    if (next === undefined) return EXIT.ok;
    cursor = decodeURIComponent(next);
    // A page may have fewer rows than its limit while there are more; what counts is that it ends.
    printed += limit;
    if (printed >= wanted) {
      await run.printer.hint(`There are more: --all, or --cursor ${cursor}`);
      return EXIT.ok;
    }
  }
}

function limitOf(run: Run): number {
  const text = textOf(run, 'limit');
  if (text === undefined) return DEFAULT_ITEMS;
  const limit = integerOf(text);
  if (limit === null || limit < 1) throw new UsageError('--limit must be a whole number from 1');
  return limit;
}
