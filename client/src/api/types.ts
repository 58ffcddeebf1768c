// Made from openapi.json by `npm run openapi`; see client/tools/api-types.ts.

export interface KeysVerifyBody {
  /** The key string that your customer sent, whatever it is. */
  key: string;
  /** Scopes that the key must have. */
  scopes?: readonly string[] | undefined;
  /** The tenant that the key must belong to. */
  tenantId?: string | undefined;
  /** Whether to ask the object of the tenant even where an answer from memory would do. */
  fresh?: boolean | undefined;
  /** Units that it costs; 0 asks how the limits stand and spends nothing. By default 1. */
  cost?: number | undefined;
  /** Limits to count beside the automatic ones, or costs of their own. */
  limits?:
    | readonly {
        /** The name of the limit. Names that the key does not have limit nothing. */
        name: string;
        /** Units that this limit is charged, instead of `cost`. */
        cost?: number | undefined;
      }[]
    | undefined;
  /** From a program that verifies keys itself: asks for a lease and for the record of the key. */
  lease?:
    | {
        /** The version of the rules by which the program decides. */
        rules: 1;
        /** What the program knows of the tenant; null for nothing. */
        known: {
          /** The instance of the tenant that counts the changes. */
          epoch: string;
          /** The last change that is known. */
          seq: number;
        } | null;
      }
    | undefined;
}

export interface LeasesRenewBody {
  /** The version of the rules by which the program decides. */
  rules: 1;
  /** The tenants whose leases are to be renewed. */
  tenants: readonly {
    /** The tenant that it belongs to. */
    tenantId: string;
    /** What the program knows of the tenant; null for nothing. */
    known: {
      /** The instance of the tenant that counts the changes. */
      epoch: string;
      /** The last change that is known. */
      seq: number;
    } | null;
    /** Uses of keys that the server has not seen. */
    uses?:
      | readonly {
          /** The id of the key. */
          keyId: string;
          /** How long before the request. */
          agoMs: number;
        }[]
      | undefined;
    /** Counts of verifications that the server has not seen. */
    usage?:
      | {
          /** Names the program; the same in all its reports. */
          holder: string;
          /** The number of the report. A report that is sent again has the same. */
          number: number;
          /** Tells tenants apart that had the same id one after the other. */
          incarnation: string;
          /** The counts by key. */
          cells: readonly {
            /** The id of the key. */
            keyId: string;
            /** The owner of the key then; null for none. */
            owner: string | null;
            /** The plan of the key then; null for none. */
            plan: string | null;
            /** Verifications by code, in the order of `GET …/usage`, and the units of the valid ones. */
            tally: readonly number[];
          }[];
        }
      | undefined;
  }[];
}

export interface KeysCreateBody {
  /** For people. */
  name: string;
  /** The start of the key string. By default that of the tenant. */
  prefix?: string | undefined;
  /** The id of a customer of yours; null for none. */
  owner?: string | null | undefined;
  /** What the key may do. `a:*` covers every scope that starts with `a:`, and `*` covers all. */
  scopes?: readonly string[] | undefined;
  /** A JSON object of yours, part of each verification. At most 4,096 bytes, 8 levels and 1,000 values. */
  metadata?: Record<string, unknown> | undefined;
  /** When it stops working; null for never. */
  expiresAt?: string | Date | null | undefined;
  /** `false` switches it off until it is `true` again. */
  enabled?: boolean | undefined;
  /** The plan that gives it limits and allowed scopes; null for that of its owner. */
  plan?: string | null | undefined;
  /** At most so many units in any interval of so many seconds. */
  rateLimits?:
    | readonly {
        /** No two limits of a key have the same name. */
        name: string;
        /** The most units that it admits. */
        limit: number;
        /** The length of the interval in seconds. */
        windowSeconds: number;
        /**
         * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
         * owner.
         */
        per?: 'key' | 'owner' | undefined;
        /** Whether each verification counts; otherwise only those that name the limit. */
        automatic?: boolean | undefined;
      }[]
    | undefined;
  /** At most so many units in each period of the UTC calendar. */
  quotas?:
    | readonly {
        /** No two limits of a key have the same name. */
        name: string;
        /** The most units that it admits. */
        limit: number;
        /** The period of the calendar. Weeks start on Monday. */
        period: 'hour' | 'day' | 'week' | 'month';
        /**
         * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
         * owner.
         */
        per?: 'key' | 'owner' | undefined;
        /** Whether each verification counts; otherwise only those that name the limit. */
        automatic?: boolean | undefined;
      }[]
    | undefined;
  /** Units that may be used up; null for none of its own. */
  credits?:
    | {
        /** How many units are left. */
        remaining: number;
        /** What is added by and by; null for nothing. */
        refill?:
          | {
              /** The units that are added each time. */
              amount: number;
              /** When they are added: at the start of each day, or of a day in each month, in UTC. */
              interval: 'day';
            }
          | {
              /** The units that are added each time. */
              amount: number;
              /** When they are added: at the start of each day, or of a day in each month, in UTC. */
              interval: 'month';
              /** The day of the month, or its last day where it has fewer. */
              day: number;
            }
          | null
          | undefined;
      }
    | null
    | undefined;
}

export interface KeysCreateManyBody {
  /** The keys to create: all of them or none. */
  keys: readonly KeysCreateBody[];
}

export interface KeysImportBody {
  /** The keys to import: all of them or none. */
  keys: readonly KeysImportItem[];
}

export type KeysRevokeManyBody =
  | {
      /** Ids of keys. */
      ids: readonly string[];
    }
  | {
      /** Revokes all keys of this owner. */
      owner: string;
    };

