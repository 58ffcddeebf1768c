/** Schemas of the check for gateways. What a request needs arrives as texts of a query. */
import * as v from 'valibot';
import { closedObject } from '../../http/bounded-schemas.ts';
import { scopes, tenantId } from '../fields.ts';
import { namedLimits, unitsText } from '../limits/schemas.ts';

/** The parts between commas; none of an empty text. */
const parts = (text: string): readonly unknown[] => (text === '' ? [] : text.split(','));

const list = (example: string) =>
  v.pipe(v.string(), v.metadata({ type: 'string', examples: [example] }), v.transform(parts));

/** `exports:5` as an item of the body of a verification. What is no number is refused by the schema that follows. */
function named(text: unknown): unknown {
  if (typeof text !== 'string') return text;
  const colon = text.indexOf(':');
  if (colon < 0) return { name: text };
  const units = text.slice(colon + 1);
  return { name: text.slice(0, colon), cost: /^\d{1,10}$/.test(units) ? Number(units) : Number.NaN };
}

export const authorizeQuery = closedObject({
  /**
   * Always to be given, empty for none. A gateway whose configuration names no query may pass on that of its customer,
   * who would choose scopes and cost. Such a gateway is refused at its first request.
   */
  scopes: v.pipe(list('invoices:read'), scopes),
  tenantId: v.exactOptional(tenantId),
  cost: v.exactOptional(unitsText),
  limits: v.exactOptional(
    v.pipe(
      list('exports:5'),
      v.transform((texts): readonly unknown[] => texts.map(named)),
      namedLimits,
    ),
  ),
  fresh: v.exactOptional(
    v.pipe(
      v.picklist(['true', 'false']),
      v.metadata({ type: 'boolean' }),
      v.transform((text) => text === 'true'),
    ),
  ),
});
