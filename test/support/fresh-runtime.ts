/**
 * Files share a runtime, which spares starting one for each. Each begins as in one of its own: nothing is stored, and no module remembers anything.
 */
import { reset } from 'cloudflare:test';
import { vi } from 'vitest';

vi.resetModules();
await reset();
