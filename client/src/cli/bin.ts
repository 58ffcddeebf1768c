/** The program `keystead`. */
import { main } from './main.ts';
import { interruptible, nodeIo } from './node-io.ts';

// A reader that has gone away is not an error of ours.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
process.exitCode = await main(process.argv.slice(2), nodeIo(interruptible()));
