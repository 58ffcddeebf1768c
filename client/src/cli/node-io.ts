/** The machine, for the command line: streams of the process, the environment, and questions on the terminal. */
import { homedir } from 'node:os';
import { createInterface } from 'node:readline/promises';
import type { ReadStream, WriteStream } from 'node:tty';
import type { FetchLike } from '../http/platform.ts';
import { EXIT, Unfinished } from './exit.ts';
import type { Input, Io, Output } from './io.ts';

export function nodeIo(signal: AbortSignal): Io {
  return {
    stdin: inputOf(process.stdin, process.stderr),
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    env: process.env,
    home: homedir(),
    platform: process.platform,
    fetch: globalThis.fetch as unknown as FetchLike,
    now: Date.now,
    signal,
  };
}

function outputOf(stream: WriteStream): Output {
  return {
    isTTY: stream.isTTY === true,
    columns: stream.columns,
    write: (text) =>
      new Promise((resolve, reject) => {
        stream.write(text, (error) => (error == null ? resolve() : reject(error)));
      }),
  };
}

function inputOf(stream: ReadStream, shown: WriteStream): Input {
  return {
    isTTY: stream.isTTY === true,
    bytes: stream,
    ask: (question, { hidden }) => (hidden ? askHidden(question, stream, shown) : askShown(question, stream, shown)),
  };
}

async function askShown(question: string, input: ReadStream, output: WriteStream): Promise<string> {
  const lines = createInterface({ input, output });
  try {
    return await new Promise((resolve, reject) => {
      lines.on('SIGINT', () => reject(interrupted()));
      // The end of input is no answer.
      lines.on('close', () => resolve(''));
      lines.question(question).then(resolve, reject);
    });
  } finally {
    lines.close();
  }
}

const interrupted = () => new Unfinished('Interrupted', EXIT.interrupted);

/** Longer than any token. */
const MAX_HIDDEN = 4096;

/** Reads a line in raw mode, in which the terminal shows nothing of it. Backspace and Ctrl-U work, Ctrl-C ends. */
function askHidden(question: string, input: ReadStream, output: WriteStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const end = (settle: () => void) => {
      input.off('data', read);
      input.setRawMode(false);
      input.pause();
      output.write('\n');
      settle();
    };
    const read = (chunk: Buffer) => {
      for (const character of chunk.toString('utf8')) {
        if (character === '\r' || character === '\n' || character === '\u0004') return end(() => resolve(text));
        if (character === '\u0003') return end(() => reject(interrupted()));
        if (character === '\u0015') text = '';
        else if (character === '\u007f' || character === '\b') text = [...text].slice(0, -1).join('');
        else if (text.length < MAX_HIDDEN) text += character;
      }
      return undefined;
    };
    output.write(question);
    input.setRawMode(true);
    input.on('data', read);
    input.resume();
  });
}

/** Ctrl-C once lets the running step end; twice ends at once. */
export function interruptible(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      controller.abort();
      process.once(name, () => process.exit(EXIT.interrupted));
    });
  }
  return controller.signal;
}
