/** What the package exports. */
export { KeysteadError } from './http/errors.ts';
export {
  HttpTransport,
  type Transport,
  type TransportAnswer,
  type TransportOptions,
  type TransportRequest,
} from './http/transport.ts';
export { Keystead, type KeysteadOptions } from './keystead.ts';
export type { Verification, VerifyOptions } from './verify/verify.ts';
