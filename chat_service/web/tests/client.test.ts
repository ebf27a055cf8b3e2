import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { ChatClient } from "../src/client/client";
import type { OutboxStorage } from "../src/client/outbox";
import { browserStorage } from "../src/client/outbox_storage";
import type { Send } from "../src/protocol";
import { after, lastSocket, memory, message, ScriptedSocket, ScriptedTokens, settled, Witness } from "./scripted_server";

const BOB = "bob@example.org";
let witness: Witness;
let client: ChatClient;
let storage: OutboxStorage;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  vi.stubGlobal("WebSocket", ScriptedSocket);
  ScriptedSocket.all = [];
  storage = memory();
});

afterEach(() => {
  client.stop();
  vi.useRealTimers();
});

async function started(from: OutboxStorage = storage): Promise<void> {
  witness = new Witness();
  client = new ChatClient("ws://chat.example/ws", new ScriptedTokens(), from, witness);
  await client.start();
  await settled();
}

async function online(): Promise<ScriptedSocket> {
  if (!client) await started();
  return lastSocket().welcome();
}

const send = (id: string, text = id): Send => ({ type: "send", id, to: BOB, text });

function acked(id: string, seq: number, conversation = "c1"): void {
  lastSocket().say({ type: "ack", id, conversation, seq, timestamp: "2026-01-01T00:00:00Z" });
}

const sent = () => lastSocket().taken("send").map(({ id }) => id);

async function comesBack(): Promise<void> {
  const { length } = ScriptedSocket.all;
  lastSocket().end(1006);
  while (ScriptedSocket.all.length === length) await after(100);
  await lastSocket().welcome();
}

describe("sending", () => {
  beforeEach(async () => {
    await started();
    await online();
  });

  it("keeps a message until it is acknowledged", async () => {
    client.send(send("a"), BOB);
    expect(sent()).toEqual(["a"]);
    expect(client.outbox.items).toHaveLength(1);
    acked("a", 1);
    expect(client.outbox.items).toHaveLength(0);
    expect(witness.storedIds).toEqual(["a"]);
    expect(await storage.all()).toEqual([]);
  });

  it("sends again, by the same id, what was not acknowledged when the socket went", async () => {
    client.send(send("a"), BOB);
    await comesBack();
    expect(ScriptedSocket.all).toHaveLength(2);
    expect(sent()).toEqual(["a"]);
    acked("a", 1);
    await comesBack();
    expect(sent()).toEqual([]);
  });

  it("keeps the order to one person, and makes nobody else wait", () => {
    client.send(send("a"), BOB);
    client.send(send("b"), BOB);
    client.send({ ...send("c"), to: "cy@example.org" }, "cy@example.org");
    expect(sent()).toEqual(["a", "c"]);
    acked("a", 1);
    expect(sent()).toEqual(["a", "c", "b"]);
  });

  it("keeps the order also where one is refused for a moment", async () => {
    client.send(send("a"), BOB);
    client.send(send("b"), BOB);
    lastSocket().say({ type: "error", id: "a", code: "unavailable", detail: "", retry_after_ms: 2_000 });
    await after(1_900);
    expect(sent()).toEqual(["a"]);
    await after(200);
    expect(sent()).toEqual(["a", "a"]);
    acked("a", 1);
    expect(sent()).toEqual(["a", "a", "b"]);
  });

  it("asks a person about what is refused for good, and sends the next", () => {
    client.send(send("a"), BOB);
    client.send(send("b"), BOB);
    lastSocket().say({ type: "error", id: "a", code: "invalid_input", detail: "Too long." });
    expect(client.outbox.find("a")!.refusal).toEqual({ code: "invalid_input", detail: "Too long." });
    expect(sent()).toEqual(["a", "b"]);
    client.sendAgain("a");
    acked("b", 1);
    expect(sent()).toEqual(["a", "b", "a"]);
  });

  it("does not send what the service would not read", () => {
    client.send(send("a", "\u0001".repeat(20_000)), BOB);
    expect(sent()).toEqual([]);
    expect(client.outbox.find("a")!.refusal!.code).toBe("body_too_large");
  });

  it("knows its message where it comes back as an event", () => {
    client.send(send("a"), BOB);
    lastSocket().say({ ...message(1, "c1", "a"), sender: "ann@example.org" });
    expect(client.outbox.items).toHaveLength(0);
    expect(witness.seqs).toEqual([1]);
  });

  it("gives a socket up that answers nothing, whatever else it says", async () => {
    client.send(send("a"), BOB);
    for (let second = 0; second < 31; second++) {
      lastSocket().say(message(second + 1, "c2"));
      await after(1_000);
    }
    expect(ScriptedSocket.all).toHaveLength(2);
  });
});

