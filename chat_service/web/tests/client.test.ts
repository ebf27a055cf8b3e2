import "fake-indexeddb/auto";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { ChatClient } from "../src/client/client";
import { browserStorage } from "../src/client/outbox_storage";
import { acked, BOB, comesBack, device, online, send, sent, started } from "./device";
import { after, lastSocket, message, ScriptedSocket, ScriptedTokens, settled } from "./scripted_server";

describe("sending", () => {
  beforeEach(async () => {
    await started();
    await online();
  });

  it("keeps a message until it is acknowledged", async () => {
    device.client.send(send("a"), BOB);
    expect(sent()).toEqual(["a"]);
    expect(device.client.outbox.items).toHaveLength(1);
    acked("a", 1);
    expect(device.client.outbox.items).toHaveLength(0);
    expect(device.witness.storedIds).toEqual(["a"]);
    expect(await device.storage.all()).toEqual([]);
  });

  it("sends again, by the same id, what was not acknowledged when the socket went", async () => {
    device.client.send(send("a"), BOB);
    await comesBack();
    expect(ScriptedSocket.all).toHaveLength(2);
    expect(sent()).toEqual(["a"]);
    acked("a", 1);
    await comesBack();
    expect(sent()).toEqual([]);
  });

  it("keeps the order to one person, and makes nobody else wait", () => {
    device.client.send(send("a"), BOB);
    device.client.send(send("b"), BOB);
    device.client.send({ ...send("c"), to: "cy@example.org" }, "cy@example.org");
    expect(sent()).toEqual(["a", "c"]);
    acked("a", 1);
    expect(sent()).toEqual(["a", "c", "b"]);
  });

  it("keeps the order also where one is refused for a moment", async () => {
    device.client.send(send("a"), BOB);
    device.client.send(send("b"), BOB);
    lastSocket().say({ type: "error", id: "a", code: "unavailable", detail: "", retry_after_ms: 2_000 });
    await after(1_900);
    expect(sent()).toEqual(["a"]);
    await after(200);
    expect(sent()).toEqual(["a", "a"]);
    acked("a", 1);
    expect(sent()).toEqual(["a", "a", "b"]);
  });

  it("asks a person about what is refused for good, and sends the next", () => {
    device.client.send(send("a"), BOB);
    device.client.send(send("b"), BOB);
    lastSocket().say({ type: "error", id: "a", code: "invalid_input", detail: "Too long." });
    expect(device.client.outbox.find("a")!.refusal).toEqual({ code: "invalid_input", detail: "Too long." });
    expect(sent()).toEqual(["a", "b"]);
    device.client.sendAgain("a");
    acked("b", 1);
    expect(sent()).toEqual(["a", "b", "a"]);
  });

  it("does not send what the service would not read", () => {
    device.client.send(send("a", "\u0001".repeat(20_000)), BOB);
    expect(sent()).toEqual([]);
    expect(device.client.outbox.find("a")!.refusal!.code).toBe("body_too_large");
  });

  it("knows its message where it comes back as an event", () => {
    device.client.send(send("a"), BOB);
    lastSocket().say({ ...message(1, "c1", "a"), sender: "ann@example.org" });
    expect(device.client.outbox.items).toHaveLength(0);
    expect(device.witness.seqs).toEqual([1]);
  });

  it("gives a socket up that answers nothing, whatever else it says", async () => {
    device.client.send(send("a"), BOB);
    for (let second = 0; second < 31; second++) {
      lastSocket().say(message(second + 1, "c2"));
      await after(1_000);
    }
    expect(ScriptedSocket.all).toHaveLength(2);
  });
});

describe("stopping", () => {
  it("holds also where starting was not over", async () => {
    device.client = new ChatClient("ws://chat.example/ws", new ScriptedTokens(), device.storage, device.witness);
    const starting = device.client.start();
    device.client.stop();
    await starting;
    await settled();
    expect(ScriptedSocket.all).toHaveLength(0);
  });
});

describe("the outbox", () => {
  it("is sent in order when the connection is there", async () => {
    await started();
    device.client.send(send("a"), BOB);
    device.client.send(send("b"), BOB);
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
    await device.storage.put({ op: send("a"), to: BOB, order: 1 });
    await comesBack();
    expect(sent()).toEqual(["a"]);
    acked("a", 1);
    await comesBack();
    expect(sent()).toEqual([]);
  });

  it("is empty, for all tabs, once it is cleared", async () => {
    await started();
    device.client.send(send("a"), BOB);
    await device.storage.put({ op: send("b"), to: BOB, order: 1 });
    await device.client.outbox.clear();
    await online();
    expect(sent()).toEqual([]);
    expect(await device.storage.all()).toEqual([]);
  });

  it("does not send what was discarded", async () => {
    await started();
    device.client.send(send("a"), BOB);
    device.client.outbox.discard("a");
    await online();
    expect(sent()).toEqual([]);
  });
});

describe("marks", () => {
  it("are told together, never lower, and again after a reconnect", async () => {
    await started();
    await online();
    device.client.mark("c1", { received: 3 });
    device.client.mark("c1", { received: 5 });
    device.client.mark("c1", { read: 4 });
    device.client.mark("c1", { read: 2 });
    await after(250);
    expect(lastSocket().taken("mark")).toEqual([
      { type: "mark", conversation: "c1", received: 5, read: 4 },
    ]);
    await comesBack();
    expect(lastSocket().taken("mark")).toHaveLength(1);
  });
});
