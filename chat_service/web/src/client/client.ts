// A device: what it is told passes once and in order, what it says is said until it is confirmed.
//
// It is the protocol and nothing else: no page, no REST. Copy this folder to write another client.

import type * as wire from "../protocol";
import { Connection, type ConnectionState, type StopReason, type Tokens } from "./connection";
import { Cursors, type Lack } from "./cursors";
import { Outbox, type OutboxItem, type OutboxStorage } from "./outbox";

const ACK_MS = 30_000;
const GAP_MS = 500;
const MARK_MS = 250;
const RESUME_MS = 1_000;

export interface ChatListener {
  connection(state: ConnectionState): void;
  welcome(welcome: wire.Welcome): void;
  /** The next entry of its conversation's log. */
  entry(entry: wire.LogEvent): void;
  /** One's own op was stored; there is no `entry` for it. */
  stored(item: OutboxItem, at: { conversation: string; seq: number; timestamp: string }): void;
  signal(event: wire.MarkerEvent | wire.TypingEvent | wire.PresenceEvent): void;
  /** Too much was missed of these: load them, then call `adopt` for each. */
  stale(conversations: string[]): void;
  /** Everything that was missed is here, or `stale`. */
  caughtUp(): void;
  outbox(items: readonly OutboxItem[]): void;
}

export class ChatClient {
  readonly outbox: Outbox;
  readonly #connection: Connection;
  readonly #cursors = new Cursors();
  #limits: wire.Limits | null = null;
  #resuming: { id: string; answered: (answer: wire.Resumed | wire.Error) => void } | null = null;
  #marks = new Map<string, { received: number; read: number }>();
  #unmarked = new Set<string>();
  #again = false;
  #stopped = false;
  #timers: Partial<Record<"gap" | "mark" | "ack", number>> = {};

