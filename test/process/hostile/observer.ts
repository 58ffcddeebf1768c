/**
 * How long others wait while something else is asked: a thread of its own, with a connection of its own, asks the server something cheap all the time, a health
 * check and a verification in turn. The campaign's own thread would be late at times by its own work.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

/** Pause between two questions (ms): by so much a wait may look shorter than it was. */
const PAUSE_MS = 2;
/** The last question that began while something was asked, and one more, tell all of it. */
const QUESTIONS_AFTER = 2;
/** Places in the memory that both threads share. */
const [LONGEST_US, ASKED] = [0, 1];

type Questions = {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  /** A key string that verifies. */
  readonly key: string;
  readonly shared: Int32Array;
};

export class Observer implements AsyncDisposable {
  readonly #shared = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker: Worker;

  /** Asks the server with this process id; `key` is a key string that verifies. */
  constructor(server: { readonly url: string; readonly adminToken: string; readonly runtimePid: number }, key: string) {
    const { url, adminToken: token, runtimePid: pid } = server;
    const questions: Questions = { url, token, pid, key, shared: this.#shared };
    this.#worker = new Worker(new URL(import.meta.url), { workerData: questions });
  }

  /** From now on. */
  begin(): void {
    Atomics.store(this.#shared, LONGEST_US, 0);
  }

  /**
   * The longest wait (ms) since `begin`, as far as the server was computing during that very wait: for a busy machine or a slow disk it is not to blame.
   */
  async end(): Promise<number> {
    const enough = Atomics.load(this.#shared, ASKED) + QUESTIONS_AFTER;
    while (Atomics.load(this.#shared, ASKED) < enough) await sleep(1);
    return Atomics.load(this.#shared, LONGEST_US) / 1000;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Time (ms) that the thread which serves requests has been computing; NaN where the system does not tell. */
function cpuMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ', 1)[0]) / 1e6;
  } catch {
    return Number.NaN;
  }
}

async function askAllTheTime({ url, token, pid, key, shared }: Questions): Promise<never> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const verification = JSON.stringify({ key });
  for (let turn = 0; ; turn++) {
    const [startedAt, computedBefore] = [performance.now(), cpuMs(pid)];
    const status = await (turn % 2 === 0
      ? ask(agent, `${url}/healthz`, 'GET', token, '')
      : ask(agent, `${url}/v1/keys/verify`, 'POST', token, verification));
    if (status !== 200) throw new Error(`others are answered ${status}`);
    const computed = cpuMs(pid) - computedBefore;
    const waited = performance.now() - startedAt;
    const us = Math.round(1000 * (Number.isNaN(computed) ? waited : Math.min(waited, computed)));
    if (us > Atomics.load(shared, LONGEST_US)) Atomics.store(shared, LONGEST_US, us);
    Atomics.add(shared, ASKED, 1);
    await sleep(PAUSE_MS);
  }
}

function ask(agent: Agent, url: string, method: string, token: string, body: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
    const sent = request(url, { agent, method, headers }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    });
    sent.once('error', reject).end(body);
  });
}

if (!isMainThread) await askAllTheTime(workerData);
