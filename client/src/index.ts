/** What the package exports. */
export type * from './api/operations.ts';
export type * from './api/types.ts';
export { type ClientErrorCode, type ErrorCode, KeysteadError, type ProblemMembers } from './http/errors.ts';
export type { AbortSignalLike, FetchLike } from './http/platform.ts';
export {
  HttpTransport,
  type Transport,
  type TransportAnswer,
  type TransportOptions,
  type TransportRequest,
} from './http/transport.ts';
export { type BindingOptions, Keystead, type KeysteadOptions } from './keystead.ts';
export type {
  CallOptions,
  ChangeOptions,
  ConditionalOptions,
  List,
  OffsetList,
  PagePosition,
} from './resources/options.ts';
export type { LeaseOptions } from './verify/leased-verifier.ts';
export type { VerifyOptions } from './verify/verify.ts';
