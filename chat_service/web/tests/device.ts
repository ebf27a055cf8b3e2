// A new client on a scripted server for each test.

import { afterEach, beforeEach, vi } from "vitest";

import { ChatClient } from "../src/client/client";
import type { OutboxStorage } from "../src/client/outbox";
import type { Send } from "../src/protocol";
import { advance, lastSocket, memoryStorage, ScriptedSocket, ScriptedTokens, flushMicrotasks, RecordingListener } from "./scripted_server";

export const BOB = "bob@example.org";
export const device = { listener: new RecordingListener(), storage: memoryStorage() as OutboxStorage } as {
  client: ChatClient;
  listener: RecordingListener;
  storage: OutboxStorage;
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  vi.stubGlobal("WebSocket", ScriptedSocket);
  ScriptedSocket.all = [];
  device.storage = memoryStorage();
  device.listener = new RecordingListener();
});

afterEach(() => {
  device.client.stop();
  vi.useRealTimers();
});

export async function start(from: OutboxStorage = device.storage): Promise<void> {
  device.client = new ChatClient("ws://chat.example/ws", new ScriptedTokens(), from, device.listener);
  await device.client.start();
  await flushMicrotasks();
}

export async function connect(): Promise<ScriptedSocket> {
  return lastSocket().welcome();
}

export const send = (id: string, text = id): Send => ({ type: "send", id, to: BOB, text });

export function ack(id: string, seq: number, conversation = "c1"): void {
  lastSocket().say({ type: "ack", id, conversation, seq, timestamp: "2026-01-01T00:00:00Z" });
}

export const sent = () => lastSocket().received("send").map(({ id }) => id);

export async function reconnect(): Promise<void> {
  const { length } = ScriptedSocket.all;
  lastSocket().end(1006);
  while (ScriptedSocket.all.length === length) await advance(100);
  await lastSocket().welcome();
}
