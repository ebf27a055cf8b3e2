// One device of an employee: passes on each entry once and in order, and repeats each op until it
// is answered.
//
// This folder is the protocol and nothing else: no page, no REST. Copy it to write another client.

import type * as wire from "../protocol";
import { CatchUp } from "./catch_up";
import { Connection, type ConnectionState, type StopReason, type Tokens } from "./connection";
import { Cursors, type Missing } from "./cursors";
import { Outbox, type OutboxItem, type OutboxStorage } from "./outbox";

const ACK_MS = 30_000;
/** An op without an answer makes it look whether the connection is alive. */
const LOOK_MS = 4_000;
const MARK_MS = 250;

export interface ChatListener {
  connection(state: ConnectionState): void;
  welcome(welcome: wire.Welcome): void;
  /** The next entry of its conversation's log. */
  entry(entry: wire.LogEvent): void;
  /** An op of this device was stored; it is not reported as an `entry`. */
  stored(item: OutboxItem, at: { conversation: string; seq: number; timestamp: string }): void;
  signal(event: wire.MarkerEvent | wire.TypingEvent | wire.PresenceEvent): void;
  /** Too much of these was missed: load them, then call `adopt` for each. */
  stale(conversations: string[]): void;
  /** Everything that was missed was passed on, or named by `stale`. */
  caughtUp(): void;
  outbox(items: readonly OutboxItem[]): void;
}

export class ChatClient {
  readonly outbox: Outbox;
  readonly #connection: Connection;
  readonly #cursors = new Cursors();
  readonly #catchUp: CatchUp;
  #limits: wire.Limits | null = null;
  #marks = new Map<string, { received: number; read: number }>();
  #unsentMarks = new Set<string>();
  #stopped = false;
  #timers: Partial<Record<"mark" | "ack" | "look", ReturnType<typeof setTimeout>>> = {};

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
      event: (event) => this.#handle(event),
    });
    this.#catchUp = new CatchUp(this.#cursors, (op) => void this.#connection.send(op), listener);
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

  /** Connects now if it is waiting or stopped. */
  retry(): void {
    this.#connection.retry();
  }

  /** Checks now, within `patienceMs`, whether the connection is alive. */
  check(patienceMs?: number): void {
    this.#connection.check(patienceMs);
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

  /** Everything up to here was received, or read. Sent soon, and again after a reconnect. */
  mark(conversation: string, marks: { received?: number; read?: number }): void {
    const before = this.#marks.get(conversation) ?? { received: 0, read: 0 };
    const read = Math.max(before.read, marks.read ?? 0);
    const received = Math.max(before.received, marks.received ?? 0, read);
    if (read === before.read && received === before.received) return;
    this.#marks.set(conversation, { received, read });
    this.#unsentMarks.add(conversation);
    this.#timers.mark ??= setTimeout(() => this.#sendMarks(), MARK_MS);
  }

  /** This conversation was loaded as of `head`. */
  adopt(conversation: string, head: number): void {
    for (const entry of this.#cursors.adopt(conversation, head)) this.listener.entry(entry);
    if (this.#cursors.behind) this.#catchUp.gap();
  }

  #changed(state: ConnectionState): void {
    if (state.name !== "online") {
      for (const timer of Object.values(this.#timers)) clearTimeout(timer);
      this.#timers = {};
      this.#catchUp.disconnected();
      this.outbox.interrupted();
    }
    this.listener.connection(state);
  }

  async #welcome(welcome: wire.Welcome): Promise<void> {
    this.#limits = welcome.limits;
    this.listener.welcome(welcome);
    for (const conversation of this.#marks.keys()) this.#unsentMarks.add(conversation);
    this.#sendMarks();
    this.#catchUp.connected(welcome.limits.resume_conversations);
    await this.outbox.load();
    this.#pump();
  }

  #handle(event: wire.ServerEvent): void {
    switch (event.type) {
      case "message":
      case "edited":
      case "deleted": {
        const { entries, missing } = this.#cursors.offer(event);
        const own = this.outbox.settle(event.id);
        for (const entry of entries) this.listener.entry(entry);
        if (missing) this.#missing(missing, event.conversation);
        if (own) this.#answered();
        return;
      }
      case "ack":
        return this.#acked(event);
      case "head": {
        const missing = this.#cursors.head(event.conversation, event.seq);
        if (missing === "history") this.#missing(missing, event.conversation);
        else if (missing) this.#catchUp.lag();
        return;
      }
      case "error":
        if (!this.#catchUp.answered(event)) this.#refused(event);
        return;
      case "resumed":
        return void this.#catchUp.answered(event);
      case "resync":
        return this.#catchUp.resume();
      case "marker":
      case "typing":
      case "presence":
        return this.listener.signal(event);
      default: // a newer service may send events that this client does not know
    }
  }

  #acked({ id, conversation, seq, timestamp }: wire.Ack): void {
    if (id === undefined || conversation === undefined || !seq || !timestamp) return;
    const { entries, missing } = this.#cursors.acked(conversation, seq);
    const item = this.outbox.settle(id);
    if (item) this.listener.stored(item, { conversation, seq, timestamp });
    for (const entry of entries) this.listener.entry(entry);
    if (missing) this.#missing(missing, conversation);
    this.#answered();
  }

  #refused({ id, code, detail, retry_after_ms }: wire.Error): void {
    if (id === undefined && retry_after_ms === undefined) this.outbox.suspect({ code, detail });
    if (!this.outbox.find(id)) return;
    if (retry_after_ms === undefined) {
      this.outbox.refuse(id!, { code, detail });
      return this.#answered();
    }
    setTimeout(() => {
      this.outbox.postpone(id!);
      this.#answered();
    }, retry_after_ms);
  }

  #answered(): void {
    for (const timer of ["ack", "look"] as const) {
      clearTimeout(this.#timers[timer]);
      delete this.#timers[timer];
    }
    this.#pump();
  }

  #pump(): void {
    if (!this.#connection.online || !this.#limits) return;
    for (const { op } of this.outbox.next()) {
      const bytes = new TextEncoder().encode(JSON.stringify(op)).length;
      if (bytes <= this.#limits.frame_bytes) this.#connection.send(op);
      else this.outbox.refuse(op.id, { code: "body_too_large", detail: "The message is too long." });
    }
    if (this.outbox.items.some((item) => !item.refusal)) {
      this.#timers.ack ??= setTimeout(() => this.#connection.drop(), ACK_MS);
      this.#timers.look ??= setTimeout(() => this.#connection.check(), LOOK_MS);
    }
  }

  #missing(missing: Missing, conversation: string): void {
    if (missing === "history") this.listener.stale([conversation]);
    else this.#catchUp.gap();
  }

  #sendMarks(): void {
    delete this.#timers.mark;
    for (const conversation of this.#unsentMarks) {
      const marks = this.#marks.get(conversation);
      if (!this.#connection.send({ type: "mark", conversation, ...marks })) return;
      this.#unsentMarks.delete(conversation);
    }
  }
}
