import "fake-indexeddb/auto";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { ChatClient } from "../src/client/client";
import { browserStorage } from "../src/client/outbox_storage";
import { ack, BOB, reconnect, device, connect, send, sent, start } from "./device";
import { advance, lastSocket, message, ScriptedSocket, ScriptedTokens, flushMicrotasks } from "./scripted_server";

describe("sending", () => {
  beforeEach(async () => {
    await start();
    await connect();
  });

  it("keeps a message until it is acknowledged", async () => {
    device.client.send(send("a"), BOB);
    expect(sent()).toEqual(["a"]);
    expect(device.client.outbox.items).toHaveLength(1);
    ack("a", 1);
    expect(device.client.outbox.items).toHaveLength(0);
    expect(device.listener.storedIds).toEqual(["a"]);
    expect(await device.storage.all()).toEqual([]);
  });

  it("resends, with the same id, what was not acknowledged when the socket was lost", async () => {
    device.client.send(send("a"), BOB);
    await reconnect();
    expect(ScriptedSocket.all).toHaveLength(2);
    expect(sent()).toEqual(["a"]);
    ack("a", 1);
    await reconnect();
    expect(sent()).toEqual([]);
  });

  it("replaces half a surrogate pair, also in what an earlier visit left", async () => {
    device.client.send(send("a", "half \ud83d emoji 😀"), BOB);
    expect(lastSocket().received("send")[0]!.text).toBe("half \ufffd emoji 😀");
    device.client.stop();
    const op = send("b", "\udc00");
    await device.storage.put({ op, to: BOB, order: Date.now() });
    await start();
    await connect();
    ack("a", 1);
    expect(lastSocket().received("send").at(-1)!.text).toBe("\ufffd");
  });

  it("gives up what was under way three times when an error named nothing", async () => {
    device.client.send(send("a"), BOB);
    device.client.send(send("b"), BOB);
    const error = { type: "error", code: "malformed_body", detail: "Not JSON." } as const;
    for (let time = 1; time <= 3; time++) {
      expect(device.client.outbox.find("a")!.refusal).toBeUndefined();
      lastSocket().say(error);
      if (time < 3) await reconnect();
    }
    expect(device.client.outbox.find("a")!.refusal).toEqual({ code: error.code, detail: error.detail });
    await reconnect();
    expect(sent()).toEqual(["b"]);
  });

  it("looks whether the connection is alive when an answer is overdue", async () => {
    device.client.send(send("a"), BOB);
    await advance(4_000);
    expect(lastSocket().received("ping")).toHaveLength(1);
    const { length } = ScriptedSocket.all;
    await advance(8_000);
    expect(ScriptedSocket.all.length).toBeGreaterThan(length);
  });

  it("keeps the order to one person without delaying anybody else", () => {
    device.client.send(send("a"), BOB);
    device.client.send(send("b"), BOB);
    device.client.send({ ...send("c"), to: "cy@example.org" }, "cy@example.org");
    expect(sent()).toEqual(["a", "c"]);
    ack("a", 1);
    expect(sent()).toEqual(["a", "c", "b"]);
  });

  it("keeps the order even if one is refused for now", async () => {
    device.client.send(send("a"), BOB);
    device.client.send(send("b"), BOB);
    lastSocket().say({ type: "error", id: "a", code: "unavailable", detail: "", retry_after_ms: 2_000 });
    await advance(1_900);
    expect(sent()).toEqual(["a"]);
    await advance(200);
    expect(sent()).toEqual(["a", "a"]);
    ack("a", 1);
    expect(sent()).toEqual(["a", "a", "b"]);
  });

  it("keeps what is refused for good until the person decides, and sends the next", () => {
    device.client.send(send("a"), BOB);
    device.client.send(send("b"), BOB);
    lastSocket().say({ type: "error", id: "a", code: "invalid_input", detail: "Too long." });
    expect(device.client.outbox.find("a")!.refusal).toEqual({ code: "invalid_input", detail: "Too long." });
    expect(sent()).toEqual(["a", "b"]);
    device.client.sendAgain("a");
    ack("b", 1);
    expect(sent()).toEqual(["a", "b", "a"]);
  });

  it("does not send what is too large for the service", () => {
    device.client.send(send("a", "\u0001".repeat(20_000)), BOB);
    expect(sent()).toEqual([]);
    expect(device.client.outbox.find("a")!.refusal!.code).toBe("body_too_large");
  });

  it("recognizes its message when it comes back as an event", () => {
    device.client.send(send("a"), BOB);
    lastSocket().say({ ...message(1, "c1", "a"), sender: "ann@example.org" });
    expect(device.client.outbox.items).toHaveLength(0);
    expect(device.listener.seqs).toEqual([1]);
  });

  it("gives up a socket that does not answer, whatever else it delivers", async () => {
    device.client.send(send("a"), BOB);
    for (let second = 0; second < 31; second++) {
      lastSocket().say(message(second + 1, "c2"));
      await advance(1_000);
    }
    expect(ScriptedSocket.all).toHaveLength(2);
  });
});

