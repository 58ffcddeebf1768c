/** Holds the answers of a server against openapi.json, the description of the API as the project keeps it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { ApiDocument } from '../../src/api/openapi/openapi.ts';
import { DocumentCheck, partAt } from '../support/document-check.ts';

const document: ApiDocument = JSON.parse(readFileSync(join(import.meta.dirname, '../../openapi.json'), 'utf8'));

/** The schemas of the description, each under an address of its own, with references that are absolute. */
export class Schemas {
  /** Compiled in half the time: nearly every test file does that, and none checks so much that fast code would pay. */
  readonly #ajv = new Ajv2020({ strict: true, strictRequired: false, inlineRefs: false, code: { optimize: false } });
  readonly #compiled = new Map<string, ValidateFunction>();
  readonly #document: ApiDocument;

  constructor(document: ApiDocument) {
    this.#document = document;
    addFormats.default(this.#ajv);
    // OpenAPI adds it to the dialect of its schemas.
    this.#ajv.addKeyword('discriminator');
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      this.#ajv.addSchema({ $id: `${ADDRESS}${name}`, ...addressed(schema) });
    }
  }

  /** What is wrong with a value by the schema at a JSON pointer, null for nothing. Throws if the schema is wrong. */
  wrongAt(pointer: string, value: unknown): string | null {
    const validate = this.#compiled.get(pointer) ?? this.compile(partAt(this.#document, pointer));
    this.#compiled.set(pointer, validate);
    return validate(value) ? null : `${this.#ajv.errorsText(validate.errors)} (${pointer})`;
  }

  /** Throws if the schema is wrong, or has an unknown keyword. */
  compile(schema: object): ValidateFunction {
    return this.#ajv.compile(addressed(schema));
  }
}

const ADDRESS = 'https://keystead.test/';
const addressed = (schema: object): object =>
  JSON.parse(JSON.stringify(schema).replaceAll('#/components/schemas/', ADDRESS));

const schemas = new Schemas(document);

/** Of the server's answers. */
export const check = new DocumentCheck(document, (pointer, value) => schemas.wrongAt(pointer, value));
