// Everything the page shows of one's chats, as a value that is replaced when something changes.
//
// It joins what the client tells live with what is loaded by REST; `client/` sees to order and
// repetition, `conversation.ts` to what news means.

import { ChatClient, type ChatListener } from "../client/client";
import type { ConnectionState } from "../client/connection";
import type { OutboxItem, OutboxStorage } from "../client/outbox";
import { newId } from "../new_id";
import type * as wire from "../protocol";
import type { Session } from "../session/session";
import { ChatApi } from "./chat_api";
import {
  type Conversation,
  listed,
  newConversation,
  readUpTo,
  withEntry,
  withMarker,
  withPage,
} from "./conversation";
import { Presences } from "./presences";

const PAGE = 60;
const LONG_PAGE = 200;
const MOST_PAGES = 10;
const RETRY_MS = 3_000;
/** A thousand events in a moment are shown as one. */
const TELL_MS = 12;

export interface Snapshot {
  readonly connection: ConnectionState;
  readonly list: "loading" | "ready" | "failed";
  /** By the other one's address. */
  readonly conversations: ReadonlyMap<string, Conversation>;
  readonly outbox: readonly OutboxItem[];
  readonly typing: ReadonlySet<string>;
  readonly presence: ReadonlyMap<string, wire.Presence>;
  /** Characters of a message. */
  readonly textLimit: number;
}

/** What somebody should be told, besides what is shown. */
export interface News {
  arrived?(message: wire.Message): void;
  failed?(what: string): void;
}

