/** What the methods of the resources take beside their own input, and what lists are. */
import type { AbortSignalLike } from '../http/platform.ts';

export interface CallOptions {
  /** Ends the call, with all its attempts. */
  readonly signal?: AbortSignalLike | undefined;
  /** How long one attempt may take, instead of the time of the client. */
  readonly timeoutMs?: number | undefined;
  /** How often to try again, instead of the number of the client. */
  readonly retries?: number | undefined;
  /** An id of your own for the request, which Keystead's log has too. */
  readonly requestId?: string | undefined;
}

export interface ChangeOptions extends CallOptions {
  /**
   * A change is applied once for each of these, for 24 hours. The client makes one for each call, so its own retries
   * are applied once. Give one of your own, such as the number of an order, to repeat a call yourself.
   */
  readonly idempotencyKey?: string | undefined;
  /** The person for whom you act, for the audit log. */
  readonly onBehalfOf?: string | undefined;
}

export interface ConditionalOptions extends ChangeOptions {
  /** The `version` that the change is for. When it is another one by now, the error is `precondition_failed`. */
  readonly ifMatch?: number | string | undefined;
}

/** Where a page begins, and how many items it has at most. */
export interface PagePosition {
  /** The `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}

/** A list: all its items with `for await`, which reads page after page, or one page. */
export interface List<Item, Page> extends AsyncIterable<Item> {
  page(position?: PagePosition): Promise<Page>;
}

/** A list that is also read by offset, with the number of all its items. */
export interface OffsetList<Item, Page, OffsetPage> extends List<Item, Page> {
  page(position?: PagePosition): Promise<Page>;
  page(position: { readonly offset: number; readonly limit?: number | undefined }): Promise<OffsetPage>;
}
