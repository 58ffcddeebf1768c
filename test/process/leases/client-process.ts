/**
 * A process with clients that verify by leases of their own, as a service of a customer has them. It is told what to
 * verify over the channel to its parent, and the parent may move its wall clock.
 */
import { Keystead } from '../../../client/src/keystead.ts';

export type Task =
  | {
      readonly type: 'verify';
      readonly id: number;
      readonly token: string;
      readonly key: string;
      readonly input: object;
    }
  | { readonly type: 'move clock'; readonly byMs: number };
export type Done = { readonly id: number; readonly status: number; readonly body: unknown; readonly isAsked: boolean };

const url = process.argv[2];
const clients = new Map<string, Keystead>();
let requests = 0;
let movedMs = 0;
const { now } = Date;
Date.now = () => now() + movedMs;

function clientOf(token: string): Keystead {
  let client = clients.get(token);
  client ??= new Keystead({
    url,
    token,
    fetch: (input, init) => {
      requests += 1;
      return fetch(input, init);
    },
  });
  clients.set(token, client);
  return client;
}

process.on('disconnect', () => process.exit());
process.on('message', async (task: Task) => {
  if (task.type === 'move clock') {
    movedMs += task.byMs;
    return;
  }
  const { id, token, key, input } = task;
  const before = requests;
  let done: Done;
  try {
    const body = await clientOf(token).verify(key, input);
    done = { id, status: 200, body, isAsked: requests > before };
  } catch (error) {
    const { status, message } = Object(error);
    done = { id, status, body: { message }, isAsked: true };
  }
  if (process.connected) process.send?.(done);
});
