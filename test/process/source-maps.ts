/** The router's source maps name files that its package does not have. Each of them would cause a warning. */
import { readFileSync } from 'node:fs';

/** A plugin that loads the router without its source maps. */
export const withoutForeignSourceMaps = {
  name: 'without-foreign-source-maps',
  enforce: 'pre' as const,
  load: (id: string) =>
    id.includes('/node_modules/itty-router/')
      ? readFileSync(id.split('?')[0] ?? id, 'utf8').replace(/^\/\/# source.*$/m, '')
      : null,
};
