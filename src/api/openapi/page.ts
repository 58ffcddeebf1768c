/**
 * The description as a page for people. It is one HTML text without scripts, images or anything from elsewhere, so that
 * it works under the strictest content security policy.
 */
import { partsInTurns } from '../../http/turns.ts';
import type {
  ApiDocument,
  JsonSchema,
  MediaTypes,
  OperationObject,
  Parameter,
  Reference,
  ResponseObject,
} from './openapi.ts';

/** A text that is HTML already. */
class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | undefined | readonly Part[];

/** What has a meaning in HTML, in a text or an attribute. */
const SPECIAL = /[&<>"']/;

/** Escapes every value but those that are HTML already. */
function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(texts.reduce((whole, text, i) => whole + toText(parts[i - 1]) + text));
}

function toText(part: Part): string {
  if (part === undefined) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'object') return part.map(toText).join('');
  const text = String(part);
  if (!SPECIAL.test(text)) return text;
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** A text whose `backticks` mark code. */
const prose = (text: string | undefined): Part =>
  (text ?? '').split('`').map((piece, i) => (i % 2 === 0 ? piece : html`<code>${piece}</code>`));

const lastOf = (ref: string) => ref.slice(ref.lastIndexOf('/') + 1);

/** The style of the page; the policy names its hash. */
export const STYLE = `:root{color-scheme:light dark;--line:#8884;--soft:#8882;--accent:light-dark(#0b57d0,#8ab4f8)}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem 1.5rem 6rem;font:16px/1.55 system-ui,sans-serif}
h1{margin-bottom:0}h2{margin-top:3rem;border-bottom:1px solid var(--line)}h3{margin:2.5rem 0 .5rem}
h4{margin:1rem 0 .3rem}
a{color:var(--accent)}code,pre{font:.875em/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
code{background:var(--soft);border-radius:4px;padding:.1em .3em}
pre{background:var(--soft);border-radius:8px;padding:.8rem 1rem;overflow:auto;white-space:pre-wrap}
nav ul{columns:20rem;list-style:none;padding:0}nav li{break-inside:avoid}
table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}
th,td{border-top:1px solid var(--line);padding:.35rem .8rem .35rem 0;text-align:left;vertical-align:top}
th{font-weight:600}td:first-child{white-space:nowrap}
.method{display:inline-block;min-width:4.2em;font-weight:700;color:var(--accent)}
.path{font-weight:400}small{opacity:.75}summary{cursor:pointer}
:target{scroll-margin-top:1rem;outline:2px solid var(--accent);outline-offset:6px;border-radius:4px}`;

/** Operations or schemas that are rendered in one turn of the event loop: some milliseconds. */
const SECTIONS_PER_TURN = 10;