export interface KeysUpdateBody {
  /** For people. */
  name?: string | undefined;
  /** The id of a customer of yours; null for none. */
  owner?: string | null | undefined;
  /** What the key may do. `a:*` covers every scope that starts with `a:`, and `*` covers all. */
  scopes?: readonly string[] | null | undefined;
  /** A JSON object of yours, part of each verification. At most 4,096 bytes, 8 levels and 1,000 values. */
  metadata?: Record<string, unknown> | null | undefined;
  /** When it stops working; null for never. */
  expiresAt?: string | Date | null | undefined;
  /** `false` switches it off until it is `true` again. */
  enabled?: boolean | undefined;
  /** The plan that gives it limits and allowed scopes; null for that of its owner. */
  plan?: string | null | undefined;
  /** At most so many units in any interval of so many seconds. */
  rateLimits?:
    | readonly {
        /** No two limits of a key have the same name. */
        name: string;
        /** The most units that it admits. */
        limit: number;
        /** The length of the interval in seconds. */
        windowSeconds: number;
        /**
         * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
         * owner.
         */
        per?: 'key' | 'owner' | undefined;
        /** Whether each verification counts; otherwise only those that name the limit. */
        automatic?: boolean | undefined;
      }[]
    | null
    | undefined;
  /** At most so many units in each period of the UTC calendar. */
  quotas?:
    | readonly {
        /** No two limits of a key have the same name. */
        name: string;
        /** The most units that it admits. */
        limit: number;
        /** The period of the calendar. Weeks start on Monday. */
        period: 'hour' | 'day' | 'week' | 'month';
        /**
         * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
         * owner.
         */
        per?: 'key' | 'owner' | undefined;
        /** Whether each verification counts; otherwise only those that name the limit. */
        automatic?: boolean | undefined;
      }[]
    | null
    | undefined;
  /** Units that may be used up; null for none of its own. */
  credits?:
    | {
        /** How many units are left. */
        remaining?: number | undefined;
        /** What is added by and by; null for nothing. */
        refill?:
          | {
              /** The units that are added each time. */
              amount: number;
              /** When they are added: at the start of each day, or of a day in each month, in UTC. */
              interval: 'day';
            }
          | {
              /** The units that are added each time. */
              amount: number;
              /** When they are added: at the start of each day, or of a day in each month, in UTC. */
              interval: 'month';
              /** The day of the month, or its last day where it has fewer. */
              day: number;
            }
          | null
          | undefined;
      }
    | null
    | undefined;
}

export interface KeysRotateBody {
  /** How long the key stays valid after the rotation. By default what the tenant has. */
  gracePeriodSeconds?: number | undefined;
  /** For people. */
  name?: string | undefined;
  /** What the key may do. `a:*` covers every scope that starts with `a:`, and `*` covers all. */
  scopes?: readonly string[] | null | undefined;
  /** A JSON object of yours, part of each verification. At most 4,096 bytes, 8 levels and 1,000 values. */
  metadata?: Record<string, unknown> | null | undefined;
  /** When it stops working; null for never. */
  expiresAt?: string | Date | null | undefined;
  /** The plan that gives it limits and allowed scopes; null for that of its owner. */
  plan?: string | null | undefined;
  /** At most so many units in any interval of so many seconds. */
  rateLimits?:
    | readonly {
        /** No two limits of a key have the same name. */
        name: string;
        /** The most units that it admits. */
        limit: number;
        /** The length of the interval in seconds. */
        windowSeconds: number;
        /**
         * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
         * owner.
         */
        per?: 'key' | 'owner' | undefined;
        /** Whether each verification counts; otherwise only those that name the limit. */
        automatic?: boolean | undefined;
      }[]
    | null
    | undefined;
  /** At most so many units in each period of the UTC calendar. */
  quotas?:
    | readonly {
        /** No two limits of a key have the same name. */
        name: string;
        /** The most units that it admits. */
        limit: number;
        /** The period of the calendar. Weeks start on Monday. */
        period: 'hour' | 'day' | 'week' | 'month';
        /**
         * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
         * owner.
         */
        per?: 'key' | 'owner' | undefined;
        /** Whether each verification counts; otherwise only those that name the limit. */
        automatic?: boolean | undefined;
      }[]
    | null
    | undefined;
}

export interface KeysRevokeBody {
  /** For the audit log. */
  reason?: string | null | undefined;
  /** Whether to revoke every predecessor and successor as well. */
  lineage?: boolean | undefined;
}

export interface OwnersCreateBody {
  /** The `owner` of its keys. */
  id: string;
  /** For people. */
  name?: string | null | undefined;
  /** A JSON object of yours, part of each verification. At most 4,096 bytes, 8 levels and 1,000 values. */
  metadata?: Record<string, unknown> | undefined;
  /** `false` switches it off until it is `true` again. */
  enabled?: boolean | undefined;
  /** The plan of its keys that name none; null for none. */
  plan?: string | null | undefined;
  /** Units that may be used up; null for none of its own. */
  credits?:
    | {
        /** How many units are left. */
        remaining: number;
        /** What is added by and by; null for nothing. */
        refill?:
          | {
              /** The units that are added each time. */
              amount: number;
              /** When they are added: at the start of each day, or of a day in each month, in UTC. */
              interval: 'day';
            }
          | {
              /** The units that are added each time. */
              amount: number;
              /** When they are added: at the start of each day, or of a day in each month, in UTC. */
              interval: 'month';
              /** The day of the month, or its last day where it has fewer. */
              day: number;
            }
          | null
          | undefined;
      }
    | null
    | undefined;
}

export interface OwnersUpdateBody {
  /** For people. */
  name?: string | null | undefined;
  /** A JSON object of yours, part of each verification. At most 4,096 bytes, 8 levels and 1,000 values. */
  metadata?: Record<string, unknown> | null | undefined;
  /** `false` stops all its keys, `true` lets them go on. */
  enabled?: boolean | undefined;
  /** The plan of its keys that name none; null for none. */
  plan?: string | null | undefined;
  /** Units that may be used up; null for none of its own. */
  credits?:
    | {
        /** How many units are left. */
        remaining?: number | undefined;
        /** What is added by and by; null for nothing. */
        refill?:
          | {
              /** The units that are added each time. */
              amount: number;
              /** When they are added: at the start of each day, or of a day in each month, in UTC. */
              interval: 'day';
            }
          | {
              /** The units that are added each time. */
              amount: number;
              /** When they are added: at the start of each day, or of a day in each month, in UTC. */
              interval: 'month';
              /** The day of the month, or its last day where it has fewer. */
              day: number;
            }
          | null
          | undefined;
      }
    | null
    | undefined;
}