describe("stopping", () => {
  it("holds also where starting was not over", async () => {
    witness = new Witness();
    client = new ChatClient("ws://chat.example/ws", new ScriptedTokens(), storage, witness);
    const starting = client.start();
    client.stop();
    await starting;
    await settled();
    expect(ScriptedSocket.all).toHaveLength(0);
  });
});

describe("the outbox", () => {
  it("is sent in order when the connection is there", async () => {
    await started();
    client.send(send("a"), BOB);
    client.send(send("b"), BOB);
    await online();
    acked("a", 1);
    acked("b", 2);
    expect(sent()).toEqual(["a", "b"]);
  });

  it("survives a reload, in IndexedDB", async () => {
    vi.useRealTimers();
    const before = browserStorage("employee-1");
    await before.put({ op: send("b"), to: BOB, order: 2 });
    await before.put({ op: send("a"), to: BOB, order: 1 });
    await started(browserStorage("employee-1"));
    await lastSocket().welcome();
    await vi.waitFor(() => expect(sent()).toEqual(["a"]));
    acked("a", 1);
    acked("b", 2);
    await vi.waitFor(async () => expect(await before.all()).toEqual([]));
    expect(await browserStorage("employee-2").all()).toEqual([]);
  });

  it("takes in what another tab has left, once", async () => {
    await started();
    await online();
    await storage.put({ op: send("a"), to: BOB, order: 1 });
    await comesBack();
    expect(sent()).toEqual(["a"]);
    acked("a", 1);
    await comesBack();
    expect(sent()).toEqual([]);
  });

  it("is empty, for all tabs, once it is cleared", async () => {
    await started();
    client.send(send("a"), BOB);
    await storage.put({ op: send("b"), to: BOB, order: 1 });
    await client.outbox.clear();
    await online();
    expect(sent()).toEqual([]);
    expect(await storage.all()).toEqual([]);
  });

  it("does not send what was discarded", async () => {
    await started();
    client.send(send("a"), BOB);
    client.outbox.discard("a");
    await online();
    expect(sent()).toEqual([]);
  });
});

