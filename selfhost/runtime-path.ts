/** Finds the runtime's binary. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { StartupError } from './startup-error.ts';

/**
 * Returns the path of the binary itself. The package's `bin` may be a script around it, which would receive the signals
 * instead.
 */
export function runtimePath(): string {
  try {
    const path: unknown = createRequire(import.meta.url)('workerd').default;
    if (typeof path === 'string' && existsSync(path)) return path;
  } catch {
    // The error below covers a missing package and a missing binary alike.
  }
  throw new StartupError('workerd is not installed for this system: run npm ci (without --omit=dev or --no-optional)');
}