export interface PlansCreateBody {
  /** The `plan` of its keys and owners. */
  id: string;
  /** For people. */
  name?: string | null | undefined;
  /** At most so many units in any interval of so many seconds. */
  rateLimits?:
    | readonly {
        /** No two limits of a key have the same name. */
        name: string;
        /** The most units that it admits. */
        limit: number;
        /** The length of the interval in seconds. */
        windowSeconds: number;
        /**
         * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
         * owner.
         */
        per?: 'key' | 'owner' | undefined;
        /** Whether each verification counts; otherwise only those that name the limit. */
        automatic?: boolean | undefined;
      }[]
    | undefined;
  /** At most so many units in each period of the UTC calendar. */
  quotas?:
    | readonly {
        /** No two limits of a key have the same name. */
        name: string;
        /** The most units that it admits. */
        limit: number;
        /** The period of the calendar. Weeks start on Monday. */
        period: 'hour' | 'day' | 'week' | 'month';
        /**
         * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
         * owner.
         */
        per?: 'key' | 'owner' | undefined;
        /** Whether each verification counts; otherwise only those that name the limit. */
        automatic?: boolean | undefined;
      }[]
    | undefined;
  /** What keys of the plan may do at most; null for whatever their own scopes say. */
  allowedScopes?: readonly string[] | null | undefined;
}

export interface PlansUpdateBody {
  /** For people. */
  name?: string | null | undefined;
  /** At most so many units in any interval of so many seconds. */
  rateLimits?:
    | readonly {
        /** No two limits of a key have the same name. */
        name: string;
        /** The most units that it admits. */
        limit: number;
        /** The length of the interval in seconds. */
        windowSeconds: number;
        /**
         * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
         * owner.
         */
        per?: 'key' | 'owner' | undefined;
        /** Whether each verification counts; otherwise only those that name the limit. */
        automatic?: boolean | undefined;
      }[]
    | null
    | undefined;
  /** At most so many units in each period of the UTC calendar. */
  quotas?:
    | readonly {
        /** No two limits of a key have the same name. */
        name: string;
        /** The most units that it admits. */
        limit: number;
        /** The period of the calendar. Weeks start on Monday. */
        period: 'hour' | 'day' | 'week' | 'month';
        /**
         * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
         * owner.
         */
        per?: 'key' | 'owner' | undefined;
        /** Whether each verification counts; otherwise only those that name the limit. */
        automatic?: boolean | undefined;
      }[]
    | null
    | undefined;
  /** What keys of the plan may do at most; null for whatever their own scopes say. */
  allowedScopes?: readonly string[] | null | undefined;
}

export interface KeysChangeCreditsBody {
  /** What to do with the balance. */
  operation: 'set' | 'increment' | 'decrement';
  /** The new balance, or the units to add or take away. */
  amount: number;
}

export interface LimitsCheckBody {
  /** What tells one visitor from another, an address for example. Only a digest of it is kept. */
  identifier: string;
  /** The name of a limit of the tenant. */
  name: string;
  /** Units that it costs; 0 asks how the limits stand and spends nothing. By default 1. */
  cost?: number | undefined;
}

export interface TenantsCreateBody {
  /** By default the service makes one. */
  id?: string | undefined;
  /** For people. By default the id. */
  name?: string | undefined;
  /** Rules for the keys of the tenant. */
  settings?:
    | {
        /** How long a rotated key stays valid when the rotation does not say. */
        gracePeriodSeconds?: number | undefined;
        /** The prefix of keys whose creation does not name one. */
        keyPrefix?: string | undefined;
        /** How long an ended key stays in lists before the cleanup removes it. */
        retentionSeconds?: number | undefined;
        /** `sealed`: key strings are kept, encrypted. `digest`: they are not kept. */
        storage?: 'sealed' | 'digest' | undefined;
        /** Whether a key string that is kept may be shown again. */
        allowReveal?: boolean | undefined;
        /**
         * How long verifications may be answered from memory. Changes of keys in use wait so long; 0 for
         * never.
         */
        leaseSeconds?: number | undefined;
        /** How long audit entries are kept; null for ever. */
        auditRetentionSeconds?: number | null | undefined;
        /** How long usage by hour is kept; 0 keeps none. */
        usageHourRetentionSeconds?: number | undefined;
        /** How long usage by day is kept; 0 keeps none. */
        usageDayRetentionSeconds?: number | undefined;
      }
    | undefined;
}

export interface TenantsUpdateBody {
  /** For people. */
  name?: string | undefined;
  /** `disabled` stops all keys of the tenant, `active` lets them go on. */
  status?: 'active' | 'disabled' | undefined;
  /** Rules for the keys of the tenant. */
  settings?:
    | {
        /** How long a rotated key stays valid when the rotation does not say. */
        gracePeriodSeconds?: number | undefined;
        /** The prefix of keys whose creation does not name one. */
        keyPrefix?: string | undefined;
        /** How long an ended key stays in lists before the cleanup removes it. */
        retentionSeconds?: number | undefined;
        /** `sealed`: key strings are kept, encrypted. `digest`: they are not kept. */
        storage?: 'sealed' | 'digest' | undefined;
        /** Whether a key string that is kept may be shown again. */
        allowReveal?: boolean | undefined;
        /**
         * How long verifications may be answered from memory. Changes of keys in use wait so long; 0 for
         * never.
         */
        leaseSeconds?: number | undefined;
        /** How long audit entries are kept; null for ever. */
        auditRetentionSeconds?: number | null | undefined;
        /** How long usage by hour is kept; 0 keeps none. */
        usageHourRetentionSeconds?: number | undefined;
        /** How long usage by day is kept; 0 keeps none. */
        usageDayRetentionSeconds?: number | undefined;
      }
    | undefined;
  /** Limits for identifiers that are no keys. An absent list keeps its value, null clears it. */
  limits?:
    | {
        /** At most so many units in any interval of so many seconds. */
        rateLimits?:
          | readonly {
              /** No two limits of a tenant have the same name. */
              name: string;
              /** The most units that it admits. */
              limit: number;
              /** The length of the interval in seconds. */
              windowSeconds: number;
            }[]
          | null
          | undefined;
        /** At most so many units in each period of the UTC calendar. */
        quotas?:
          | readonly {
              /** No two limits of a tenant have the same name. */
              name: string;
              /** The most units that it admits. */
              limit: number;
              /** The period of the calendar. Weeks start on Monday. */
              period: 'hour' | 'day' | 'week' | 'month';
            }[]
          | null
          | undefined;
      }
    | undefined;
}

