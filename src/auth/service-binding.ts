/**
 * Callers over a service binding. What a binding may do, the operator has written into the binding itself (`props`),
 * where no code of the Worker that has the binding can change it.
 */
import * as v from 'valibot';
import { PERMISSIONS, type Principal, ROLE_NAMES, ROLES } from './principal.ts';

/** Names of bindings, for the audit log. With what `actorOf` puts before them, they fit into its filter. */
const NAME = /^[A-Za-z0-9_.-]{1,50}$/;
const TENANT_ID = /^[a-z0-9][a-z0-9_-]{0,62}$/;

const common = {
  name: v.pipe(v.string('must be a text'), v.regex(NAME, 'must be 1 to 50 letters, digits, _, . or -')),
  tenantId: v.exactOptional(v.pipe(v.string('must be a text'), v.regex(TENANT_ID, 'must be the id of a tenant'))),
};
const bindingProps = v.union([
  v.strictObject({ ...common, role: v.picklist(ROLE_NAMES) }),
  v.strictObject({ ...common, permissions: v.pipe(v.array(v.picklist(PERMISSIONS)), v.minLength(1)) }),
]);

/** Principals by the props, which the platform hands over as the same object to some calls. */
const principals = new WeakMap<object, Principal>();

/** The principal of a binding with these props, null when they are missing or not valid. */
export function principalOfBinding(props: unknown): Principal | null {
  if (typeof props !== 'object' || props === null) return null;
  const known = principals.get(props);
  if (known !== undefined) return known;
  const parsed = v.safeParse(bindingProps, props);
  if (!parsed.success) return null;
  const { name, tenantId } = parsed.output;
  const principal: Principal = {
    actor: { type: 'service_binding', id: `binding:${name}` },
    permissions: new Set('role' in parsed.output ? ROLES[parsed.output.role] : parsed.output.permissions),
    // The operator has named a tenant by its id alone, so any tenant with this id will do, made when it may.
    confinement: tenantId === undefined ? null : { tenantId, bound: { existedAt: Number.MAX_SAFE_INTEGER } },
    endsAt: null,
  };
  principals.set(props, principal);
  return principal;
}
