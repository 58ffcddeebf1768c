/**
 * Known ways to break what Keystead promises. A test must notice each of them (`npm run sabotage`, see run.ts).
 *
 * To add one, write a `name` that says what is broken, the `file`, and `patches`: pairs of an old text that occurs in
 * the file exactly once and its replacement. `noticedBy` names the test files to run on it, as few as possible. The
 * broken program must still start, because a program that does not load shows nothing.
 */
export type Sabotage = {
  readonly name: string;
  readonly file: string;
  readonly patches: readonly (readonly [old: string, replacement: string])[];
  readonly noticedBy: readonly string[];
};

const STATE = 'durable-objects/tenant/state.ts';
const TENANT_LEASES = 'domain/leases/tenant-leases.ts';
const GRANTER = 'domain/leases/granter.ts';
const HOLDER = 'domain/leases/holder.ts';
const VERIFY = 'src/verify/verify.ts';
const TENANT = 'durable-objects/tenant/tenant.ts';
const TABLE = 'durable-objects/tenant/keys/key-table.ts';
const MUTATIONS = 'durable-objects/tenant/keys/key-mutations.ts';

const OWNER_MUTATIONS = 'durable-objects/tenant/owners/owner-mutations.ts';

const COUNTER = 'domain/limits/counter.ts';
const NAMED_LIMIT = 'domain/limits/named-limit.ts';
const PLAN_MUTATIONS = 'durable-objects/tenant/plans/plan-mutations.ts';

const GUARD = 'client/src/guards/guard.ts';
const PRESENTED_KEY = 'client/src/guards/presented-key.ts';

const TRANSPORT = 'client/src/http/transport.ts';

const VERIFIER = 'client/src/verify/leased-verifier.ts';

const CLIENT = ['test/client/transport.test.ts'];
const CLIENT_LEASES = ['test/client/leases.test.ts'];
const CHANGES = 'test/keys/lease-changes.test.ts';
const LEASES = 'test/keys/leases.test.ts';
const SETTLING = 'test/keys/settling.test.ts';
const DELETION = 'test/tenants/deletion.test.ts';
const PROMISE = 'test/leases/promise.test.ts';
const MODEL = 'test/leases/model.test.ts';
const BUDGETS = 'test/limits/isolates.test.ts';
const LIMITED_KEYS = 'test/limits/keys.test.ts';
const COUNTERS = 'test/limits/counter.test.ts';
const PLANS = 'test/plans/plans.test.ts';
const GUARDS = 'test/process/client/guards/guards.test.ts';
const IMPORT = 'test/keys/import.test.ts';
const IMPORT_LEASES = 'test/keys/import-leases.test.ts';
const DATABASE = 'test/security/database.test.ts';
const FOREIGN_DIGEST = 'src/crypto/foreign-key-digest.ts';
const LIMITS_CAMPAIGN = 'test/process/limits/limits.test.ts';

// ---- texts of the program that are too long for one line here ----

const TENANT_UPDATE = 'await this.#state.mutate(target, command, tenantMutations.tenantUpdate(patch, rights))';

const TOUCH_OF_OWNER = [
  'KEY_QUERIES.idsOfOwner, owner, max + 1).toArray();',
  '    if (ids.length > max) {',
  '      this.forgetHot();',
  "      return 'everything';",
  '    }',
  '    for (const { id } of ids) this.#touch(id);',
].join('\n');