export interface ManagementKeysCreateBody {
  /** For people. */
  name: string;
  /** A named list of permissions. Give either this or `permissions`. */
  role?: 'owner' | 'admin' | 'operator' | 'auditor' | 'verifier' | 'monitor' | undefined;
  /** What the caller may do. Give either this or `role`. */
  permissions?:
    | readonly (
        | 'tenants:read'
        | 'tenants:write'
        | 'keys:read'
        | 'keys:create'
        | 'keys:update'
        | 'keys:rotate'
        | 'keys:revoke'
        | 'keys:delete'
        | 'keys:reveal'
        | 'keys:verify'
        | 'owners:read'
        | 'owners:write'
        | 'plans:read'
        | 'plans:write'
        | 'audit:read'
        | 'usage:read'
        | 'maintenance:read'
        | 'maintenance:run'
        | 'metrics:read'
        | 'management:read'
        | 'management:write'
      )[]
    | undefined;
  /** The one tenant that the caller may reach; null for all. */
  tenantId?: string | null | undefined;
  /** When it stops working; null for never. */
  expiresAt?: string | Date | null | undefined;
}

export interface ManagementKeysRotateBody {
  /** How long the key stays valid after the rotation. By default what the tenant has. */
  gracePeriodSeconds?: number | undefined;
  /** For people. */
  name?: string | undefined;
  /** When it stops working; null for never. */
  expiresAt?: string | Date | null | undefined;
}

export interface KeysImportItem {
  /** The hash of the whole key string, as UTF-8. */
  hash: {
    /** The hash function. Slow hashes with a salt, like bcrypt and argon2, cannot be imported. */
    algorithm: 'sha256';
    /** The 32 bytes of the hash, written as `encoding` says. */
    value: string;
    /** `hex` in lower case, `base64` with padding, or `base64url` without. */
    encoding: 'hex' | 'base64' | 'base64url';
  };
  /** The start of the key string, as it is to be shown. */
  prefix?: string;
  /** What people recognise the key by. By default the prefix. Never the whole key string. */
  hint?: string;
  /** When it was issued; null for now. Not in the future, and not before the year 2000. */
  createdAt?: string | null;
  /** For people. */
  name: string;
  /** The id of a customer of yours; null for none. */
  owner?: string | null;
  /** What the key may do. `a:*` covers every scope that starts with `a:`, and `*` covers all. */
  scopes?: string[];
  /** A JSON object of yours, part of each verification. At most 4,096 bytes, 8 levels and 1,000 values. */
  metadata?: Record<string, unknown>;
  /** When it stops working; null for never. */
  expiresAt?: string | null;
  /** `false` switches it off until it is `true` again. */
  enabled?: boolean;
  /** The plan that gives it limits and allowed scopes; null for that of its owner. */
  plan?: string | null;
  /** At most so many units in any interval of so many seconds. */
  rateLimits?: {
    /** No two limits of a key have the same name. */
    name: string;
    /** The most units that it admits. */
    limit: number;
    /** The length of the interval in seconds. */
    windowSeconds: number;
    /**
     * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
     * owner.
     */
    per?: 'key' | 'owner';
    /** Whether each verification counts; otherwise only those that name the limit. */
    automatic?: boolean;
  }[];
  /** At most so many units in each period of the UTC calendar. */
  quotas?: {
    /** No two limits of a key have the same name. */
    name: string;
    /** The most units that it admits. */
    limit: number;
    /** The period of the calendar. Weeks start on Monday. */
    period: 'hour' | 'day' | 'week' | 'month';
    /**
     * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
     * owner.
     */
    per?: 'key' | 'owner';
    /** Whether each verification counts; otherwise only those that name the limit. */
    automatic?: boolean;
  }[];
  /** Units that may be used up; null for none of its own. */
  credits?: {
    /** How many units are left. */
    remaining: number;
    /** What is added by and by; null for nothing. */
    refill?:
      | {
          /** The units that are added each time. */
          amount: number;
          /** When they are added: at the start of each day, or of a day in each month, in UTC. */
          interval: 'day';
        }
      | {
          /** The units that are added each time. */
          amount: number;
          /** When they are added: at the start of each day, or of a day in each month, in UTC. */
          interval: 'month';
          /** The day of the month, or its last day where it has fewer. */
          day: number;
        }
      | null;
  } | null;
}

export interface Key {
  /** Identifies the resource; not secret. */
  id: string;
  /** The tenant that it belongs to. */
  tenantId: string;
  /** For people. */
  name: string;
  /** The start of the key string. By default that of the tenant. */
  prefix: string;
  /** To tell keys apart: prefix and last four characters of the key string, or what the import said. */
  hint: string;
  /** Whether it was issued elsewhere and imported. Then its key string cannot be shown. */
  imported: boolean;
  /** The id of a customer of yours; null for none. */
  owner: string | null;
  /** What the key may do. `a:*` covers every scope that starts with `a:`, and `*` covers all. */
  scopes: string[];
  /** A JSON object of yours, part of each verification. At most 4,096 bytes, 8 levels and 1,000 values. */
  metadata: Record<string, unknown>;
  /** What the key is at this moment. */
  status: 'active' | 'rotating' | 'rotated' | 'disabled' | 'expired' | 'revoked';
  /** `false` switches it off until it is `true` again. */
  enabled: boolean;
  /** The plan that gives it limits and allowed scopes; null for that of its owner. */
  plan: string | null;
  /** At most so many units in any interval of so many seconds. */
  rateLimits: RateLimit[];
  /** At most so many units in each period of the UTC calendar. */
  quotas: Quota[];
  /** Units that may be used up; null for none of its own. */
  credits: Credits | null;
  /** When it was created. */
  createdAt: string;
  /** Who created it; null if that was before it was recorded. */
  createdBy: Actor | null;
  /** When its record last changed. */
  updatedAt: string;
  /** When it stops working; null for never. */
  expiresAt: string | null;
  /** When it was revoked; null if it was not. */
  revokedAt: string | null;
  /** Who revoked it; null if it was not revoked, or before it was recorded. */
  revokedBy: Actor | null;
  /** The last valid use, to the minute; null for none. */
  lastUsedAt: string | null;
  /** Grows with each change. The entity tag is made from it. */
  version: number;
  /** Predecessor and successor of the key, and its grace period. */
  rotation: Lineage;
}

