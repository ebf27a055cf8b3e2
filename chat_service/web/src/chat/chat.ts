// Everything the page shows of one's conversations, as a value that is replaced on each change.
//
// Combines the client's live events with what is loaded by REST. `client/` takes care of order and
// repeats, `conversation.ts` of what each event changes.

import { ChatClient, type ChatListener } from "../client/client";
import type { ConnectionState } from "../client/connection";
import type { OutboxItem, OutboxStorage } from "../client/outbox";
import { newId } from "../new_id";
import type * as wire from "../protocol";
import type { Session } from "../session/session";
import { ChatApi } from "./chat_api";
import {
  type Conversation,
  newConversation,
  readUpTo,
  withEntry,
  withListed,
  withMarker,
} from "./conversation";
import { Histories } from "./histories";
import { Presences } from "./presences";

const MAX_PAGES = 10;
const RETRY_MS = 3_000;
const RECOUNT_MS = 1_000;
/** Changes within this time are rendered together. */
const NOTIFY_MS = 12;

export interface Snapshot {
  readonly connection: ConnectionState;
  readonly list: "loading" | "ready" | "failed";
  /** By the other person's address. */
  readonly conversations: ReadonlyMap<string, Conversation>;
  readonly outbox: readonly OutboxItem[];
  readonly typing: ReadonlySet<string>;
  readonly presence: ReadonlyMap<string, wire.Presence>;
  /** In characters. */
  readonly textLimit: number;
}

/** Events that the person is alerted to, besides what is shown. */
export interface Alerts {
  messageArrived?(message: wire.Message): void;
  messageDeleted?(id: string): void;
  changeFailed?(explanation: string): void;
}