export class Chat implements ChatListener {
  readonly client: ChatClient;
  news: News = {};
  #api: ChatApi;
  #presences: Presences;
  #listeners = new Set<() => void>();
  #telling: ReturnType<typeof setTimeout> | undefined;
  #stale: Set<string> | null = null;
  /** Pages under way, and the entries that came meanwhile, by the other one's address. */
  #loads = new Map<string, { page: Promise<boolean>; meanwhile: wire.LogEvent[] }>();
  #ids = new Map<string, string>();
  #snapshot: Snapshot = {
    connection: { name: "connecting" },
    list: "loading",
    conversations: new Map(),
    outbox: [],
    typing: new Set(),
    presence: new Map(),
    textLimit: 4000,
  };

  constructor(
    readonly me: string,
    socket: string,
    session: Session,
    storage: OutboxStorage,
  ) {
    this.#api = new ChatApi(session, me);
    this.#presences = new Presences(this.#api, (change) => this.#set(change));
    this.client = new ChatClient(socket, session, storage, this);
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  // What a person does.

  async open(other: string): Promise<void> {
    const { loaded } = this.#conversation(other);
    if (loaded === "nothing" || loaded === "failed") await this.#loadNewest(other);
    this.#presences.ask([other]);
  }

  /** More of the history; true where there was some. */
  async loadOlder(other: string, limit = LONG_PAGE): Promise<boolean> {
    const { messages, loaded } = this.#conversation(other);
    const underWay = this.#loads.get(other);
    if (underWay) return underWay.page;
    if (loaded !== "some") return false;
    return this.#load(other, limit, messages[0]?.seq);
  }

  send(to: string, text: string): void {
    const sent_at = new Date().toISOString();
    this.client.send({ type: "send", id: newId(), to, text, sent_at }, to);
  }

  edit({ id, other }: Conversation, message: string, text: string): void {
    this.client.send({ type: "edit", id: newId(), conversation: id!, message, text }, other);
  }

  remove({ id, other }: Conversation, message: string): void {
    this.client.send({ type: "delete", id: newId(), conversation: id!, message }, other);
  }

  read(other: string, seq: number): void {
    const conversation = this.#conversation(other);
    if (conversation.id === null || seq <= conversation.mine.read) return;
    this.client.mark(conversation.id, { read: seq });
    this.#change(other, (known) => readUpTo(known, seq));
  }

  // What the client tells.

  connection(connection: ConnectionState): void {
    this.#set({ connection });
  }

  welcome({ limits }: wire.Welcome): void {
    this.#set({ textLimit: limits.text });
  }

  outbox(items: readonly OutboxItem[]): void {
    this.#set({ outbox: items });
    for (const { op, refusal } of items) {
      if (!refusal || op.type === "send") continue;
      this.client.outbox.discard(op.id);
      this.news.failed?.(`The message was not ${op.type === "edit" ? "changed" : "deleted"}: ${refusal.detail}`);
    }
  }

  entry(entry: wire.LogEvent): void {
    const other = this.#otherOf(entry.participants);
    this.#ids.set(entry.conversation, other);
    this.#loads.get(other)?.meanwhile.push(entry);
    this.#change(other, (known) => withEntry(known, entry, this.me));
    if (entry.sender === this.me) return;
    this.client.mark(entry.conversation, { received: entry.seq });
    if (entry.type === "message") {
      this.#presences.typing(other, false);
      this.news.arrived?.(entry);
    }
  }

  stored({ op, to }: OutboxItem, at: { conversation: string; seq: number; timestamp: string }): void {
    this.#ids.set(at.conversation, to);
    const { conversation, seq, timestamp } = at;
    const common = { conversation, seq, timestamp, id: op.id, sender: this.me };
    const participants: [string, string] = [this.me, to];
    const entry: wire.LogEvent =
      op.type === "send"
        ? { ...common, participants, type: "message", text: op.text }
        : op.type === "edit"
          ? { ...common, participants, type: "edited", message: op.message, text: op.text }
          : { ...common, participants, type: "deleted", message: op.message };
    this.#loads.get(to)?.meanwhile.push(entry);
    this.#change(to, (known) => withEntry(known, entry, this.me));
    this.#presences.ask([to]);
  }

  signal(event: wire.Marker | wire.TypingEvent | wire.PresenceEvent): void {
    if (event.type === "presence") return this.#presences.told(event);
    const other = this.#ids.get(event.conversation);
    if (!other) return;
    if (event.type === "marker") this.#change(other, (known) => withMarker(known, event, this.me));
    else if (event.sender === other) this.#presences.typing(other, event.active);
  }

  stale(conversations: string[]): void {
    const running = this.#stale !== null;
    this.#stale = new Set([...(this.#stale ?? []), ...conversations]);
    if (!running) void this.#loadList();
  }

  caughtUp(): void {
    if (this.#stale === null) this.#set({ list: "ready" });
    this.#presences.ask([...this.#snapshot.conversations.keys()]);
  }

  // Loading.

  retryList(): void {
    this.stale([]);
  }

  /** Loads the list as far as it is needed to find everything that is stale. */
  async #loadList(): Promise<void> {
    const found = new Set<string>();
    try {
      let before: string | null = null;
      for (let page = 0; page < MOST_PAGES; page++) {
        const { conversations, next }: wire.ConversationsView = await this.#api.conversations(before);
        await Promise.all(conversations.map((view) => this.#listed(view, found)));
        before = next;
        if (before === null || [...this.#stale!].every((id) => found.has(id))) break;
      }
      const left = [...this.#stale!].filter((id) => !found.has(id) && !this.#ids.has(id));
      this.#stale = null;
      this.#set({ list: "ready" });
      if (left.length > 0 && found.size > 0) this.stale(left);
    } catch {
      this.#stale = new Set([...this.#stale!].filter((id) => !found.has(id)));
      const left = [...this.#stale];
      this.#stale = null;
      if (this.#snapshot.list === "loading") this.#set({ list: "failed" });
      setTimeout(() => this.client.online && this.stale(left), RETRY_MS);
    }
    this.#presences.ask([...this.#snapshot.conversations.keys()]);
  }

  async #listed(view: wire.ConversationView, found: Set<string>): Promise<void> {
    const other = this.#otherOf(view.participants);
    found.add(view.conversation);
    if (this.#ids.has(view.conversation) && !this.#stale!.has(view.conversation)) return;
    this.#ids.set(view.conversation, other);
    const { loaded } = this.#conversation(other);
    this.#change(other, (known) => listed(view, this.me, known));
    if (loaded === "some" || loaded === "all") await this.#loadNewest(other);
    this.client.adopt(view.conversation, view.head);
    if (view.unread > 0) this.client.mark(view.conversation, { received: view.head });
  }

  async #loadNewest(other: string): Promise<boolean> {
    await this.#loads.get(other)?.page;
    const { unread } = this.#conversation(other);
    this.#change(other, (known) => ({ ...known, loaded: "loading" }));
    return this.#load(other, unread < PAGE / 2 ? PAGE : LONG_PAGE, undefined);
  }

  #load(other: string, limit: number, before: number | undefined): Promise<boolean> {
    const meanwhile: wire.LogEvent[] = [];
    const page = this.#loadPage(other, limit, before, meanwhile);
    this.#loads.set(other, { page, meanwhile });
    return page.finally(() => this.#loads.delete(other));
  }

  async #loadPage(
    other: string,
    limit: number,
    before: number | undefined,
    meanwhile: readonly wire.LogEvent[],
  ): Promise<boolean> {
    try {
      const page = await this.#api.history(other, limit, before);
      if (page.messages.length > 0) this.#ids.set(page.conversation, other);
      this.#change(other, (known) =>
        meanwhile.reduce(
          (conversation, entry) => withEntry(conversation, entry, this.me),
          withPage(known, page, this.me, before === undefined),
        ),
      );
      return page.messages.length > 0;
    } catch {
      if (before === undefined) this.#change(other, (known) => ({ ...known, loaded: "failed" }));
      return false;
    }
  }

  #conversation(other: string): Conversation {
    return this.#snapshot.conversations.get(other) ?? newConversation(other);
  }

  #otherOf(participants: readonly string[]): string {
    return participants.find((address) => address !== this.me) ?? this.me;
  }

  #change(other: string, change: (known: Conversation) => Conversation): void {
    const conversations = new Map(this.#snapshot.conversations);
    conversations.set(other, change(this.#conversation(other)));
    this.#set({ conversations });
  }

  #set(change: Partial<Snapshot>): void {
    this.#snapshot = { ...this.#snapshot, ...change };
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      for (const listener of this.#listeners) listener();
    }, TELL_MS);
  }
}