export interface KeyWithSecret {
  /** Identifies the resource; not secret. */
  id: string;
  /** The tenant that it belongs to. */
  tenantId: string;
  /** For people. */
  name: string;
  /** The start of the key string. By default that of the tenant. */
  prefix: string;
  /** To tell keys apart: prefix and last four characters of the key string, or what the import said. */
  hint: string;
  /** Whether it was issued elsewhere and imported. Then its key string cannot be shown. */
  imported: boolean;
  /** The id of a customer of yours; null for none. */
  owner: string | null;
  /** What the key may do. `a:*` covers every scope that starts with `a:`, and `*` covers all. */
  scopes: string[];
  /** A JSON object of yours, part of each verification. At most 4,096 bytes, 8 levels and 1,000 values. */
  metadata: Record<string, unknown>;
  /** What the key is at this moment. */
  status: 'active' | 'rotating' | 'rotated' | 'disabled' | 'expired' | 'revoked';
  /** `false` switches it off until it is `true` again. */
  enabled: boolean;
  /** The plan that gives it limits and allowed scopes; null for that of its owner. */
  plan: string | null;
  /** At most so many units in any interval of so many seconds. */
  rateLimits: RateLimit[];
  /** At most so many units in each period of the UTC calendar. */
  quotas: Quota[];
  /** Units that may be used up; null for none of its own. */
  credits: Credits | null;
  /** When it was created. */
  createdAt: string;
  /** Who created it; null if that was before it was recorded. */
  createdBy: Actor | null;
  /** When its record last changed. */
  updatedAt: string;
  /** When it stops working; null for never. */
  expiresAt: string | null;
  /** When it was revoked; null if it was not. */
  revokedAt: string | null;
  /** Who revoked it; null if it was not revoked, or before it was recorded. */
  revokedBy: Actor | null;
  /** The last valid use, to the minute; null for none. */
  lastUsedAt: string | null;
  /** Grows with each change. The entity tag is made from it. */
  version: number;
  /** Predecessor and successor of the key, and its grace period. */
  rotation: Lineage;
  /** The key string. It is secret, and only this answer shows it. */
  secret: string;
}

export interface KeyRotation {
  /** The successor, with its key string. */
  key: KeyWithSecret;
  /** The key that was replaced. */
  rotated: Key;
}

export interface KeyPage {
  /** The items, in order. */
  data: Key[];
  /** Where this page is in the list. */
  page: PageInfo;
}

export interface KeyPageByOffset {
  /** The items, in order. */
  data: Key[];
  /** Where this page is in the list. */
  page: {
    /** The `limit` of the request. */
    limit: number;
    /** The `offset` of the request. */
    offset: number;
    /** How many keys match. */
    total: number;
    /** Whether exactly so many match; otherwise at least so many. */
    totalIsExact: boolean;
    /** Whether there are more items. A page may have fewer items than `limit` while there are. */
    hasMore: boolean;
  };
}

export type KeyList = KeyPage | KeyPageByOffset;

export interface KeyCounts {
  /** In use. */
  active: number;
  /** Replaced, in their grace period. */
  rotating: number;
  /** Replaced, and the grace period is over. */
  rotated: number;
  /** Switched off. */
  disabled: number;
  /** Past their end. */
  expired: number;
  /** Ended for good. */
  revoked: number;
  /** All of them. */
  total: number;
  /** Whether every number is exact at this moment; `total` always is. */
  exact: boolean;
}

export interface KeysWithSecrets {
  /** The items, in order. */
  data: KeyWithSecret[];
}

export interface ImportedKeys {
  /** The items, in order. */
  data: Key[];
}

export interface RevocationCount {
  /** How many keys are revoked now that were not before. */
  revoked: number;
}

export interface KeyString {
  /** The key string. */
  secret: string;
}

export interface Verification {
  /** Whether the key is good for what was asked. Only `VALID` is. */
  valid: boolean;
  /** The first reason that applies, or `VALID`. */
  code:
    | 'VALID'
    | 'MALFORMED'
    | 'FORGED'
    | 'NOT_FOUND'
    | 'REVOKED'
    | 'EXPIRED'
    | 'ROTATED'
    | 'DISABLED'
    | 'TENANT_DISABLED'
    | 'OWNER_DISABLED'
    | 'INSUFFICIENT_SCOPES'
    | 'RATE_LIMITED'
    | 'QUOTA_EXCEEDED'
    | 'INSUFFICIENT_CREDITS';
  /** The id of the key. */
  keyId?: string;
  /** The tenant that it belongs to. */
  tenantId?: string;
  /** For people. */
  name?: string;
  /** The id of a customer of yours; null for none. */
  owner?: string | null;
  /** The metadata of the owner. Of keys that have one. */
  ownerMetadata?: Record<string, unknown>;
  /** The plan of the key or else of its owner. Of keys that have one. */
  plan?: string;
  /** What the key may do. `a:*` covers every scope that starts with `a:`, and `*` covers all. */
  scopes?: string[];
  /** A JSON object of yours, part of each verification. At most 4,096 bytes, 8 levels and 1,000 values. */
  metadata?: Record<string, unknown>;
  /** When it stops working; null for never. */
  expiresAt?: string | null;
  /** Predecessor and successor of the key, and its grace period. */
  rotation?: Lineage;
  /** How the limits stand that applied. */
  limits?: LimitState[];
  /** What is left of the credits that the key draws on. Of keys that draw on any. */
  credits?: {
    /** How many units are left. */
    remaining: number;
  };
  /** What the holder of the key should know. */
  warnings: (
    | {
        /** Which warning it is. */
        code: 'key_rotated';
        /** For people. */
        message: string;
        /** When the grace period ends or ended; null without one. */
        graceEndsAt: string;
        /** The id of the successor; null for none. */
        replacedBy: string | null;
      }
    | {
        /** Which warning it is. */
        code: 'expiring_soon';
        /** For people. */
        message: string;
        /** When it stops working; null for never. */
        expiresAt: string;
      }
  )[];
  /** What the program may decide by; null when there is no lease. Only when it was asked for. */
  lease?: Lease | null;
}

