/** The operations of the API as a table, from which the commands are made. A test keeps it as openapi.json says. */
import table from './operations.json' with { type: 'json' };

/** The part of JSON Schema that the description uses. */
export type Schema = {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
};

export type Parameter = {
  readonly name: string;
  readonly required: boolean;
  readonly description: string;
  readonly schema: Schema;
};

export type Operation = {
  /** `resource.verb`. */
  readonly id: string;
  readonly method: string;
  /** With its parameters in braces. */
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  /** The parameters of the path, in order. */
  readonly parts: readonly Parameter[];
  readonly query: readonly Parameter[];
  /** The request headers that it knows, by their names in the description. */
  readonly headers: readonly string[];
  readonly body: Schema | null;
  /** `list`: an object whose `data` are items. `text`: never JSON. */
  readonly answer: 'one' | 'list' | 'text' | 'none';
  /** The content types of the answer. */
  readonly types: readonly string[];
};

export const OPERATIONS = table as unknown as readonly Operation[];
