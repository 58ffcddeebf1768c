/**
 * Test files share a runtime, because starting one for each file takes too long. Before each file this makes it as good
 * as new: nothing is stored, modules have no state, and time, console and globals are the real ones.
 */
import { reset } from 'cloudflare:test';
import { vi } from 'vitest';

vi.useRealTimers();
vi.restoreAllMocks();
vi.unstubAllGlobals();
vi.resetModules();
await reset();
