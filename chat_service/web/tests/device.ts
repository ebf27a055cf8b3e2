// A client on a scripted server, anew for each test.

import { afterEach, beforeEach, vi } from "vitest";

import { ChatClient } from "../src/client/client";
import type { OutboxStorage } from "../src/client/outbox";
import type { Send } from "../src/protocol";
import { after, lastSocket, memory, ScriptedSocket, ScriptedTokens, settled, Witness } from "./scripted_server";

export const BOB = "bob@example.org";
export const device = { witness: new Witness(), storage: memory() as OutboxStorage } as {
  client: ChatClient;
  witness: Witness;
  storage: OutboxStorage;
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  vi.stubGlobal("WebSocket", ScriptedSocket);
  ScriptedSocket.all = [];
  device.storage = memory();
  device.witness = new Witness();
});

afterEach(() => {
  device.client.stop();
  vi.useRealTimers();
});

export async function started(from: OutboxStorage = device.storage): Promise<void> {
  device.client = new ChatClient("ws://chat.example/ws", new ScriptedTokens(), from, device.witness);
  await device.client.start();
  await settled();
}

export async function online(): Promise<ScriptedSocket> {
  return lastSocket().welcome();
}

export const send = (id: string, text = id): Send => ({ type: "send", id, to: BOB, text });

export function acked(id: string, seq: number, conversation = "c1"): void {
  lastSocket().say({ type: "ack", id, conversation, seq, timestamp: "2026-01-01T00:00:00Z" });
}

export const sent = () => lastSocket().taken("send").map(({ id }) => id);

export async function comesBack(): Promise<void> {
  const { length } = ScriptedSocket.all;
  lastSocket().end(1006);
  while (ScriptedSocket.all.length === length) await after(100);
  await lastSocket().welcome();
}