export interface Lease {
  /** The instance of the tenant that counts the changes. */
  epoch: string;
  /** The last change that is known. */
  seq: number;
  /** `changed` names all changes after this one. Who knows less drops all records of the tenant. */
  from: number;
  /** Ids of changed keys, whose records are void. */
  changed: string[];
  /** How long the lease is, counted from before the request was sent. */
  leaseMs: number;
  /** The time of the server, in milliseconds since 1970. */
  now: number;
  /** The record of the key; null when the key is decided by the server alone. */
  record: {
    /** The tenant of the key. */
    tenant: {
      /** Identifies the resource; not secret. */
      id: string;
      /** Tells tenants apart that had the same id one after the other. */
      incarnation: string;
      /** When it was created. */
      createdAt: number;
    };
    /** What the decision depends on, and what the answer shows. Times are in milliseconds since 1970. */
    key: {
      /** Identifies the resource; not secret. */
      id: string;
      /** For people. */
      name: string;
      /** The id of a customer of yours; null for none. */
      owner: string | null;
      /** What the key may do. `a:*` covers every scope that starts with `a:`, and `*` covers all. */
      scopes: string[];
      /** The text of a JSON object. */
      metadata: string;
      /** `false` switches it off until it is `true` again. */
      enabled: boolean;
      /** When it was created. */
      createdAt: number;
      /** When it stops working; null for never. */
      expiresAt: number | null;
      /** When it was revoked; null if it was not. */
      revokedAt: number | null;
      /** The id of the predecessor; null for none. */
      replaces: string | null;
      /** The id of the successor; null for none. */
      replacedBy: string | null;
      /** When it was rotated; null if it was not. */
      rotatedAt: number | null;
      /** When the grace period ends or ended; null without one. */
      graceEndsAt: number | null;
      /** Whether the owner is disabled. */
      ownerDisabled?: true;
      /** The text of a JSON object. */
      ownerMetadata?: string;
      /** The plan that gives it limits and allowed scopes; null for that of its owner. */
      plan?: string;
      /** What keys of the plan may do at most; null for whatever their own scopes say. */
      allowedScopes?: string[];
    };
  } | null;
}

export interface Lineage {
  /** The id of the predecessor; null for none. */
  replaces: string | null;
  /** The id of the successor; null for none. */
  replacedBy: string | null;
  /** When it was rotated; null if it was not. */
  rotatedAt: string | null;
  /** When the grace period ends or ended; null without one. */
  graceEndsAt: string | null;
}

export interface Actor {
  /** The kind of caller. */
  type: 'admin_token' | 'management_key' | 'service_binding' | 'system';
  /** The id of the management key, `binding:` with the name of a service binding, or `admin`. */
  id: string;
}

export interface RateLimit {
  /** No two limits of a key have the same name. */
  name: string;
  /** The most units that it admits. */
  limit: number;
  /** The length of the interval in seconds. */
  windowSeconds: number;
  /**
   * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
   * owner.
   */
  per: 'key' | 'owner';
  /** Whether each verification counts; otherwise only those that name the limit. */
  automatic: boolean;
}

export interface Quota {
  /** No two limits of a key have the same name. */
  name: string;
  /** The most units that it admits. */
  limit: number;
  /** The period of the calendar. Weeks start on Monday. */
  period: 'hour' | 'day' | 'week' | 'month';
  /**
   * `key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its
   * owner.
   */
  per: 'key' | 'owner';
  /** Whether each verification counts; otherwise only those that name the limit. */
  automatic: boolean;
}

export interface LimitState {
  /** The name of the limit. */
  name: string;
  /** The most units that it admits. */
  limit: number;
  /** How many units are left. */
  remaining: number;
  /** When all of it is free again, if nothing more is used. */
  resetsAt: string;
  /** In how many milliseconds it would admit this cost; null for never. Only of a limit that refused. */
  retryAfterMs?: number | null;
}

export interface LimitCheck {
  /** Whether the use is allowed. Then it has been counted. */
  allowed: boolean;
  /** Why it is not allowed, or `VALID`. */
  code: 'VALID' | 'TENANT_DISABLED' | 'RATE_LIMITED' | 'QUOTA_EXCEEDED';
  /** The name of the limit. */
  name?: string;
  /** The most units that it admits. */
  limit?: number;
  /** How many units are left. */
  remaining?: number;
  /** When all of it is free again, if nothing more is used. */
  resetsAt?: string;
  /** In how many milliseconds it would admit this cost; null for never. Only of a limit that refused. */
  retryAfterMs?: number | null;
}

export interface Credits {
  /** How many units are left. */
  remaining: number;
  /** What is added by and by; null for nothing. */
  refill:
    | {
        /** The units that are added each time. */
        amount: number;
        /** When they are added: at the start of each day, or of a day in each month, in UTC. */
        interval: 'day';
      }
    | {
        /** The units that are added each time. */
        amount: number;
        /** When they are added: at the start of each day, or of a day in each month, in UTC. */
        interval: 'month';
        /** The day of the month, or its last day where it has fewer. */
        day: number;
      }
    | null;
  /** When the next refill is due; null for never. */
  nextRefillAt: string | null;
}

export interface TenantLimits {
  /** At most so many units in any interval of so many seconds. */
  rateLimits: {
    /** No two limits of a tenant have the same name. */
    name: string;
    /** The most units that it admits. */
    limit: number;
    /** The length of the interval in seconds. */
    windowSeconds: number;
  }[];
  /** At most so many units in each period of the UTC calendar. */
  quotas: {
    /** No two limits of a tenant have the same name. */
    name: string;
    /** The most units that it admits. */
    limit: number;
    /** The period of the calendar. Weeks start on Monday. */
    period: 'hour' | 'day' | 'week' | 'month';
  }[];
}

export interface Rotation {
  /** Identifies the resource; not secret. */
  id: string;
  /** The id of the key that was rotated. */
  predecessor: string;
  /** The id of the key that replaces it. */
  successor: string;
  /** When it was rotated; null if it was not. */
  rotatedAt: string;
  /** When the grace period ends or ended; null without one. */
  graceEndsAt: string;
  /** When the rotation ended; null while it is in its grace period. */
  endedAt: string | null;
  /** In its grace period, ended, or cancelled. */
  state: 'grace' | 'completed' | 'cancelled';
  /** Who rotated the key. */
  by: {
    /** The kind of caller. */
    type: string;
    /** The id of the management key, `binding:` with the name of a service binding, or `admin`. */
    id: string;
  };
  /** The first valid use of the successor; null for none. */
  successorFirstUsedAt: string | null;
  /** The last valid use of the predecessor; null for none. */
  predecessorLastUsedAt: string | null;
}

export interface RotationList {
  /** The items, in order. */
  data: Rotation[];
  /** Where this page is in the list. */
  page: PageInfo;
}