export const SABOTAGES: readonly Sabotage[] = [
  // ---- imported keys ----
  {
    name: 'imported: the digest is not bound to the tenant',
    file: FOREIGN_DIGEST,
    patches: [['const tenant = new TextEncoder()', "tenantId = '';\n    const tenant = new TextEncoder()"]],
    noticedBy: [DATABASE],
  },
  {
    name: 'imported: the plain hash is kept',
    file: FOREIGN_DIGEST,
    patches: [
      [
        "digests.push(new Uint8Array(await crypto.subtle.sign('HMAC', key, message)).slice(0, DIGEST_BYTES));",
        'digests.push(message.slice(tenant.length, tenant.length + DIGEST_BYTES), ...(key ? [] : []));',
      ],
    ],
    noticedBy: [DATABASE],
  },
  {
    name: 'imported: an import takes the place of a key with the same hash',
    file: MUTATIONS,
    patches: [
      [
        "if (duplicates.length > 0) return fail({ code: 'hash_exists', duplicates });",
        [
          'for (const { keyId } of duplicates) {',
          '        const old = keyId === undefined ? undefined : store.keys.get(keyId);',
          '        if (old !== undefined) store.keys.remove(old);',
          '      }',
        ].join('\n'),
      ],
    ],
    noticedBy: [IMPORT],
  },
  {
    name: 'imported: a key string that is known in one tenant is taken for the one in another',
    file: 'src/verify/foreign-keys.ts',
    patches: [['(tenantId: string, { a, b }: Fingerprint)', "(_: string, { a, b }: Fingerprint, tenantId = '')"]],
    noticedBy: [IMPORT_LEASES],
  },
  {
    name: 'imported: only the current entry of HMAC_SECRET is looked for',
    file: FOREIGN_DIGEST,
    patches: [['filter(({ id }) => id !== current.id)', 'filter(({ id }) => id < 0)']],
    noticedBy: [IMPORT_LEASES],
  },
  {
    name: 'imported: changes do not wait for leases on imported keys',
    file: TENANT,
    patches: [['isHeld ? keyId : null', 'isHeld && hot.record.hint === null ? keyId : null']],
    noticedBy: [CHANGES],
  },
  {
    name: 'imported: an import that brings a hash back does not wait',
    file: MUTATIONS,
    patches: [["const concerns = bringsBack ? 'everything' : OF_IMPORTS;", 'const concerns = OF_IMPORTS;']],
    noticedBy: [IMPORT_LEASES],
  },
  {
    name: 'imported: an import does not wait for what an earlier instance may have handed out',
    file: MUTATIONS,
    patches: [["bringsBack ? 'everything' : OF_IMPORTS;", "bringsBack ? 'everything' : [];"]],
    noticedBy: [IMPORT_LEASES],
  },
  {
    name: 'imported: a purged hash is forgotten',
    file: TABLE,
    patches: [['if (imported !== null) this.removedDigests', 'if (imported === undefined) this.removedDigests']],
    noticedBy: [IMPORT_LEASES],
  },
  {
    name: 'imported: a deleted hash is forgotten',
    file: TABLE,
    patches: [['if (record.hint !== null) this.removedDigests', 'if (record.seq < 0) this.removedDigests']],
    noticedBy: [IMPORT_LEASES],
  },
  // ---- the wait of each kind of change ----
  {
    name: 'no change of a key waits',
    file: TABLE,
    patches: [['const written = { changed: [...this.#changed],', 'const written = { changed: [],']],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'a change of a key (revocation, rotation, update, completion, cancellation) does not wait',
    file: TABLE,
    patches: [
      [
        '  update(record: KeyRecord, now: number): void {\n    this.#touch(record.id);',
        '  update(record: KeyRecord, now: number): void {\n    this.#hot.delete(record.id);',
      ],
    ],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'a revocation of several keys (by ids, by owner, of a lineage) does not wait',
    file: TABLE,
    patches: [
      [
        '    for (const key of keys) {\n      this.#touch(key.id);',
        '    for (const key of keys) {\n      this.#hot.delete(key.id);',
      ],
    ],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'deletion of a key does not wait',
    file: TABLE,
    patches: [
      [
        '  remove(record: KeyRecord): void {\n    this.#touch(record.id);',
        '  remove(record: KeyRecord): void {\n    this.#hot.delete(record.id);',
      ],
    ],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'only the first of several changed keys is waited for',
    file: TABLE,
    patches: [['changed: [...this.#changed],', 'changed: [...this.#changed].slice(0, 1),']],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'revocation of an owner does not wait',
    file: MUTATIONS,
    patches: [
      [
        'return ok({ ...rest, value: { revoked }, audit: revoked === 0 ? [] : [whole, ...(audit ?? [])] });',
        [
          'context.store.keys.takeWritten();',
          '      return ok({ value: { revoked }, audit: revoked === 0 ? [] : [whole, ...(audit ?? [])] });',
        ].join('\n'),
      ],
    ],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'revocation of a large group does not wait',
    file: MUTATIONS,
    patches: [["return { revoked, audit: null, concerns: 'everything' };", 'return { revoked, audit: null };']],
    noticedBy: [CHANGES],
  },
  {
    name: 'disabling an owner does not wait',
    file: TABLE,
    patches: [[TOUCH_OF_OWNER, TOUCH_OF_OWNER.replace('this.#touch(id)', 'this.#hot.delete(id)')]],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'disabling an owner does not concern the keys of a large owner',
    file: OWNER_MUTATIONS,
    patches: [['return concerns === null ? {} : { concerns };', "return concerns === 'everything' ? {} : {};"]],
    noticedBy: [CHANGES],
  },
  {
    name: 'disabling an owner leaves its keys in the memory of the object',
    file: TABLE,
    patches: [
      [
        TOUCH_OF_OWNER,
        TOUCH_OF_OWNER.replace('this.#touch(id)', 'this.#changed.add(id)').replace('this.forgetHot();', ''),
      ],
    ],
    noticedBy: ['test/owners/verification.test.ts'],
  },
  {
    name: 'what tells of an owner does not wait for a change of it',
    file: TENANT,
    patches: [
      ['viewOwner(record, now));\n      },\n      anyKey,', 'viewOwner(record, now));\n      },\n      () => null,'],
    ],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'a change of an owner that has just lost its last key does not wait for the change of that key',
    file: GRANTER,
    patches: [["if (changed.length === 0 && about !== 'everything') return 0;", 'if (changed.length === 0) return 0;']],
    noticedBy: [CHANGES],
  },
  {
    name: 'an expired key lives again without its owner',
    file: MUTATIONS,
    patches: [['if (lives || updated.value.owner !== record.owner)', 'if (updated.value.owner !== record.owner)']],
    noticedBy: ['test/owners/owners.test.ts'],
  },
  {
    name: 'a change of the tenant does not wait',
    file: 'durable-objects/tenant/tenant-mutations.ts',
    patches: [["tenant: updated, concerns: 'everything' });", 'tenant: updated });']],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'deletion of a tenant does not wait',
    file: STATE,
    patches: [
      [
        'this.#leases.destroyed(incarnation);\n    await scheduler.wait(waitMs);',
        'this.#leases.destroyed(incarnation);\n    await scheduler.wait(waitMs * 0);',
      ],
    ],
    noticedBy: [CHANGES],
  },
  {
    name: 'a creation does not wait for a deletion that is not finished',
    file: TENANT_LEASES,
    patches: [
      [
        'earlierDeletion ? this.#afterDeletions(now) : this.beforeMissing(now)',
        'this.beforeMissing(earlierDeletion ? now : now)',
      ],
    ],
    noticedBy: ['test/tenants/deletion-leases.test.ts'],
  },
  // ---- other responses that disclose a change ----
  {
    name: 'what tells of a change does not wait for it',
    file: TENANT_LEASES,
    patches: [
      [
        'return this.#granter.telling(about, this.#inForceMs, now);',
        'return this.#granter.telling(about, this.#inForceMs * 0, now);',
      ],
    ],
    noticedBy: [CHANGES, PROMISE, MODEL],
  },
  {
    name: 'a change that found a part of its work done waits for its own part only',
    file: GRANTER,
    patches: [
      [
        'return Math.max(this.change(changed, inForceMs, now), othersMs);',
        'return this.change(changed, inForceMs, now);',
      ],
    ],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'a read of a key does not wait',
    file: TENANT,
    patches: [['() => [keyId],', '() => null,']],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'a read of a tenant does not wait',
    file: TENANT,
    patches: [['(tenant) => ok(tenant),\n      () => [],', '(tenant) => ok(tenant),\n      () => null,']],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'a list waits only for nothing',
    file: TENANT,
    patches: [["const anyKey = () => 'everything' as const;", 'const anyKey = () => null;']],
    noticedBy: [CHANGES, PROMISE],
  },
  {
    name: 'a repeated revocation of a lineage does not wait for the others of it',
    file: MUTATIONS,
    patches: [["{ ...onKey(keyId, change), about: 'everything' }", 'onKey(keyId, change)']],
    noticedBy: [CHANGES],
  },
  {
    name: 'the 404 of a disclosure does not wait',
    file: MUTATIONS,
    patches: [
      ['Mutation<boolean> {\n  return {\n    about: [keyId],', 'Mutation<boolean> {\n  return {\n    about: [],'],
    ],
    noticedBy: [CHANGES],
  },
  {
    name: 'that there is no such tenant is told at once',
    file: STATE,
    patches: [['this.#leases.beforeMissing(now), fail(', 'now * 0, fail(']],
    noticedBy: [SETTLING],
  },
  // ---- the length of the wait ----
  {
    name: 'no margin for clocks that do not run alike',
    file: 'domain/leases/lease.ts',
    patches: [['leaseMs * (1 + DRIFT_SHARE) + DRIFT_MS', 'leaseMs']],
    noticedBy: [CHANGES, LEASES, MODEL],
  },
  {
    name: 'only the first lease is remembered, so a second isolate is ignored',
    file: GRANTER,
    patches: [
      [
        'this.#endOfGranted = Math.max(this.#endOfGranted, now + outlastMs(leaseMs));',
        'if (this.#endOfGranted <= now) this.#endOfGranted = now + outlastMs(leaseMs);',
      ],
    ],
    noticedBy: [CHANGES, PROMISE, MODEL],
  },
  {
    name: 'an isolate counts a lease from the answer',
    file: HOLDER,
    patches: [
      [
        'const tenancy = this.#renewed(tenant, asking, renewal);',
        'const tenancy = this.#renewed(tenant, { ...asking, at: now }, renewal);',
      ],
    ],
    noticedBy: [CHANGES, PROMISE, MODEL],
  },
  {
    name: 'a shorter lease counts as in force at once',
    file: TENANT,
    patches: [
      [
        [`const updated = ${TENANT_UPDATE};`, '    if (updated.ok) this.#state.settleLeases(updated.value);'].join(
          '\n',
        ),
        [
          `const updating = ${TENANT_UPDATE.replace('await ', '')};`,
          '    if (this.#state.tenant !== null) this.#state.settleLeases(this.#state.tenant);',
          '    const updated = await updating;',
        ].join('\n'),
      ],
    ],
    noticedBy: [CHANGES, PROMISE],
  },
  // ---- after a restart ----
  {
    name: 'that leases are out is never noted',
    file: TENANT_LEASES,
    patches: [['if (!this.#areOut) this.note(true);', 'this.#areOut = true;']],
    noticedBy: [LEASES, SETTLING, PROMISE],
  },
  {
    name: 'it is noted that none is out while one is',
    file: TENANT_LEASES,
    patches: [['return this.#areOut && this.#granter.isQuiet(now);', 'return this.#areOut && now > 0;']],
    noticedBy: [SETTLING],
  },
  {
    name: 'it is never noted that no lease is out any more',
    file: STATE,
    patches: [['          leases.note(false);\n', '']],
    noticedBy: [SETTLING],
  },
  {
    name: 'a restart ignores that leases are out',
    file: TENANT_LEASES,
    patches: [['if (areOut && this.#inForceMs > 0) this', 'if (areOut && this.#startedAt < 0) this']],
    noticedBy: [LEASES, PROMISE, MODEL],
  },
  {
    name: 'a first use is written only with the next minute',
    file: STATE,
    patches: [['if (this.store.lastUsed.any) this.#settleSoon(FLUSH_AFTER_MS);', '']],
    noticedBy: [SETTLING],
  },
  // ---- what holders hear and keep ----
  {
    name: 'a change is not put on the list that renewals tell',
    file: GRANTER,
    patches: [['else if (held.length > 0) this.#append(held);', '']],
    noticedBy: [LEASES, PROMISE, MODEL],
  },
  {
    name: 'the list of changes is cut without telling',
    file: GRANTER,
    patches: [['this.#from = oldest.seq;', '']],
    noticedBy: [MODEL],
  },
  {
    name: 'a change of everything does not make void what holders have',
    file: GRANTER,
    patches: [['this.#from = this.#seq;', '']],
    noticedBy: [LEASES, PROMISE, MODEL],
  },
  {
    name: 'what was handed out is forgotten in a quiet moment, but holders may use it later',
    file: GRANTER,
    patches: [['this.#period += 1;', '']],
    noticedBy: ['test/leases/granter.test.ts'],
  },
  {
    name: 'when too much was handed out to remember, nothing counts as handed out',
    file: 'domain/leases/handed-out.ts',
    patches: [['return this.#ids === null || this.#ids.has(keyId);', 'return this.#ids?.has(keyId) === true;']],
    noticedBy: [MODEL],
  },
  {
    name: 'records of an earlier instance of the object are used under a lease of a later one',
    file: HOLDER,
    patches: [['return this.#tenancies.get(tenant) === held.tenancy;', 'return tenant !== null;']],
    noticedBy: [PROMISE, MODEL],
  },
  {
    name: 'a record is kept from a result that was overtaken',
    file: HOLDER,
    patches: [[' || renewal.seq < tenancy.seq) return;', ') return;']],
    noticedBy: [MODEL],
  },
  {
    name: 'a renewal from an instance that was succeeded makes it current again',
    file: HOLDER,
    patches: [['return tenancy?.epoch === asking.epoch ? this', 'return tenancy?.epoch !== epoch ? this']],
    noticedBy: ['test/leases/holder.test.ts'],
  },
  {
    name: 'a holder goes back in the list of changes',
    file: HOLDER,
    patches: [['    if (seq > tenancy.seq) {', '    {']],
    noticedBy: [MODEL],
  },
  {
    name: 'a verification that waited for the call of another takes its result',
    file: VERIFY,
    patches: [
      [
        'const hasEnded = await services.pending.end(call);',
        [
          'const hasEnded = true;',
          'const other = (await call) as Verification;',
          'if (signed !== null) return other;',
        ].join('\n'),
      ],
    ],
    noticedBy: [PROMISE],
  },
  // ---- what is leased ----
  {
    name: 'refusals that can be lifted are leased',
    file: 'domain/keys/verification.ts',
    patches: [["(code === 'VALID' || code === 'ROTATED');", "code !== 'TENANT_DISABLED';"]],
    noticedBy: [LEASES],
  },
  {
    name: 'a lease on a refusal is not noted',
    file: TENANT,
    patches: [
      ['isHeld ? keyId : null, now)', "isHeld ? (decided.code === 'VALID' ? keyId : 'key_of_nobody') : null, now)"],
    ],
    noticedBy: [CHANGES],
  },
  {
    name: 'the place of a tenant is not compared with what the key string says',
    file: VERIFY,
    patches: [['if ((await objects.placeOf(tenant.id)).objectName !== objectName) {', 'if (objectName === null) {']],
    noticedBy: [SETTLING],
  },
  {
    name: 'results are not kept, so a repeated call applies again',
    file: 'durable-objects/tenant/repeated-calls.ts',
    patches: [
      ['const result = store.results.find(id);', 'const result = null;'],
      ['if (store.audit.recentEntry(id, now) !== null)\n    throw', 'if (now < 0) throw'],
    ],
    noticedBy: [SETTLING],
  },
  // ---- creation and deletion of tenants ----
  {
    name: 'deletion: a creation is not confirmed by the directory',
    file: STATE,
    patches: [['if (!allowed) return NOT_CONFIRMED;', '']],
    noticedBy: [DELETION],
  },
  {
    name: 'deletion: a creation under way is not called off',
    file: STATE,
    patches: [['if (creation.refused !== null) return creation.refused;', '']],
    noticedBy: [DELETION],
  },
  {
    name: 'deletion: a creation is refused although another copy of the request has created the tenant',
    file: 'durable-objects/directory/directory.ts',
    patches: [['if (exists) return ok(ref);', '']],
    noticedBy: [DELETION],
  },
  {
    name: 'deletion: a grant opens every tenant of its id',
    file: 'domain/tenants/target.ts',
    patches: [['if (bound === null) return true;', 'return true;']],
    noticedBy: [DELETION],
  },
  {
    name: 'deletion: a repeated destruction does not wait',
    file: STATE,
    patches: [['await scheduler.wait(this.#leases.beforeDestroyedAgain(incarnation, now));', '']],
    noticedBy: ['test/tenants/deletion-leases.test.ts'],
  },
  {
    name: 'deletion: what a tenant was asked for is told before its deletion is finished',
    file: 'durable-objects/directory/directory.ts',
    patches: [
      [
        '  async awaitDeletions(tenantId: string): Promise<void> {\n    await this.#finishAllOf(tenantId);',
        '  async awaitDeletions(_tenantId: string): Promise<void> {',
      ],
    ],
    noticedBy: [DELETION],
  },
  {
    name: 'deletion: the directory postpones its alarm with each new reason',
    file: 'durable-objects/jobs/alarm-clock.ts',
    patches: [['if (this.#at !== null && this.#at <= wakeAt) return;', '']],
    noticedBy: [DELETION],
  },
  // ---- budgets of limits ----
  {
    name: 'budgets: the object does not hear what calls tell of budgets',
    file: TENANT,
    patches: [
      ['const turn = budgets === undefined || !wantsLease ? null :', 'const turn = budgets !== undefined ? null :'],
    ],
    noticedBy: [BUDGETS],
  },
  {
    name: 'budgets: an isolate that falls quiet gives nothing back',
    file: VERIFY,
    patches: [['    giveBackWhenIdle(objectName, services, objects);\n', '']],
    noticedBy: [BUDGETS],
  },
  {
    name: 'budgets: what gives units back asks for others',
    file: 'domain/limits/held-budgets.ts',
    patches: [['      held.told = held.spent;\n    }', '    }']],
    noticedBy: [BUDGETS],
  },
  {
    name: 'budgets: a held key with limits is valid whatever is held of them',
    file: 'domain/keys/held-key.ts',
    patches: [
      [
        'limits: key.limits === undefined ? null : heldLimits(key.limits)',
        'limits: key.limits === undefined ? heldLimits([]) : null',
      ],
    ],
    noticedBy: [BUDGETS],
  },
  {
    name: 'budgets: an isolate charges the usual limits, whatever a verification names',
    file: 'domain/limits/held-limits.ts',
    patches: [
      [
        'return spending === null ? usual : charges(all, spending);',
        'return spending === null ? usual : usual.concat(charges(all.slice(0, 0), spending));',
      ],
    ],
    noticedBy: [BUDGETS],
  },
  {
    name: 'budgets: verifications do not wait for a call that may bring units',
    file: VERIFY,
    patches: [
      ['const underWay = mayWait ? decisiveCall', 'const underWay = undecided.charged.length === 99 ? decisiveCall'],
    ],
    noticedBy: [BUDGETS],
  },
  {
    name: 'budgets: a row with what was given back is not written before the object sleeps',
    file: 'domain/limits/tenant-limits.ts',
    patches: [
      [
        '      if (counter !== undefined) this.#counters.used(counter, now);',
        '      if (counter === undefined) this.#counters.used(budget, now);',
      ],
    ],
    noticedBy: [BUDGETS],
  },
  // ---- limits ----
  {
    name: 'limits: memory spends a block that is not in the row',
    file: COUNTER,
    patches: [['write(this.#row(rest + lent, now),', 'write(this.#row(lent, now),']],
    noticedBy: [COUNTERS, LIMITED_KEYS],
  },
  {
    name: 'limits: a successor has a fresh counter',
    file: NAMED_LIMIT,
    patches: [[': (lineage ?? id);', ": lineage === '' ? '' : id;"]],
    noticedBy: [LIMITED_KEYS, PLANS, LIMITS_CAMPAIGN],
  },
  {
    name: 'limits: what counts for an owner is counted for each key',
    file: NAMED_LIMIT,
    patches: [["limit.per === 'owner' && owner !== null ?", "limit.per === 'owner' && owner === id ?"]],
    noticedBy: [LIMITED_KEYS, LIMITS_CAMPAIGN],
  },
  {
    name: 'limits: the cost of a verification is ignored',
    file: NAMED_LIMIT,
    patches: [['cost: named?.cost ?? cost }', 'cost: named?.cost ?? Math.min(cost, 1) }']],
    noticedBy: [LIMITED_KEYS, LIMITS_CAMPAIGN],
  },
  {
    name: 'limits: a repeated call charges one unit instead of the cost',
    file: 'src/object-client.ts',
    patches: [
      [
        'verifyKey(keyId, digest, scopes, call, !retry, spending',
        'verifyKey(keyId, digest, scopes, call, !retry, retry ? undefined : spending',
      ],
    ],
    noticedBy: ['test/limits/repeated-calls.test.ts'],
  },
  {
    name: 'limits: what one limit refuses is charged by the others',
    file: 'domain/limits/decision.ts',
    patches: [
      [
        'if (refusal === null) for (const { counter, cost, write } of charges) if (cost > 0) counter',
        'for (const { counter, cost, write } of charges) if (cost > 0 && counter.admits(cost, now)) counter',
      ],
    ],
    noticedBy: ['test/limits/decision.test.ts', LIMITED_KEYS],
  },
  {
    name: 'limits: a change of a plan concerns no lease',
    file: PLAN_MUTATIONS,
    patches: [
      ["return ok({ value: updated, audit, concerns: 'everything' });", 'return ok({ value: updated, audit });'],
    ],
    noticedBy: [PLANS],
  },
  {
    name: 'limits: a change of a plan leaves its keys in the memory of the object',
    file: PLAN_MUTATIONS,
    patches: [['      store.keys.forgetHot();\n', '']],
    noticedBy: [PLANS],
  },
  {
    name: 'limits: the times of a row are believed although the clock may have made a step',
    file: 'domain/limits/used-units.ts',
    patches: [['Math.min(at + by.clockStepMs, now);', 'Math.min(at, now);']],
    noticedBy: [COUNTERS],
  },
  {
    name: 'limits: what an earlier instance had written off does not count',
    file: 'domain/limits/used-units.ts',
    patches: [['used.addUnknown(row.open, openUntil);', 'used.addUnknown(0, openUntil);']],
    noticedBy: [COUNTERS],
  },
  {
    name: 'limits: a quota does not start anew with its period',
    file: 'domain/limits/calendar-count.ts',
    patches: [['if (start > tally.start) {', 'if (tally.start === 0) {']],
    noticedBy: ['test/limits/calendar.test.ts', COUNTERS],
  },
  {
    name: 'limits: a block of one period is spent in the next',
    file: COUNTER,
    patches: [
      ['const isOld = now - this.#writtenAt >= BLOCK_LASTS_MS;', 'const isOld = false;'],
      ['if (isOld || this.#era !== this.#used.era(now) || !this.#isRowGood)', 'if (isOld || !this.#isRowGood)'],
    ],
    noticedBy: [COUNTERS],
  },
  {
    name: 'limits: a unit leaves the window with the first of its bucket',
    file: 'domain/limits/sliding-window.ts',
    patches: [
      [
        '      last.at = Math.max(last.at, at);\n      last.units += units;\n      this.#units',
        '      last.units += units;\n      this.#units',
      ],
    ],
    noticedBy: ['test/limits/sliding-window.test.ts'],
  },
  // ---- guards ----
  {
    name: 'guards: whoever Keystead does not speak about is let in',
    file: GUARD,
    patches: [['if (!isAnswer(answer)) return refuse(...failed(error));', 'if (!isAnswer(answer)) answer = {} as V;']],
    noticedBy: [GUARDS],
  },
  {
    name: 'guards: what has no code is let in',
    file: GUARD,
    patches: [
      ["return typeof valid === 'boolean' && typeof code === 'string';", 'return valid !== code;'],
      ['if (answer.valid !== true)', 'if (answer.valid === false)'],
    ],
    noticedBy: [GUARDS],
  },
  {
    name: 'guards: the first of two keys is taken',
    file: PRESENTED_KEY,
    patches: [
      ['if (found !== undefined && found !== key)', 'if (found !== undefined) continue;\n    if (found === key)'],
    ],
    noticedBy: [GUARDS],
  },
  {
    name: 'guards: the first of two Authorization headers is taken',
    file: 'client/src/guards/node-headers.ts',
    patches: [['distinct.length > 1 ? distinct', 'distinct.length > 1000 ? distinct']],
    noticedBy: [GUARDS],
  },
  {
    name: 'guards: keys of any length and form are sent to Keystead',
    file: PRESENTED_KEY,
    patches: [['if (key.length > KEY_LENGTH_MAX || !KEY.test(key))', "if (key === '')"]],
    noticedBy: [GUARDS],
  },
  {
    name: 'guards: a line break at the end of a key is let through',
    file: PRESENTED_KEY,
    patches: [['const KEY = /^[!-+\\--~]+$/;', 'const KEY = /^[!-+\\--~]+$/m;']],
    noticedBy: [GUARDS],
  },
  {
    name: 'guards: the application decides about refused keys too',
    file: GUARD,
    patches: [
      [
        "if (!isAnswer(answer)) throw new TypeError('keystead:",
        "if (!isAnswer(answer) || !answer.valid) throw new TypeError('keystead:",
      ],
    ],
    noticedBy: [GUARDS],
  },
  {
    name: 'guards: Express goes on after a refusal',
    file: 'client/src/guards/express.ts',
    patches: [['JSON.stringify(answer.refusal.body));\n        return;', 'JSON.stringify(answer.refusal.body));']],
    noticedBy: [GUARDS],
  },
  // ---- usage ----
  {
    name: 'usage: a report that arrives again is counted again',
    file: 'domain/usage/reports.ts',
    patches: [['    if (number <= last) return;\n', '']],
    noticedBy: ['test/usage/reports.test.ts'],
  },
  {
    name: 'usage: what held records decide is not counted',
    file: 'src/verify/reports.ts',
    patches: [
      ['  if (planned !== null) objects.afterwards(planned,', '  if (planned === 1) objects.afterwards(planned,'],
    ],
    noticedBy: ['test/usage/http.test.ts', 'test/process/usage.test.ts'],
  },
  {
    name: 'usage: counts are not written when a tenant falls quiet',
    file: STATE,
    patches: [['if (usageDueIn !== null) this.#settleSoon(', 'if (usageDueIn === 0) this.#settleSoon(']],
    noticedBy: ['test/usage/http.test.ts', 'test/process/usage.test.ts'],
  },
  // ---- client ----
  {
    name: 'client: each attempt of a change has an Idempotency-Key of its own',
    file: TRANSPORT,
    patches: [
      [
        "            const init = { method, headers, redirect: 'manual'",
        "            if (attempt > 0 && idempotencyKey) headers['idempotency-key'] = platform.crypto.randomUUID();\n" +
          "            const init = { method, headers, redirect: 'manual'",
      ],
    ],
    noticedBy: CLIENT,
  },
  // ---- leases that are passed on to clients ----
  {
    name: 'a whole lease is passed on',
    file: HOLDER,
    patches: [['Math.floor(tenancy.until - now)', 'tenancy.until > now ? tenancy.grantedMs : 0']],
    noticedBy: [MODEL],
  },
  {
    name: 'a lease is passed on without what was changed',
    file: 'domain/leases/change-list.ts',
    patches: [['if (entry.seq > seq) for', 'if (entry.seq > latest) for']],
    noticedBy: [MODEL],
  },
  {
    name: 'the list of changes is cut without telling',
    file: 'domain/leases/change-list.ts',
    patches: [['from: Math.max(seq, this.#from)', 'from: seq']],
    noticedBy: [MODEL],
  },
  {
    name: 'a client may use a lease for longer than the one on its own key',
    file: 'src/api/leases/pass-on.ts',
    patches: [['callerLeaseMs(caller, systemObject, runtime, now)', 'Number.POSITIVE_INFINITY']],
    noticedBy: CLIENT_LEASES,
  },
  {
    name: 'a confined client gets a lease on any tenant',
    file: 'src/api/leases/operations.ts',
    patches: [['if (caller.confinement === null) return true;', 'if (caller !== null) return true;']],
    noticedBy: CLIENT_LEASES,
  },
  {
    name: 'a client gets the record of a key with limits',
    file: 'src/api/leases/pass-on.ts',
    patches: [['held === null || held.limits !== null', 'held === null']],
    noticedBy: CLIENT_LEASES,
  },
  {
    name: 'an isolate passes on the last moments of its lease',
    file: HOLDER,
    patches: [['>= PASSED_ON_SHARE_MIN * tenancy.grantedMs', '> 0']],
    noticedBy: CLIENT_LEASES,
  },
  {
    name: 'a client counts its lease from the answer',
    file: VERIFIER,
    patches: [
      [
        'this.#leases.receive(tenantId, asking, renewal',
        'this.#leases.receive(tenantId, { ...asking, at: now }, renewal',
      ],
    ],
    noticedBy: CLIENT_LEASES,
  },
  {
    name: 'a client believes a wall clock that was set back',
    file: VERIFIER,
    patches: [['      this.#leases.drop();\n', '']],
    noticedBy: CLIENT_LEASES,
  },
  {
    name: 'a client decides by its own clock when a key expires',
    file: VERIFIER,
    patches: [['scopes, now + this.#serverAheadMs', 'scopes, now']],
    noticedBy: CLIENT_LEASES,
  },
  {
    name: 'a client decides by the answer that another verification waits for',
    file: VERIFIER,
    patches: [
      [
        'const decided = this.#decide(text, options);',
        'const decided = (await call.catch(() => null)) as Verification | null;',
      ],
    ],
    noticedBy: CLIENT_LEASES,
  },
  {
    name: 'of two clocks, the monotonic one alone counts',
    file: 'domain/leases/two-clocks.ts',
    patches: [['      this.#ahead += gain - this.#gain;\n', '']],
    noticedBy: ['test/leases/two-clocks.test.ts'],
  },
  {
    name: 'client: a verification is repeated like a change',
    file: 'client/src/verify/verify.ts',
    patches: [['const RETRIES = { retries: 1, retryLostOnly: true }', 'const RETRIES = {}']],
    noticedBy: CLIENT,
  },
  {
    name: 'client: a call may wait for as long as Retry-After says',
    file: 'client/src/http/retries.ts',
    patches: [['return wait > MAX_WAIT_MS ? null : wait;', 'return Math.min(wait, 1);']],
    noticedBy: CLIENT,
  },
  {
    name: 'client: an answer is read whatever its size',
    file: 'client/src/http/answer.ts',
    patches: [['if (bytes > MAX_ANSWER_BYTES) {', 'if (bytes > 8 * MAX_ANSWER_BYTES) {']],
    noticedBy: CLIENT,
  },
  {
    name: 'client: the token goes wherever a redirect leads',
    file: TRANSPORT,
    patches: [["redirect: 'manual', signal", "redirect: 'follow' as 'manual', signal"]],
    noticedBy: CLIENT,
  },
  {
    name: 'client: an error repeats what fetch said',
    file: TRANSPORT,
    patches: [['!reason.includes(token) && !SECRET_LIKE.test(reason)', 'true']],
    noticedBy: ['test/process/client/secrecy.test.ts'],
  },
  {
    name: 'client: ids go into the path as they are',
    file: 'client/src/http/encode.ts',
    patches: [['return encodeURIComponent(text);', 'return text;']],
    noticedBy: CLIENT,
  },
  // ---- gateways and service bindings ----
  {
    name: "gateways: a customer takes the gateway's wrong token for an own mistake",
    file: 'src/api/senders.ts',
    patches: [['return detail === undefined ? problem :', 'return detail !== undefined ? problem :']],
    noticedBy: ['test/gateways/authorize.test.ts'],
  },
  {
    name: 'gateways: a customer chooses scopes and cost in its own query',
    file: 'src/api/gateways/operations.ts',
    patches: [["queryHeader: 'X-Keystead-Query', ", '']],
    noticedBy: ['test/gateways/authorize.test.ts'],
  },
  {
    name: 'gateways: an owner that is not there leaves room for one that a customer writes',
    file: 'src/api/gateways/answers.ts',
    patches: [
      [
        "'X-Keystead-Owner': encodeURIComponent(owner ?? ''),",
        "...(owner === null ? {} : { 'X-Keystead-Owner': encodeURIComponent(owner) }),",
      ],
    ],
    noticedBy: ['test/gateways/authorize.test.ts'],
  },
  {
    name: 'bindings: one that is confined to a tenant reaches all',
    file: 'src/auth/service-binding.ts',
    patches: [['tenantId === undefined ? null :', "tenantId !== '' ? null :"]],
    noticedBy: ['test/process/service-binding.test.ts'],
  },
  {
    name: 'bindings: a parameter becomes more of the path',
    file: 'src/service.ts',
    patches: [["typeof value !== 'string' || !pattern?.test(value)", "typeof value !== 'string'"]],
    noticedBy: ['test/process/service-binding.test.ts'],
  },
  {
    name: 'metrics: the value of a label is written as it is',
    file: 'domain/metrics/text-format.ts',
    patches: [["escapedValue(values[i] ?? '')", "values[i] ?? ''"]],
    noticedBy: ['test/metrics/text-format.test.ts'],
  },
  {
    name: 'metrics: without the directory there are none',
    file: 'src/api/metrics/collect.ts',
    patches: [['if (error instanceof Problem) return null;', '']],
    noticedBy: ['test/metrics/metrics.test.ts'],
  },
  {
    name: 'traces: any text is taken over into the log',
    file: 'src/http/trace-context.ts',
    patches: [['-(?!0{32})([0-9a-f]{32})-', '-(.{32})-']],
    noticedBy: ['test/metrics/metrics.test.ts'],
  },
];