describe("stopping", () => {
  it("holds even during a start", async () => {
    device.client = new ChatClient("ws://chat.example/ws", new ScriptedTokens(), device.storage, device.listener);
    const starting = device.client.start();
    device.client.stop();
    await starting;
    await flushMicrotasks();
    expect(ScriptedSocket.all).toHaveLength(0);
  });
});

describe("the outbox", () => {
  it("is sent in order once connected", async () => {
    await start();
    device.client.send(send("a"), BOB);
    device.client.send(send("b"), BOB);
    await connect();
    ack("a", 1);
    ack("b", 2);
    expect(sent()).toEqual(["a", "b"]);
  });

  it("survives a reload, in IndexedDB", async () => {
    vi.useRealTimers();
    const before = browserStorage("employee-1");
    await before.put({ op: send("b"), to: BOB, order: 2 });
    await before.put({ op: send("a"), to: BOB, order: 1 });
    await start(browserStorage("employee-1"));
    await lastSocket().welcome();
    await vi.waitFor(() => expect(sent()).toEqual(["a"]));
    ack("a", 1);
    ack("b", 2);
    await vi.waitFor(async () => expect(await before.all()).toEqual([]));
    expect(await browserStorage("employee-2").all()).toEqual([]);
  });

  it("adds what another tab has left, once", async () => {
    await start();
    await connect();
    await device.storage.put({ op: send("a"), to: BOB, order: 1 });
    await reconnect();
    expect(sent()).toEqual(["a"]);
    ack("a", 1);
    await reconnect();
    expect(sent()).toEqual([]);
  });

  it("is empty, for all tabs, once it is cleared", async () => {
    await start();
    device.client.send(send("a"), BOB);
    await device.storage.put({ op: send("b"), to: BOB, order: 1 });
    await device.client.outbox.clear();
    await connect();
    expect(sent()).toEqual([]);
    expect(await device.storage.all()).toEqual([]);
  });

  it("does not send what was discarded", async () => {
    await start();
    device.client.send(send("a"), BOB);
    device.client.outbox.discard("a");
    await connect();
    expect(sent()).toEqual([]);
  });
});

describe("marks", () => {
  it("are sent together, never go back, and are sent again after a reconnect", async () => {
    await start();
    await connect();
    device.client.mark("c1", { received: 3 });
    device.client.mark("c1", { received: 5 });
    device.client.mark("c1", { read: 4 });
    device.client.mark("c1", { read: 2 });
    await advance(250);
    expect(lastSocket().received("mark")).toEqual([
      { type: "mark", conversation: "c1", received: 5, read: 4 },
    ]);
    await reconnect();
    expect(lastSocket().received("mark")).toHaveLength(1);
  });
});
