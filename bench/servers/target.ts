/** A server under measurement. */

export type Target = {
  readonly host: string;
  readonly port: number;
  /** The process whose processor time counts. */
  readonly pid: number;
};

export function targetOf(url: string, pid: number): Target {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port), pid };
}
