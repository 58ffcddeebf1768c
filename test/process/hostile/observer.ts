/**
 * Measures how long others wait while a request is under way. A separate thread with its own connection calls the
 * server all the time with something cheap: a health check and a verification in turn. The campaign's own thread would
 * sometimes be late because of its own work.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

/** Pause between two calls (ms). A wait may look shorter by this much. */
const PAUSE_MS = 2;
/** The last call that began while the request was under way, and one more, show the whole effect. */
const QUESTIONS_AFTER = 2;
/** Positions in the memory that both threads share. */
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

  /** Observes the server with this process id. `key` is a key string that verifies. */
  constructor(server: { readonly url: string; readonly adminToken: string; readonly runtimePid: number }, key: string) {
    const { url, adminToken: token, runtimePid: pid } = server;
    const questions: Questions = { url, token, pid, key, shared: this.#shared };
    this.#worker = new Worker(new URL(import.meta.url), { workerData: questions });
  }

  /** Starts a new measurement. */
  begin(): void {
    Atomics.store(this.#shared, LONGEST_US, 0);
  }

  /**
   * Returns the longest wait (ms) since `begin`. A wait counts only as far as the server was computing during it,
   * because a busy machine or a slow disk is not the server's fault.
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

/** Time (ms) that the thread which serves requests has computed; NaN where the system does not tell. */
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
    if (status !== 200) throw new Error(`others got status ${status}`);
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