/** The page of a description, rendered in several turns of the event loop. */
export async function renderPage(document: ApiDocument): Promise<string> {
  const { info, tags, paths, components } = document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const ofTag = (name: string) => operations.filter(({ operation }) => operation.tags.includes(name));
  const sections: Html[] = [];
  for await (const part of partsInTurns(operations, SECTIONS_PER_TURN)) {
    sections.push(...part.map(({ method, path, operation }) => operationSection(method, path, operation, document)));
  }
  const sectionsOf = (name: string) => sections.filter((_, i) => operations[i]?.operation.tags.includes(name));
  const schemas: Html[] = [];
  for await (const part of partsInTurns(Object.entries(components.schemas), SECTIONS_PER_TURN)) {
    schemas.push(
      ...part.map(
        ([name, schema]) => html`
<section id="schema-${name}"><h3>${name}</h3>${schemaTable(schema)}</section>`,
      ),
    );
  }
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${info.title} API</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<header>
<h1>${info.title} API</h1>
<p><small>Version ${info.version} · <a href="openapi.json">openapi.json</a></small></p>
<p>${prose(String(info.description))}</p>
<p>Calls need <code>Authorization: Bearer …</code> with the admin token or the key string of a management key.</p>
</header>
<nav aria-label="Operations">${tags.map(
    ({ name, description }) => html`
<h4>${prose(description)}</h4>
<ul>${ofTag(name).map(
      ({ method, path, operation }) =>
        html`<li><a href="#${operation.operationId}"><span class="method">${method}</span> ${path}</a></li>`,
    )}</ul>`,
  )}
</nav>
<main>${tags.map(
    ({ name, description }) => html`
<h2>${prose(description)}</h2>${sectionsOf(name)}`,
  )}
<h2>Schemas</h2>${schemas}
</main>
</body>
</html>
`;
  return page.text;
}

function operationSection(method: string, path: string, operation: OperationObject, document: ApiDocument): Html {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation;
  const found = parameters.map((parameter) => resolved(parameter, document.components.parameters));
  return html`
<section id="${operationId}">
<h3><span class="method">${method}</span> <code class="path">${path}</code></h3>
<p><strong>${summary}.</strong> ${prose(description)} <small>${operationId}</small></p>
${parameterTable(found)}${requestBody === undefined ? [] : [html`<h4>Body</h4>`, ...contents(requestBody.content)]}
<h4>Answers</h4>
<table><tr><th>Status</th><th>Meaning</th><th>Body</th><th>Headers</th></tr>${Object.entries(responses).map(
    ([status, response]) => responseRow(status, resolved(response, document.components.responses)),
  )}</table>
${Object.values(responses).map((response) => ('content' in response ? examplesIn(response.content) : []))}
</section>`;
}

function parameterTable(parameters: readonly Parameter[]): Part {
  if (parameters.length === 0) return [];
  return html`<table><tr><th>Parameter</th><th>In</th><th>Type</th><th>Meaning</th></tr>${parameters.map(
    ({ name, in: place, required, schema, description }) => html`
<tr><td><code>${name}</code>${required ? '' : html` <small>optional</small>`}</td><td>${place}</td>
<td>${typeOf(schema)}</td><td>${prose(description)}</td></tr>`,
  )}</table>`;
}

function responseRow(status: string, { description, headers = {}, content = {} }: ResponseObject): Html {
  const types = Object.entries(content).map(([type, { schema }]) =>
    type.startsWith('text/') ? [type, ' '] : [typeOf(schema), ' '],
  );
  const names = Object.keys(headers).map((name) => html`<code>${name}</code> `);
  return html`
<tr><td>${status}</td><td>${prose(description)}</td><td>${types}</td><td>${names}</td></tr>`;
}

const contents = (content: MediaTypes): Part[] => [
  ...Object.values(content).map(({ schema }) => html`<p>${typeOf(schema)}</p>`),
  ...examplesIn(content),
];

function examplesIn(content: MediaTypes = {}): Html[] {
  return Object.values(content).flatMap(({ example }) =>
    example === undefined
      ? []
      : [html`<details><summary>Example</summary><pre>${JSON.stringify(example, null, 2)}</pre></details>`],
  );
}

function schemaTable(schema: JsonSchema): Part {
  const { properties, required = [], description } = schema;
  if (properties === undefined) return html`<p>${prose(description)} ${typeOf(schema)}</p>`;
  const others = (schema.allOf as JsonSchema[] | undefined)?.map(
    (one) => html` Has the fields of ${typeOf(one)}, and:`,
  );
  return html`<p>${prose(description)}${others}</p>
<table><tr><th>Field</th><th>Type</th><th>Meaning</th></tr>${Object.entries(properties).map(
    ([name, property]) => html`
<tr><td><code>${name}</code>${required.includes(name) ? '' : html` <small>optional</small>`}</td>
<td>${typeOf(property)}</td><td>${prose(property.description)}</td></tr>`,
  )}</table>`;
}

/** The type of a schema in a few words, with links to components. */
function typeOf(schema: JsonSchema): Part {
  const { $ref, type, items, anyOf, oneOf, properties } = schema;
  if ($ref !== undefined) return html`<a href="#schema-${lastOf($ref)}">${lastOf($ref)}</a>`;
  const options = anyOf ?? oneOf;
  if (options !== undefined) return separated(options.map(typeOf), ' or ');
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if (Array.isArray(schema.enum))
    return separated(
      schema.enum.map((value) => html`<code>${String(value)}</code>`),
      ' ',
    );
  if (items !== undefined) return ['list of ', typeOf(items), bounds(schema)];
  if (properties !== undefined) return schemaTable({ ...schema, description: '' });
  return [type ?? 'any value', schema.format === undefined ? '' : ` (${String(schema.format)})`, bounds(schema)];
}

const BOUNDS = ['minLength', 'maxLength', 'minimum', 'maximum', 'minItems', 'maxItems', 'pattern', 'default'];

const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

function bounds(schema: JsonSchema): Part {
  const some = BOUNDS.filter((name) => schema[name] !== undefined);
  return some.map((name) => html`<br><small>${name} <code>${shown(schema[name])}</code></small>`);
}

const separated = (parts: readonly Part[], by: string): Part =>
  parts.flatMap((part, i) => (i === 0 ? [part] : [by, part]));

function resolved<T extends object>(value: T | Reference, components: Readonly<Record<string, T>>): T {
  if (!('$ref' in value)) return value;
  const found = components[lastOf(value.$ref)];
  if (found === undefined) throw new Error(`no component ${value.$ref}`);
  return found;
}