export class Chat implements ChatListener {
  readonly client: ChatClient;
  alerts: Alerts = {};
  #api: ChatApi;
  #presences: Presences;
  #listeners = new Set<() => void>();
  #notifying: ReturnType<typeof setTimeout> | undefined;
  /** What the load of the list that is under way has to find; null if none is. */
  #stale: Set<string> | null = null;
  /** Conversations to recount soon: the other person's address by id. */
  #uncounted = new Map<string, string>();
  #histories: Histories;
  /** Those that were opened before the list was there. */
  #early = new Set<string>();
  /** The other person's address by the conversation's id. */
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
    this.#histories = new Histories(this.#api, me, {
      get: (other) => this.#conversation(other),
      change: (other, change) => this.#change(other, change),
    });
    this.client = new ChatClient(socket, session, storage, this);
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  // What the person does.

  /** Does not wait for the list: who follows a link reads that conversation first. */
  async open(other: string): Promise<void> {
    const { loaded } = this.#conversation(other);
    if (this.#snapshot.list === "loading") this.#early.add(other);
    if (loaded === "nothing" || loaded === "failed") await this.#histories.loadNewest(other);
    if (this.#early.has(other)) {
      const { id, head, loaded } = this.#conversation(other);
      if (id !== null && loaded !== "failed") this.client.adopt(id, head);
    }
    this.#presences.load([other]);
  }

  /** Resolves to whether there were older messages. `retry`: even if loading them failed before. */
  loadOlder(other: string, retry = false): Promise<boolean> {
    return this.#histories.loadOlder(other, retry);
  }

  /** The conversation is no longer shown. */
  leave(other: string): void {
    this.#histories.trim(other);
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

  // What the client reports.

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
      const change = op.type === "edit" ? "changed" : "deleted";
      this.alerts.changeFailed?.(`The message was not ${change}: ${refusal.detail}`);
    }
  }

  entry(entry: wire.LogEvent): void {
    const other = this.#otherOf(entry.participants);
    this.#histories.arrived(other, entry);
    this.#change(other, (known) => withEntry(known, entry, this.me));
    if (entry.sender === this.me) return;
    this.client.mark(entry.conversation, { received: entry.seq });
    if (entry.type === "message") {
      this.#presences.typing(other, false);
      this.alerts.messageArrived?.(entry);
    } else if (entry.type === "deleted") this.alerts.messageDeleted?.(entry.message);
  }

  stored({ op, to }: OutboxItem, at: { conversation: string; seq: number; timestamp: string }): void {
    const { conversation, seq, timestamp } = at;
    const common = { conversation, seq, timestamp, id: op.id, sender: this.me };
    const participants: [string, string] = [this.me, to];
    const entry: wire.LogEvent =
      op.type === "send"
        ? { ...common, participants, type: "message", text: op.text }
        : op.type === "edit"
          ? { ...common, participants, type: "edited", message: op.message, text: op.text }
          : { ...common, participants, type: "deleted", message: op.message };
    this.#histories.arrived(to, entry);
    this.#change(to, (known) => withEntry(known, entry, this.me));
    if (seq === 1) this.#presences.load([to]);
  }

  signal(event: wire.MarkerEvent | wire.TypingEvent | wire.PresenceEvent): void {
    if (event.type === "presence") return this.#presences.update(event);
    const other = this.#ids.get(event.conversation);
    if (!other) return;
    if (event.type === "typing") {
      if (event.sender === other) this.#presences.typing(other, event.active);
      return;
    }
    this.#change(other, (known) => withMarker(known, event, this.me));
    if (event.employee === this.me && this.#isUncounted(other)) this.#recount(event.conversation, other);
  }

  stale(conversations: string[]): void {
    const running = this.#stale !== null;
    this.#stale = new Set([...(this.#stale ?? []), ...conversations]);
    if (!running) void this.#loadList();
  }

  caughtUp(): void {
    if (this.#stale === null) this.#set({ list: "ready" });
    for (const { other, loaded, older } of this.#snapshot.conversations.values()) {
      if (loaded === "failed") void this.#histories.loadNewest(other);
      else if (older === "failed") void this.loadOlder(other, true);
    }
    this.#presences.load([...this.#snapshot.conversations.keys()]);
  }

  // Loading.

  retryList(): void {
    this.stale([]);
  }

  /** Loads the list until everything stale was found in it. */
  async #loadList(): Promise<void> {
    const found = new Set<string>();
    try {
      let before: string | null = null;
      for (let page = 0; page < MAX_PAGES; page++) {
        const { conversations, next }: wire.ConversationsView = await this.#api.conversations(before);
        await Promise.all(conversations.map((view) => this.#applyListed(view, found)));
        before = next;
        if (before === null || [...this.#stale!].every((id) => found.has(id))) break;
      }
      const left = [...this.#stale!].filter((id) => !found.has(id) && !this.#ids.has(id));
      this.#stale = null;
      this.#set({ list: "ready" });
      if (left.length > 0) this.#retryLater(left);
    } catch {
      const left = [...this.#stale!].filter((id) => !found.has(id));
      this.#stale = null;
      if (this.#snapshot.list === "loading") this.#set({ list: "failed" });
      this.#retryLater(left);
    }
    this.#presences.load([...this.#snapshot.conversations.keys()]);
  }

  /** Another device read a part of what is not loaded here: asks the service how much is unread. */
  #recount(conversation: string, other: string): void {
    if (this.#uncounted.size === 0) setTimeout(() => this.#recountNow(), RECOUNT_MS);
    this.#uncounted.set(conversation, other);
  }

  #recountNow(): void {
    const left = [...this.#uncounted].filter(([, other]) => this.#isUncounted(other));
    this.#uncounted.clear();
    if (this.client.online && left.length > 0) this.stale(left.map(([id]) => id));
  }

  #isUncounted(other: string): boolean {
    const { unread, loaded } = this.#conversation(other);
    return unread > 0 && loaded === "nothing";
  }

  /** The list may lag a moment behind. Not while offline: the next resume names what is stale. */
  #retryLater(conversations: string[]): void {
    setTimeout(() => this.client.online && this.stale(conversations), RETRY_MS);
  }

  async #applyListed(view: wire.ConversationView, found: Set<string>): Promise<void> {
    const other = this.#otherOf(view.participants);
    found.add(view.conversation);
    const early = this.#early.delete(other);
    if (this.#ids.has(view.conversation) && !this.#stale!.has(view.conversation) && !early) return;
    const { loaded } = this.#conversation(other);
    this.#change(other, (known) => withListed(known, view, this.me));
    if (early && loaded !== "failed") return; // what comes after its page comes by its cursor
    if (loaded !== "nothing") await this.#histories.loadNewest(other);
    this.client.adopt(view.conversation, view.head);
    if (view.unread > 0) this.client.mark(view.conversation, { received: view.head });
  }

  #conversation(other: string): Conversation {
    return this.#snapshot.conversations.get(other) ?? newConversation(other);
  }

  #otherOf(participants: readonly string[]): string {
    return participants.find((address) => address !== this.me) ?? this.me;
  }

  #change(other: string, change: (known: Conversation) => Conversation): void {
    const conversations = new Map(this.#snapshot.conversations);
    const changed = change(this.#conversation(other));
    conversations.set(other, changed);
    if (changed.id !== null) this.#ids.set(changed.id, other);
    this.#set({ conversations });
  }

  #set(change: Partial<Snapshot>): void {
    this.#snapshot = { ...this.#snapshot, ...change };
    this.#notifying ??= setTimeout(() => {
      this.#notifying = undefined;
      for (const listener of this.#listeners) listener();
    }, NOTIFY_MS);
  }
}