  constructor(
    url: string,
    tokens: Tokens,
    storage: OutboxStorage,
    private readonly listener: ChatListener,
  ) {
    this.outbox = new Outbox(storage, (items) => listener.outbox(items));
    this.#connection = new Connection(url, tokens, {
      changed: (state) => this.#changed(state),
      welcome: (welcome) => void this.#welcome(welcome),
      event: (event) => this.#take(event),
    });
  }

  async start(): Promise<void> {
    this.#stopped = false;
    await this.outbox.load();
    if (!this.#stopped) this.#connection.start();
  }

  get online(): boolean {
    return this.#connection.online;
  }

  stop(why?: StopReason): void {
    this.#stopped = true;
    this.#connection.stop(why);
  }

  /** Connects now, where it waits or gave up. */
  retry(): void {
    this.#connection.retry();
  }

  /** Something happened to this device: is the line alive? */
  check(patience?: number): void {
    this.#connection.check(patience);
  }

  send(op: OutboxItem["op"], to: string): void {
    this.outbox.add(op, to);
    this.#pump();
  }

  sendAgain(id: string): void {
    this.outbox.retry(id);
    this.#pump();
  }

  typing(to: string, active: boolean): void {
    this.#connection.send({ type: "typing", to, active });
  }

  /** Everything up to here was received, or read; told soon, and again after a reconnect. */
  mark(conversation: string, marks: { received?: number; read?: number }): void {
    const before = this.#marks.get(conversation) ?? { received: 0, read: 0 };
    const read = Math.max(before.read, marks.read ?? 0);
    const received = Math.max(before.received, marks.received ?? 0, read);
    if (read === before.read && received === before.received) return;
    this.#marks.set(conversation, { received, read });
    this.#unmarked.add(conversation);
    this.#timers.mark ??= this.#after(MARK_MS, () => this.#tellMarks());
  }

  /** This conversation was loaded as it is at `head`. */
  adopt(conversation: string, head: number): void {
    for (const entry of this.#cursors.adopt(conversation, head)) this.listener.entry(entry);
    if (this.#cursors.behind) this.#lacks("entries", conversation);
  }

  #changed(state: ConnectionState): void {
    if (state.name !== "online") {
      for (const timer of Object.values(this.#timers)) clearTimeout(timer);
      this.#timers = {};
      this.#resuming = null;
      this.#again = false;
      this.outbox.interrupted();
    }
    this.listener.connection(state);
  }

  async #welcome(welcome: wire.Welcome): Promise<void> {
    this.#limits = welcome.limits;
    this.listener.welcome(welcome);
    for (const conversation of this.#marks.keys()) this.#unmarked.add(conversation);
    this.#tellMarks();
    void this.#resume();
    await this.outbox.load();
    this.#pump();
  }

  #take(event: wire.ServerEvent): void {
    switch (event.type) {
      case "message":
      case "edited":
      case "deleted": {
        const { entries, lacks } = this.#cursors.offer(event);
        const own = this.outbox.settle(event.id);
        for (const entry of entries) this.listener.entry(entry);
        if (lacks) this.#lacks(lacks, event.conversation);
        if (own) this.#answered();
        return;
      }
      case "ack":
        return this.#acked(event);
      case "error":
        if (this.#resuming && event.id === this.#resuming.id) this.#resuming.answered(event);
        else this.#refused(event);
        return;
      case "resumed":
        if (event.id === this.#resuming?.id) this.#resuming?.answered(event);
        return;
      case "resync":
        return void this.#resume();
      case "marker":
      case "typing":
      case "presence":
        return this.listener.signal(event);
      default: // more may come some day
    }
  }

  #acked({ id, conversation, seq, timestamp }: wire.Ack): void {
    if (id === undefined || conversation === undefined || !seq || !timestamp) return;
    const lacks = this.#cursors.acked(conversation, seq);
    const item = this.outbox.settle(id);
    if (item) this.listener.stored(item, { conversation, seq, timestamp });
    if (lacks) this.#lacks(lacks, conversation);
    this.#answered();
  }

  #refused({ id, code, detail, retry_after_ms }: wire.Error): void {
    if (!this.outbox.find(id)) return;
    if (retry_after_ms === undefined) {
      this.outbox.refuse(id!, { code, detail });
      return this.#answered();
    }
    this.#after(retry_after_ms, () => {
      this.outbox.postpone(id!);
      this.#answered();
    });
  }

  #answered(): void {
    clearTimeout(this.#timers.ack);
    delete this.#timers.ack;
    this.#pump();
  }

  #pump(): void {
    if (!this.#connection.online || !this.#limits) return;
    for (const { op } of this.outbox.next()) {
      const bytes = new TextEncoder().encode(JSON.stringify(op)).length;
      if (bytes <= this.#limits.frame_bytes) this.#connection.send(op);
      else this.outbox.refuse(op.id, { code: "body_too_large", detail: "It is too long." });
    }
    if (this.outbox.items.some((item) => !item.refusal)) {
      this.#timers.ack ??= this.#after(ACK_MS, () => this.#connection.drop());
    }
  }

  /** An entry that overtook another is normal; one that is missing for a while is not. */
  #lacks(lack: Lack, conversation: string): void {
    if (lack === "history") return this.listener.stale([conversation]);
    this.#timers.gap ??= this.#after(GAP_MS, () => {
      delete this.#timers.gap;
      if (this.#cursors.behind) void this.#resume();
    });
  }

  async #resume(): Promise<void> {
    if (this.#resuming) {
      this.#again = true; // what it answers may be older than what one heard of
      return;
    }
    const stale = new Set<string>();
    for (const cursors of this.#cursors.chunks(this.#limits!.resume_conversations)) {
      const answer = await this.#ask(cursors);
      if (answer.type === "error") return this.#cannotResume(answer);
      for (const [id, { head }] of Object.entries(answer.conversations)) {
        if (this.#cursors.get(id) !== head) stale.add(id); // beyond it: the database was restored
        else stale.delete(id);
      }
    }
    for (const id of stale) this.#cursors.forget(id);
    if (stale.size > 0) this.listener.stale([...stale]);
    this.listener.caughtUp();
    if (!this.#again) return;
    this.#again = false;
    void this.#resume();
  }

  #ask(cursors: Record<string, number>): Promise<wire.Resumed | wire.Error> {
    return new Promise((answered) => {
      const id = `resume-${Math.random().toString(36).slice(2)}`;
      this.#resuming = {
        id,
        answered: (answer) => {
          this.#resuming = null;
          answered(answer);
        },
      };
      this.#connection.send({ type: "resume", id, cursors });
    });
  }

  #cannotResume({ retry_after_ms }: wire.Error): void {
    if (retry_after_ms === undefined) this.#cursors.clear(); // it knows nothing of them, nor do we
    this.#after(retry_after_ms ?? RESUME_MS, () => this.online && void this.#resume());
  }

  #tellMarks(): void {
    delete this.#timers.mark;
    for (const conversation of this.#unmarked) {
      if (!this.#connection.send({ type: "mark", conversation, ...this.#marks.get(conversation) }))
        return;
      this.#unmarked.delete(conversation);
    }
  }

  #after(ms: number, run: () => void): number {
    return setTimeout(run, ms) as unknown as number;
  }
}
