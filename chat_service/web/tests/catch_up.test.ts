import { beforeEach, describe, expect, it } from "vitest";

import { acked, BOB, comesBack, device, online, send, started } from "./device";
import { after, lastSocket, message } from "./scripted_server";

describe("catching up", () => {
  beforeEach(async () => {
    await started();
    await online();
    await lastSocket().resumed({ c1: { head: 4, complete: false } });
  });

  it("asks to load what it does not have, then takes what came meanwhile", () => {
    expect(device.witness.staleIds).toEqual([["c1"]]);
    lastSocket().say(message(5));
    expect(device.witness.seqs).toEqual([]);
    device.client.adopt("c1", 4);
    expect(device.witness.seqs).toEqual([5]);
  });

  it("resumes from its cursors after each connect", async () => {
    device.client.adopt("c1", 4);
    await comesBack();
    expect(lastSocket().taken("resume")[0]!.cursors).toEqual({ c1: 4 });
    for (const seq of [5, 6, 6, 5]) lastSocket().say(message(seq));
    await lastSocket().resumed({ c1: { head: 6, complete: true } });
    lastSocket().say(message(7));
    expect(device.witness.seqs).toEqual([5, 6, 7]);
    expect(device.witness.staleIds).toHaveLength(1);
  });

  it("resumes when it is told that events may be missing", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say({ type: "resync", reason: "the broker was away" });
    expect(lastSocket().taken("resume")).toHaveLength(2);
  });

  it("resumes at a gap", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say(message(6));
    await after(500);
    expect(lastSocket().taken("resume").at(-1)!.cursors).toEqual({ c1: 4 });
    lastSocket().say(message(5));
    lastSocket().say(message(6));
    await lastSocket().resumed({ c1: { head: 6, complete: true } });
    expect(device.witness.seqs).toEqual([5, 6]);
  });

  it("does not resume where an ack only overtook an entry", async () => {
    device.client.adopt("c1", 4);
    device.client.send(send("a"), BOB);
    acked("a", 6);
    lastSocket().say(message(5));
    await after(1_000);
    expect(lastSocket().taken("resume")).toHaveLength(1);
    expect(device.witness.seqs).toEqual([5]);
  });

  it("loads anew where too much was missed", async () => {
    device.client.adopt("c1", 4);
    await comesBack();
    for (const seq of [5, 6]) lastSocket().say(message(seq));
    await lastSocket().resumed({ c1: { head: 900, complete: false } });
    expect(device.witness.staleIds.at(-1)).toEqual(["c1"]);
    device.client.adopt("c1", 900);
    lastSocket().say(message(901));
    expect(device.witness.seqs).toEqual([5, 6, 901]);
  });

  it("loads anew where the log ends before its cursor: the database was restored", async () => {
    device.client.adopt("c1", 4);
    await comesBack();
    await lastSocket().resumed({ c1: { head: 2, complete: true } });
    expect(device.witness.staleIds.at(-1)).toEqual(["c1"]);
    device.client.adopt("c1", 2);
    lastSocket().say(message(3));
    expect(device.witness.seqs).toEqual([3]);
  });

  it("names its cursors in parts, as many in each as the service allows", async () => {
    for (const id of ["c1", "c2", "c3"]) device.client.adopt(id, 1);
    await comesBack();
    await lastSocket().resumed({ c1: { head: 1, complete: true }, c3: { head: 1, complete: false } });
    await lastSocket().resumed({ c3: { head: 1, complete: true } });
    expect(lastSocket().taken("resume").map(({ cursors }) => cursors)).toEqual([
      { c1: 1, c2: 1 },
      { c3: 1 },
    ]);
    expect(device.witness.staleIds).toHaveLength(1);
  });

  it("tries again where the service cannot just now", async () => {
    lastSocket().say({ type: "resync", reason: "" });
    const { id } = lastSocket().taken("resume").at(-1)!;
    lastSocket().say({ type: "error", id: id!, code: "unavailable", detail: "", retry_after_ms: 1_000 });
    await after(1_000);
    expect(lastSocket().taken("resume")).toHaveLength(3);
  });

  it("asks again where it heard of a loss while it was answered", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say({ type: "resync", reason: "" });
    lastSocket().say({ type: "resync", reason: "" });
    expect(lastSocket().taken("resume")).toHaveLength(2);
    await lastSocket().resumed({ c1: { head: 4, complete: true } });
    expect(lastSocket().taken("resume")).toHaveLength(3);
    await lastSocket().resumed({ c1: { head: 4, complete: true } });
    expect(lastSocket().taken("resume")).toHaveLength(3);
  });

  it("loads everything anew where the service does not know its cursors", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say({ type: "resync", reason: "" });
    const { id } = lastSocket().taken("resume").at(-1)!;
    lastSocket().say({ type: "error", id: id!, code: "not_participant", detail: "" });
    await after(1_000);
    expect(lastSocket().taken("resume").at(-1)!.cursors).toEqual({});
    await lastSocket().resumed({ c1: { head: 6, complete: false } });
    expect(device.witness.staleIds.at(-1)).toEqual(["c1"]);
  });

  it("resumes also where the socket went in the middle of a resume", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say({ type: "resync", reason: "" });
    await comesBack();
    expect(lastSocket().taken("resume")).toHaveLength(1);
  });

  it("resumes after a reconnect even if a gap was noticed while it connected", async () => {
    device.client.adopt("c1", 4);
    lastSocket().say(message(7));
    lastSocket().end(1006);
    await after(500);
    device.client.adopt("c1", 5);
    await after(500);
    await online();
    expect(lastSocket().taken("resume").map(({ cursors }) => cursors)).toEqual([{ c1: 5 }]);
  });
});
