/**
 * Files share a runtime, which spares starting one for each. Each begins as in one of its own: nothing is stored, no module remembers anything, and time, console
 * and globals are the real ones.
 */
import { reset } from 'cloudflare:test';
import { vi } from 'vitest';

vi.useRealTimers();
vi.restoreAllMocks();
vi.unstubAllGlobals();
vi.resetModules();
await reset();