export interface Owner {
  /** The `owner` of its keys. */
  id: string;
  /** The tenant that it belongs to. */
  tenantId: string;
  /** For people; null for none. */
  name: string | null;
  /** A JSON object of yours, part of each verification. At most 4,096 bytes, 8 levels and 1,000 values. */
  metadata: Record<string, unknown>;
  /** `false` stops all its keys. */
  enabled: boolean;
  /** The plan of its keys that name none; null for none. */
  plan: string | null;
  /** Units that its keys may use up that have none of their own; null for none. */
  credits: Credits | null;
  /** When it was created. */
  createdAt: string;
  /** Who created it; null if that was before it was recorded. */
  createdBy: Actor | null;
  /** When its record last changed. */
  updatedAt: string;
  /** Grows with each change. The entity tag is made from it. */
  version: number;
}

export interface OwnerList {
  /** The items, in order. */
  data: Owner[];
  /** Where this page is in the list. */
  page: PageInfo;
}

export interface Plan {
  /** The `plan` of its keys and owners. */
  id: string;
  /** The tenant that it belongs to. */
  tenantId: string;
  /** For people. */
  name: string | null;
  /** At most so many units in any interval of so many seconds. */
  rateLimits: RateLimit[];
  /** At most so many units in each period of the UTC calendar. */
  quotas: Quota[];
  /** What keys of the plan may do at most; null for whatever their own scopes say. */
  allowedScopes: string[] | null;
  /** When it was created. */
  createdAt: string;
  /** Who created it; null if that was before it was recorded. */
  createdBy: Actor | null;
  /** When its record last changed. */
  updatedAt: string;
  /** Grows with each change. The entity tag is made from it. */
  version: number;
}

export interface PlanList {
  /** The items, in order. */
  data: Plan[];
  /** Where this page is in the list. */
  page: PageInfo;
}

export interface Tenant {
  /** Identifies the resource; not secret. */
  id: string;
  /** For people. */
  name: string;
  /** `disabled` stops all its keys. */
  status: 'active' | 'disabled';
  /** Rules for the keys of the tenant. */
  settings: {
    /** How long a rotated key stays valid when the rotation does not say. */
    gracePeriodSeconds: number;
    /** The prefix of keys whose creation does not name one. */
    keyPrefix: string;
    /** How long an ended key stays in lists before the cleanup removes it. */
    retentionSeconds: number;
    /** `sealed`: key strings are kept, encrypted. `digest`: they are not kept. */
    storage: 'sealed' | 'digest';
    /** Whether a key string that is kept may be shown again. */
    allowReveal: boolean;
    /**
     * How long verifications may be answered from memory. Changes of keys in use wait so long; 0 for
     * never.
     */
    leaseSeconds: number;
    /** How long audit entries are kept; null for ever. */
    auditRetentionSeconds: number | null;
    /** How long usage by hour is kept; 0 keeps none. */
    usageHourRetentionSeconds: number;
    /** How long usage by day is kept; 0 keeps none. */
    usageDayRetentionSeconds: number;
  };
  /** Limits for identifiers that are no keys. */
  limits: TenantLimits;
  /** When it was created. */
  createdAt: string;
  /** When its record last changed. */
  updatedAt: string;
}

export interface TenantList {
  /** The items, in order. */
  data: Tenant[];
  /** Where this page is in the list. */
  page: PageInfo;
  /** Tenants of this page that could not be read now. Absent when there are none. */
  unavailable?: string[];
}

export interface ManagementKey {
  /** Identifies the resource; not secret. */
  id: string;
  /** For people. */
  name: string;
  /** A named list of permissions; null for a list of its own. */
  role: 'owner' | 'admin' | 'operator' | 'auditor' | 'verifier' | 'monitor' | null;
  /** What the caller may do. */
  permissions: (
    | 'tenants:read'
    | 'tenants:write'
    | 'keys:read'
    | 'keys:create'
    | 'keys:update'
    | 'keys:rotate'
    | 'keys:revoke'
    | 'keys:delete'
    | 'keys:reveal'
    | 'keys:verify'
    | 'owners:read'
    | 'owners:write'
    | 'plans:read'
    | 'plans:write'
    | 'audit:read'
    | 'usage:read'
    | 'maintenance:read'
    | 'maintenance:run'
    | 'metrics:read'
    | 'management:read'
    | 'management:write'
  )[];
  /** The one tenant that the caller may reach; null for all. */
  tenantId: string | null;
  /** To tell keys apart: prefix and last four characters of the key string, or what the import said. */
  hint: string;
  /** What the key is at this moment. */
  status: 'active' | 'rotating' | 'rotated' | 'disabled' | 'expired' | 'revoked';
  /** When it was created. */
  createdAt: string;
  /** Who created it; null if that was before it was recorded. */
  createdBy: Actor | null;
  /** When its record last changed. */
  updatedAt: string;
  /** When it stops working; null for never. */
  expiresAt: string | null;
  /** When it was revoked; null if it was not. */
  revokedAt: string | null;
  /** Who revoked it; null if it was not revoked, or before it was recorded. */
  revokedBy: Actor | null;
  /** The last valid use, to the minute; null for none. */
  lastUsedAt: string | null;
  /** Grows with each change. The entity tag is made from it. */
  version: number;
  /** Predecessor and successor of the key, and its grace period. */
  rotation: Lineage;
}

export interface ManagementKeyWithSecret {
  /** Identifies the resource; not secret. */
  id: string;
  /** For people. */
  name: string;
  /** A named list of permissions; null for a list of its own. */
  role: 'owner' | 'admin' | 'operator' | 'auditor' | 'verifier' | 'monitor' | null;
  /** What the caller may do. */
  permissions: (
    | 'tenants:read'
    | 'tenants:write'
    | 'keys:read'
    | 'keys:create'
    | 'keys:update'
    | 'keys:rotate'
    | 'keys:revoke'
    | 'keys:delete'
    | 'keys:reveal'
    | 'keys:verify'
    | 'owners:read'
    | 'owners:write'
    | 'plans:read'
    | 'plans:write'
    | 'audit:read'
    | 'usage:read'
    | 'maintenance:read'
    | 'maintenance:run'
    | 'metrics:read'
    | 'management:read'
    | 'management:write'
  )[];
  /** The one tenant that the caller may reach; null for all. */
  tenantId: string | null;
  /** To tell keys apart: prefix and last four characters of the key string, or what the import said. */
  hint: string;
  /** What the key is at this moment. */
  status: 'active' | 'rotating' | 'rotated' | 'disabled' | 'expired' | 'revoked';
  /** When it was created. */
  createdAt: string;
  /** Who created it; null if that was before it was recorded. */
  createdBy: Actor | null;
  /** When its record last changed. */
  updatedAt: string;
  /** When it stops working; null for never. */
  expiresAt: string | null;
  /** When it was revoked; null if it was not. */
  revokedAt: string | null;
  /** Who revoked it; null if it was not revoked, or before it was recorded. */
  revokedBy: Actor | null;
  /** The last valid use, to the minute; null for none. */
  lastUsedAt: string | null;
  /** Grows with each change. The entity tag is made from it. */
  version: number;
  /** Predecessor and successor of the key, and its grace period. */
  rotation: Lineage;
  /** The key string. It is secret, and only this answer shows it. */
  secret: string;
}

