/** Holds each response that a test gets against the description of the API. */
import { dereference, type Schema, validate } from '@cfworker/json-schema';
import { operations } from '../../src/api/all-operations.ts';
import { describeApi } from '../../src/api/openapi/document.ts';
import { VERSION } from '../../src/version.ts';
import { DocumentCheck, partAt, type Validate } from './document-check.ts';

// A copy, because the validator writes into it. Without examples, since it would take their ids for those of schemas.
const document: ReturnType<typeof describeApi> = JSON.parse(
  JSON.stringify(describeApi(operations, VERSION), (name, value) => (name === 'example' ? undefined : value)),
);
const ROOT = 'https://keystead.test/openapi.json';
const lookup = dereference({ ...document, $id: ROOT } as Schema);

/** Interprets the schema, because this runtime runs no code that was made from a text. */
const validateByDocument: Validate = (pointer, value) => {
  const schema = partAt(document, pointer) as Schema;
  const { valid, errors } = validate(value, schema, '2020-12', lookup);
  const last = errors.at(-1);
  return valid ? null : `${last?.instanceLocation} ${last?.error} (${pointer})`;
};

const check = new DocumentCheck(document, validateByDocument);

/**
 * The parsed body of a response, undefined for none, once the description allows the response. `sent` is the body of
 * the request where it was JSON: one that was accepted must be allowed too.
 */
export async function describedBody(
  method: string,
  pathAndQuery: string,
  response: Response,
  sent?: unknown,
): Promise<unknown> {
  const text = await response.text();
  const isJson = /^application\/(?:problem\+)?json$/.test(response.headers.get('Content-Type') ?? '');
  const body: unknown = text === '' ? undefined : isJson ? JSON.parse(text) : text;
  const { status, headers } = response;
  // As it was sent: without members that are undefined.
  const asSent = sent === undefined ? undefined : JSON.parse(JSON.stringify(sent));
  check.expectDescribed({ method, pathAndQuery, status, headers, body, sent: asSent });
  return body;
}
