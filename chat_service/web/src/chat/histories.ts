// Loads histories page by page, one page of a conversation at a time.

import type * as wire from "../protocol";
import type { ChatApi } from "./chat_api";
import { type Conversation, withEntry, withPage } from "./conversation";

const PAGE = 60;
const LONG_PAGE = 200;
/** How many messages of a conversation are kept while it is not shown. */
const KEPT = 200;

/** Conversations by the other person's address. */
export interface ConversationStore {
  get(other: string): Conversation;
  change(other: string, change: (known: Conversation) => Conversation): void;
}

interface Load {
  page: Promise<boolean>;
  /** Entries that arrived while the page was loading. */
  meanwhile: wire.LogEvent[];
}

export class Histories {
  #loads = new Map<string, Load>();

  constructor(
    private readonly api: ChatApi,
    private readonly me: string,
    private readonly store: ConversationStore,
  ) {}

  /** An entry arrived that the page being loaded may not have. */
  arrived(other: string, entry: wire.LogEvent): void {
    this.#loads.get(other)?.meanwhile.push(entry);
  }

  /** Loads the newest page. It replaces older messages that would leave a gap before it. */
  async loadNewest(other: string): Promise<boolean> {
    for (let load; (load = this.#loads.get(other)); ) await load.page;
    const { unread } = this.store.get(other);
    this.store.change(other, (known) => ({ ...known, loaded: "loading" }));
    return this.#load(other, unread < PAGE / 2 ? PAGE : LONG_PAGE, undefined);
  }

  /** Resolves to whether there was an older page. `retry`: even if loading it failed before. */
  async loadOlder(other: string, retry: boolean): Promise<boolean> {
    const { messages, loaded, older } = this.store.get(other);
    const load = this.#loads.get(other);
    if (load) return load.page;
    if (loaded !== "some" || (older === "failed" && !retry)) return false;
    this.store.change(other, (known) => ({ ...known, older: "loading" }));
    return this.#load(other, LONG_PAGE, messages[0]?.seq);
  }

  /** Keeps only the end of a long history. */
  trim(other: string): void {
    if (this.#loads.has(other) || this.store.get(other).messages.length <= 2 * KEPT) return;
    this.store.change(other, (known) => {
      return { ...known, messages: known.messages.slice(-KEPT), loaded: "some" };
    });
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
      this.store.change(other, (known) =>
        meanwhile.reduce(
          (conversation, entry) => withEntry(conversation, entry, this.me),
          withPage(known, page, this.me, newest),
        ),
      );
      return page.messages.length > 0;
    } catch {
      this.store.change(other, (known) =>
        // There may be a gap after what is loaded, so none of it is shown.
        newest ? { ...known, messages: [], loaded: "failed" } : { ...known, older: "failed" },
      );
      return false;
    }
  }
}
