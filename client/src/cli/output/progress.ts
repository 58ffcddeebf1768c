/** Progress of long work, on stderr: one line that changes on a terminal, else a line every few seconds. */
import type { Printer } from '../commands/command.ts';
import type { Io } from '../io.ts';

/** Often enough to see that it goes on, and little enough for a log. */
const LOG_EVERY_MS = 5000;
/** On a terminal. */
const DRAW_EVERY_MS = 100;

const GROUPS = /\B(?=(?:\d{3})+$)/g;

/** 100000 as `100,000`. */
export const grouped = (count: number): string => String(count).replace(GROUPS, ',');

export class Progress {
  readonly #io: Io;
  readonly #printer: Printer;
  #last: number;
  #isDrawn = false;

  constructor(io: Io, printer: Printer) {
    this.#io = io;
    this.#printer = printer;
    // Work that ends soon leaves no line in a log.
    this.#last = io.stderr.isTTY ? Number.NEGATIVE_INFINITY : io.now();
  }

  /** Shows how far it is, unless it was shown a moment ago. */
  async show(text: string): Promise<void> {
    const { stderr } = this.#io;
    const now = this.#io.now();
    if (this.#printer.quiet || now - this.#last < (stderr.isTTY ? DRAW_EVERY_MS : LOG_EVERY_MS)) return;
    this.#last = now;
    this.#isDrawn = stderr.isTTY;
    await stderr.write(stderr.isTTY ? `\r${text}\u001b[K` : `${text}\n`);
  }

  /** Makes room for other lines. */
  async clear(): Promise<void> {
    if (this.#isDrawn) await this.#io.stderr.write('\r\u001b[K');
    this.#isDrawn = false;
  }
}
