// A scripted server behind a `WebSocket` of its own.

import { vi } from "vitest";

import type { ChatListener } from "../src/client/client";
import type { ConnectionState, Tokens } from "../src/client/connection";
import type { OutboxItem, OutboxStorage } from "../src/client/outbox";
import type * as wire from "../src/protocol";

export class ScriptedSocket {
  static readonly OPEN = 1;
  static all: ScriptedSocket[] = [];

  readyState = 0;
  ops: wire.ClientOp[] = [];
  onopen?: () => void;
  onmessage?: (message: { data: string }) => void;
  onclose?: (close: { code: number }) => void;

  constructor(readonly url: string) {
    ScriptedSocket.all.push(this);
  }

  send(text: string): void {
    this.ops.push(JSON.parse(text) as wire.ClientOp);
  }

  close(): void {
    this.readyState = 3;
  }

  // What the test calls.

  accept(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  async welcome(): Promise<this> {
    this.accept();
    this.say({
      type: "welcome",
      connection: "c",
      employee: "ann@example.org",
      server_time: "2026-01-01T00:00:00Z",
      token_expires_at: "2026-01-01T00:10:00Z",
      limits: { text: 4000, frame_bytes: 65_536, in_flight: 64, resume_conversations: 2 },
    });
    await flushMicrotasks();
    return this;
  }

  say(event: wire.ServerEvent): void {
    this.onmessage?.({ data: JSON.stringify(event) });
  }

  end(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }

  received<Type extends wire.ClientOp["type"]>(type: Type): Array<Extract<wire.ClientOp, { type: Type }>> {
    return this.ops.filter((op) => op.type === type) as never;
  }

  /** Answers the last `resume`. */
  async resumed(conversations: wire.Resumed["conversations"] = {}): Promise<void> {
    const { id } = this.received("resume").at(-1)!;
    this.say({ type: "resumed", id: id!, conversations });
    await flushMicrotasks();
  }
}

export function lastSocket(): ScriptedSocket {
  return ScriptedSocket.all.at(-1)!;
}

/** Runs everything that does not wait for a timer. */
export async function flushMicrotasks(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

export async function advance(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await flushMicrotasks();
}

export class ScriptedTokens implements Tokens {
  present = "token-1";
  life = 510_000;
  refused: Array<string | undefined> = [];
  problem: Error | null = null;

  async token(refused?: string): Promise<string> {
    this.refused.push(refused);
    if (this.problem) throw this.problem;
    if (refused === this.present) this.present += "+";
    return this.present;
  }

  renewIn(): number {
    return this.life;
  }
}

export function memoryStorage(): OutboxStorage & { items: Map<string, OutboxItem> } {
  const items = new Map<string, OutboxItem>();
  return {
    items,
    all: async () => [...items.values()],
    put: async (item) => void items.set(item.op.id, item),
    remove: async (id) => void items.delete(id),
    clear: async () => items.clear(),
  };
}

export class RecordingListener implements ChatListener {
  states: string[] = [];
  entries: wire.LogEvent[] = [];
  storedIds: string[] = [];
  signals: unknown[] = [];
  staleIds: string[][] = [];
  caughtUpTimes = 0;

  connection(state: ConnectionState): void {
    this.states.push(state.name === "stopped" ? state.why : state.name);
  }
  welcome(): void {}
  entry(entry: wire.LogEvent): void {
    this.entries.push(entry);
  }
  stored(item: OutboxItem): void {
    this.storedIds.push(item.op.id);
  }
  signal(event: unknown): void {
    this.signals.push(event);
  }
  stale(ids: string[]): void {
    this.staleIds.push(ids);
  }
  caughtUp(): void {
    this.caughtUpTimes++;
  }
  outbox(): void {}

  get seqs(): number[] {
    return this.entries.map(({ seq }) => seq);
  }
}

export function message(seq: number, conversation = "c1", id = `m${seq}`): wire.Message {
  return {
    type: "message",
    conversation,
    seq,
    id,
    sender: "bob@example.org",
    participants: ["ann@example.org", "bob@example.org"],
    timestamp: "2026-01-01T00:00:00Z",
    text: `text ${seq}`,
  };
}

export function head(conversation: string, seq: number): wire.HeadEvent {
  const participants: [string, string] = ["ann@example.org", "bob@example.org"];
  return { type: "head", conversation, participants, seq };
}
