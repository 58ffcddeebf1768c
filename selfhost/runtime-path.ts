/** Where the runtime lies. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { StartupError } from './startup-error.ts';

/** The binary itself: the package's `bin` may be a script around it, which would get the signals in its place. */
export function runtimePath(): string {
  try {
    const path: unknown = createRequire(import.meta.url)('workerd').default;
    if (typeof path === 'string' && existsSync(path)) return path;
  } catch {
    // Said below, for a missing package and a missing binary alike.
  }
  throw new StartupError('workerd is not installed for this system: run npm ci (without --omit=dev or --no-optional)');
}