describe("catching up", () => {
  beforeEach(async () => {
    await started();
    await online();
    await lastSocket().resumed({ c1: { head: 4, complete: false } });
  });

  it("asks to load what it does not have, then takes what came meanwhile", () => {
    expect(witness.staleIds).toEqual([["c1"]]);
    lastSocket().say(message(5));
    expect(witness.seqs).toEqual([]);
    client.adopt("c1", 4);
    expect(witness.seqs).toEqual([5]);
  });

  it("resumes from its cursors after each connect", async () => {
    client.adopt("c1", 4);
    await comesBack();
    expect(lastSocket().taken("resume")[0]!.cursors).toEqual({ c1: 4 });
    for (const seq of [5, 6, 6, 5]) lastSocket().say(message(seq));
    await lastSocket().resumed({ c1: { head: 6, complete: true } });
    lastSocket().say(message(7));
    expect(witness.seqs).toEqual([5, 6, 7]);
    expect(witness.staleIds).toHaveLength(1);
  });

  it("resumes when it is told that events may be missing", async () => {
    client.adopt("c1", 4);
    lastSocket().say({ type: "resync", reason: "the broker was away" });
    expect(lastSocket().taken("resume")).toHaveLength(2);
  });

  it("resumes at a gap", async () => {
    client.adopt("c1", 4);
    lastSocket().say(message(6));
    await after(500);
    expect(lastSocket().taken("resume").at(-1)!.cursors).toEqual({ c1: 4 });
    lastSocket().say(message(5));
    lastSocket().say(message(6));
    await lastSocket().resumed({ c1: { head: 6, complete: true } });
    expect(witness.seqs).toEqual([5, 6]);
  });

  it("does not resume where an ack only overtook an entry", async () => {
    client.adopt("c1", 4);
    client.send(send("a"), BOB);
    acked("a", 6);
    lastSocket().say(message(5));
    await after(1_000);
    expect(lastSocket().taken("resume")).toHaveLength(1);
    expect(witness.seqs).toEqual([5]);
  });

  it("loads anew where too much was missed", async () => {
    client.adopt("c1", 4);
    await comesBack();
    for (const seq of [5, 6]) lastSocket().say(message(seq));
    await lastSocket().resumed({ c1: { head: 900, complete: false } });
    expect(witness.staleIds.at(-1)).toEqual(["c1"]);
    client.adopt("c1", 900);
    lastSocket().say(message(901));
    expect(witness.seqs).toEqual([5, 6, 901]);
  });

  it("names its cursors in parts, as many in each as the service allows", async () => {
    for (const id of ["c1", "c2", "c3"]) client.adopt(id, 1);
    await comesBack();
    await lastSocket().resumed({ c1: { head: 1, complete: true }, c3: { head: 1, complete: false } });
    await lastSocket().resumed({ c3: { head: 1, complete: true } });
    expect(lastSocket().taken("resume").map(({ cursors }) => cursors)).toEqual([
      { c1: 1, c2: 1 },
      { c3: 1 },
    ]);
    expect(witness.staleIds).toHaveLength(1);
  });

  it("tries again where the service cannot just now", async () => {
    lastSocket().say({ type: "resync", reason: "" });
    const { id } = lastSocket().taken("resume").at(-1)!;
    lastSocket().say({ type: "error", id: id!, code: "unavailable", detail: "", retry_after_ms: 1_000 });
    await after(1_000);
    expect(lastSocket().taken("resume")).toHaveLength(3);
  });

  it("asks again where it heard of a loss while it was answered", async () => {
    client.adopt("c1", 4);
    lastSocket().say({ type: "resync", reason: "" });
    lastSocket().say({ type: "resync", reason: "" });
    expect(lastSocket().taken("resume")).toHaveLength(2);
    await lastSocket().resumed({ c1: { head: 4, complete: true } });
    expect(lastSocket().taken("resume")).toHaveLength(3);
    await lastSocket().resumed({ c1: { head: 4, complete: true } });
    expect(lastSocket().taken("resume")).toHaveLength(3);
  });

  it("loads everything anew where the service does not know its cursors", async () => {
    client.adopt("c1", 4);
    lastSocket().say({ type: "resync", reason: "" });
    const { id } = lastSocket().taken("resume").at(-1)!;
    lastSocket().say({ type: "error", id: id!, code: "not_participant", detail: "" });
    await after(1_000);
    expect(lastSocket().taken("resume").at(-1)!.cursors).toEqual({});
    await lastSocket().resumed({ c1: { head: 6, complete: false } });
    expect(witness.staleIds.at(-1)).toEqual(["c1"]);
  });

  it("resumes also where the socket went in the middle of a resume", async () => {
    client.adopt("c1", 4);
    lastSocket().say({ type: "resync", reason: "" });
    await comesBack();
    expect(lastSocket().taken("resume")).toHaveLength(1);
  });
});

describe("marks", () => {
  it("are told together, never lower, and again after a reconnect", async () => {
    await started();
    await online();
    client.mark("c1", { received: 3 });
    client.mark("c1", { received: 5 });
    client.mark("c1", { read: 4 });
    client.mark("c1", { read: 2 });
    await after(250);
    expect(lastSocket().taken("mark")).toEqual([
      { type: "mark", conversation: "c1", received: 5, read: 4 },
    ]);
    await comesBack();
    expect(lastSocket().taken("mark")).toHaveLength(1);
  });
});
