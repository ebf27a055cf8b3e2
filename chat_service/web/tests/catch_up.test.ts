import { beforeEach, describe, expect, it } from "vitest";

import { ack, BOB, reconnect, device, connect, send, start } from "./device";
import { advance, head, lastSocket, message } from "./scripted_server";

describe("catching up", () => {
  beforeEach(async () => {
    await start();
    await connect();
    await lastSocket().resumed({ c1: { head: 4, complete: false } });
  });

  it("asks to load what it does not have, then applies what arrived meanwhile", () => {
    expect(device.listener.staleIds).toEqual([["c1"]]);
    lastSocket().say(message(5));
    expect(device.listener.seqs).toEqual([]);
    device.client.adopt("c1", 4);
    expect(device.listener.seqs).toEqual([5]);
  });

  it("resumes from its cursors after each connect", async () => {
    device.client.adopt("c1", 4);
    await reconnect();
    expect(lastSocket().received("resume")[0]!.cursors).toEqual({ c1: 4 });
    for (const seq of [5, 6, 6, 5]) lastSocket().say(message(seq));
    await lastSocket().resumed({ c1: { head: 6, complete: true } });
    lastSocket().say(message(7));
    expect(device.listener.seqs).toEqual([5, 6, 7]);
    expect(device.listener.staleIds).toHaveLength(1);
  });

  it("resumes when the service says that events may be missing", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say({ type: "resync", reason: "the broker was away" });
    expect(lastSocket().received("resume")).toHaveLength(2);
  });

  it("resumes at a gap", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say(message(6));
    await advance(500);
    expect(lastSocket().received("resume").at(-1)).toMatchObject({ cursors: { c1: 4 }, only: true });
    lastSocket().say(message(5));
    lastSocket().say(message(6));
    await lastSocket().resumed({ c1: { head: 6, complete: true } });
    expect(device.listener.seqs).toEqual([5, 6]);
  });

  it("resumes at once, and only what lags, when it hears of entries that it was not sent", async () => {
    for (const id of ["c1", "c2"]) device.client.adopt(id, 4);
    lastSocket().say(head("c1", 4));
    expect(lastSocket().received("resume")).toHaveLength(1);
    lastSocket().say(head("c1", 5));
    expect(lastSocket().received("resume").at(-1)).toMatchObject({ cursors: { c1: 4 }, only: true });
    lastSocket().say(message(5));
    await lastSocket().resumed({ c1: { head: 5, complete: true } });
    await advance(5_000);
    expect(lastSocket().received("resume")).toHaveLength(2);
  });

  it("loads a conversation that it first hears of by its head", () => {
    lastSocket().say(head("c7", 3));
    expect(device.listener.staleIds.at(-1)).toEqual(["c7"]);
  });

  it("asks less and less often for what no resume brings", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say(head("c1", 5));
    const asked = () => lastSocket().received("resume").length;
    for (const [wait, count] of [[1_000, 3], [1_000, 3], [1_000, 4]] as const) {
      await lastSocket().resumed({ c1: { head: 4, complete: true } });
      await advance(wait);
      expect(asked()).toBe(count);
    }
  });

  it("does not resume if an ack only overtook an entry", async () => {
    device.client.adopt("c1", 4);
    device.client.send(send("a"), BOB);
    ack("a", 6);
    lastSocket().say(message(5));
    await advance(1_000);
    expect(lastSocket().received("resume")).toHaveLength(1);
    expect(device.listener.seqs).toEqual([5]);
  });

  it("asks to reload if too much was missed", async () => {
    device.client.adopt("c1", 4);
    await reconnect();
    for (const seq of [5, 6]) lastSocket().say(message(seq));
    await lastSocket().resumed({ c1: { head: 900, complete: false } });
    expect(device.listener.staleIds.at(-1)).toEqual(["c1"]);
    device.client.adopt("c1", 900);
    lastSocket().say(message(901));
    expect(device.listener.seqs).toEqual([5, 6, 901]);
  });

  it("asks to reload if the log ends before its cursor: the database was restored", async () => {
    device.client.adopt("c1", 4);
    await reconnect();
    await lastSocket().resumed({ c1: { head: 2, complete: true } });
    expect(device.listener.staleIds.at(-1)).toEqual(["c1"]);
    device.client.adopt("c1", 2);
    lastSocket().say(message(3));
    expect(device.listener.seqs).toEqual([3]);
  });

  it("sends its cursors in chunks as large as the service allows", async () => {
    for (const id of ["c1", "c2", "c3"]) device.client.adopt(id, 1);
    await reconnect();
    await lastSocket().resumed({ c1: { head: 1, complete: true }, c3: { head: 1, complete: false } });
    await lastSocket().resumed({ c3: { head: 1, complete: true } });
    expect(lastSocket().received("resume").map(({ cursors }) => cursors)).toEqual([
      { c1: 1, c2: 1 },
      { c3: 1 },
    ]);
    expect(device.listener.staleIds).toHaveLength(1);
  });

  it("resumes later if the service refuses for now", async () => {
    lastSocket().say({ type: "resync", reason: "" });
    const { id } = lastSocket().received("resume").at(-1)!;
    lastSocket().say({ type: "error", id: id!, code: "unavailable", detail: "", retry_after_ms: 1_000 });
    await advance(1_000);
    expect(lastSocket().received("resume")).toHaveLength(3);
  });

  it("resumes once more if it hears of a loss during a resume", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say({ type: "resync", reason: "" });
    lastSocket().say({ type: "resync", reason: "" });
    expect(lastSocket().received("resume")).toHaveLength(2);
    await lastSocket().resumed({ c1: { head: 4, complete: true } });
    expect(lastSocket().received("resume")).toHaveLength(3);
    await lastSocket().resumed({ c1: { head: 4, complete: true } });
    expect(lastSocket().received("resume")).toHaveLength(3);
  });

  it("asks to reload everything if the service does not know its cursors", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say({ type: "resync", reason: "" });
    const { id } = lastSocket().received("resume").at(-1)!;
    lastSocket().say({ type: "error", id: id!, code: "not_participant", detail: "" });
    await advance(1_000);
    expect(lastSocket().received("resume").at(-1)!.cursors).toEqual({});
    await lastSocket().resumed({ c1: { head: 6, complete: false } });
    expect(device.listener.staleIds.at(-1)).toEqual(["c1"]);
  });

  it("resumes after a reconnect even if the socket was lost during a resume", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say({ type: "resync", reason: "" });
    await reconnect();
    expect(lastSocket().received("resume")).toHaveLength(1);
  });

  it("resumes after a reconnect even if a gap was noticed while it connected", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say(message(7));
    lastSocket().end(1006);
    await advance(500);
    device.client.adopt("c1", 5);
    await advance(500);
    await connect();
    expect(lastSocket().received("resume").map(({ cursors }) => cursors)).toEqual([{ c1: 5 }]);
  });
});