export interface ManagementKeyRotation {
  /** The successor, with its key string. */
  key: ManagementKeyWithSecret;
  /** The key that was replaced. */
  rotated: ManagementKey;
}

export interface ManagementKeyList {
  /** The items, in order. */
  data: ManagementKey[];
  /** Where this page is in the list. */
  page: PageInfo;
}

export interface EncryptionOverview {
  /** The entry of `ENCRYPTION_KEY` that new key strings are encrypted with. */
  current: string;
  /** The entry of `HMAC_SECRET` that new key strings are signed with. */
  currentSignature: string;
  /** Encrypted key strings by the id of the entry that they depend on. */
  envelopes: Record<string, unknown>;
  /** Keys that have not ended by the id of the entry that signed them. */
  signatures: Record<string, unknown>;
}

export interface ResealProgress {
  /** Key strings that were encrypted anew. */
  resealed: number;
  /** Key strings that are still to do. */
  remaining: number;
  /** Key strings that no entry opens. Absent when there are none. */
  unreadable?: number;
}

export interface CleanupReport {
  /** Identifies the resource; not secret. */
  id: string;
  /** What started the pass. */
  trigger: 'alarm' | 'manual';
  /** When it started. */
  startedAt: string;
  /** How long it took. */
  durationMs: number;
  /** Keys that had expired. */
  expired: number;
  /** Rotations whose grace period had ended. */
  rotationsEnded: number;
  /** Ended keys that were removed after their retention. */
  purged: number;
  /** Kept results that were removed. */
  idempotencyPurged: number;
  /** Audit entries that were removed. */
  auditTrimmed: number;
  /** Rows of usage that were removed after their retention. */
  usageTrimmed: number;
  /** Records that are left for the next pass. */
  remaining: number;
}

export interface CleanupList {
  /** The items, in order. */
  data: CleanupReport[];
  /** When the next pass is due; null for none. */
  nextAlarmAt: string | null;
}

export interface AuditEntry {
  /** Identifies the resource; not secret. */
  id: string;
  /** When it happened. */
  at: string;
  /** What was done. */
  action: string;
  /** Who did it. */
  actor: {
    /** The kind of caller. */
    type: string;
    /** The id of the management key, `binding:` with the name of a service binding, or `admin`. */
    id: string;
  };
  /** For whom the caller acted, in its own words. */
  onBehalfOf?: string;
  /** The key that it concerns. */
  keyId?: string;
  /** The `X-Request-Id` of the request. */
  requestId: string;
  /** The address of the caller, where it is known. */
  ip?: string;
  /** What changed, by name. */
  changes?: Record<string, unknown>;
}

export interface AuditList {
  /** The items, in order. */
  data: AuditEntry[];
  /** Where this page is in the list. */
  page: PageInfo;
}

export interface UsageRow {
  /** The start of the hour, day or month, in UTC. */
  start: string;
  /** The key. With `groupBy=key`. */
  keyId?: string;
  /** The owner; null for keys without one. With `groupBy=owner`. */
  owner?: string | null;
  /** The plan; null for keys without one. With `groupBy=plan`. */
  plan?: string | null;
  /** The code of the answers. With `groupBy=code`. */
  code?: string;
  /** How many verifications there were. */
  verifications: number;
  /** How many of them were answered `VALID`. */
  valid: number;
  /** The units that they cost. */
  units: number;
}

export interface UsageList {
  /** The items, in order. */
  data: UsageRow[];
  /** Where this page is in the list. */
  page: PageInfo;
}

export interface PageInfo {
  /** The `limit` of the request. */
  limit: number;
  /** The `cursor` of the next page; null on the last page. */
  nextCursor: string | null;
  /** Whether there are more items. A page may have fewer items than `limit` while there are. */
  hasMore: boolean;
}

export interface LeasesRenewResponse {
  /** The same tenants, in the same order. */
  tenants: {
    /** The tenant that it belongs to. */
    tenantId: string;
    /** What the program may decide by; null when there is no lease. Only when it was asked for. */
    lease: Lease | null;
    /** The number of the report that was taken; null for none. */
    reported: number | null;
  }[];
}

/** A problem by RFC 9457. */
export interface Problem {
  /** A URN that ends with the code. */
  type: string;
  /** For people: what the code means. */
  title: string;
  /** The HTTP status. */
  status: number;
  /** For people: more about this case. */
  detail: string;
  /** Decide by this. */
  code: string;
  /** The `X-Request-Id` of the request. */
  requestId: string;
}

/** The codes of problems. Later versions may add some. */
export type ProblemCode =
  | 'invalid_host'
  | 'invalid_json'
  | 'unauthenticated'
  | 'forbidden'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'validation_failed'
  | 'internal_error'
  | 'unavailable'
  | 'misconfigured'
  | 'key_missing'
  | 'key_not_valid'
  | 'key_not_allowed'
  | 'key_limited'
  | 'gateway_misconfigured'
  | 'tenant_not_found'
  | 'not_recoverable'
  | 'idempotency_key_reused'
  | 'storage_full'
  | 'invalid_cursor'
  | 'hash_exists'
  | 'keys_not_found'
  | 'key_not_found'
  | 'key_not_active'
  | 'no_credits'
  | 'precondition_failed'
  | 'key_already_rotating'
  | 'key_not_rotating'
  | 'successor_rotated'
  | 'owner_exists'
  | 'owner_not_found'
  | 'owner_has_keys'
  | 'plan_exists'
  | 'too_many_plans'
  | 'plan_not_found'
  | 'plan_in_use'
  | 'limit_not_found'
  | 'identifiers_full'
  | 'tenant_exists'
  | 'management_key_not_found'
  | 'not_found';
