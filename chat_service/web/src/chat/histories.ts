// Histories, loaded page by page, one page of a conversation at a time.

import type * as wire from "../protocol";
import type { ChatApi } from "./chat_api";
import { type Conversation, withEntry, withPage } from "./conversation";

const PAGE = 60;
const LONG_PAGE = 200;
/** What is kept of a conversation that nobody looks at. */
const KEPT = 200;

/** Conversations by the other one's address. */
export interface Shelf {
  get(other: string): Conversation;
  change(other: string, change: (known: Conversation) => Conversation): void;
}

interface Load {
  page: Promise<boolean>;
  /** Entries that came while the page was under way. */
  meanwhile: wire.LogEvent[];
}

export class Histories {
  #loads = new Map<string, Load>();

  constructor(
    private readonly api: ChatApi,
    private readonly me: string,
    private readonly shelf: Shelf,
  ) {}

  /** An entry that a page under way may not have. */
  came(other: string, entry: wire.LogEvent): void {
    this.#loads.get(other)?.meanwhile.push(entry);
  }

  /** The newest page, in place of what is here where that does not reach it. */
  async newest(other: string): Promise<boolean> {
    for (let load; (load = this.#loads.get(other)); ) await load.page;
    const { unread } = this.shelf.get(other);
    this.shelf.change(other, (known) => ({ ...known, loaded: "loading" }));
    return this.#load(other, unread < PAGE / 2 ? PAGE : LONG_PAGE, undefined);
  }

  /** The page before; true where there was one. `again` where it could not be loaded before. */
  async older(other: string, again: boolean): Promise<boolean> {
    const { messages, loaded, older } = this.shelf.get(other);
    const underWay = this.#loads.get(other);
    if (underWay) return underWay.page;
    if (loaded !== "some" || (older === "failed" && !again)) return false;
    this.shelf.change(other, (known) => ({ ...known, older: "loading" }));
    return this.#load(other, LONG_PAGE, messages[0]?.seq);
  }

  /** Lets go of all but the end of a long one. */
  shorten(other: string): void {
    if (this.#loads.has(other) || this.shelf.get(other).messages.length <= 2 * KEPT) return;
    this.shelf.change(other, (known) => ({ ...known, messages: known.messages.slice(-KEPT), loaded: "some" }));
  }

  #load(other: string, limit: number, before: number | undefined): Promise<boolean> {
    const meanwhile: wire.LogEvent[] = [];
    const page = this.#page(other, limit, before, meanwhile).finally(() => this.#loads.delete(other));
    this.#loads.set(other, { page, meanwhile });
    return page;
  }

  async #page(
    other: string,
    limit: number,
    before: number | undefined,
    meanwhile: readonly wire.LogEvent[],
  ): Promise<boolean> {
    const newest = before === undefined;
    try {
      const page = await this.api.history(other, limit, before);
      this.shelf.change(other, (known) =>
        meanwhile.reduce(
          (conversation, entry) => withEntry(conversation, entry, this.me),
          withPage(known, page, this.me, newest),
        ),
      );
      return page.messages.length > 0;
    } catch {
      this.shelf.change(other, (known) =>
        // What is here may have a gap behind it: rather nothing than that.
        newest ? { ...known, messages: [], loaded: "failed" } : { ...known, older: "failed" },
      );
      return false;
    }
  }
}
