import { expect, it } from "vitest";

import { Cursors } from "../src/client/cursors";
import { message } from "./scripted_server";

function known(head: number): Cursors {
  const cursors = new Cursors();
  cursors.adopt("c1", head);
  return cursors;
}

const seqs = (entries: ReadonlyArray<{ seq: number }>) => entries.map(({ seq }) => seq);

it("passes on the next entry, and none twice", () => {
  const cursors = known(4);
  expect(seqs(cursors.offer(message(5)).entries)).toEqual([5]);
  expect(cursors.offer(message(5))).toEqual({ entries: [] });
  expect(cursors.offer(message(3))).toEqual({ entries: [] });
  expect(cursors.get("c1")).toBe(5);
});

it("notices the gap before an entry that is too high", () => {
  const cursors = known(4);
  expect(cursors.offer(message(7))).toEqual({ entries: [], missing: "entries" });
  expect(cursors.behind).toBe(true);
  expect(seqs(cursors.offer(message(5)).entries)).toEqual([5]);
  expect(seqs(cursors.offer(message(6)).entries)).toEqual([6, 7]);
  expect(cursors.offer(message(7))).toEqual({ entries: [] });
  expect(cursors.behind).toBe(false);
});

it("lacks entries below a head, and names only what it lacks", () => {
  const cursors = known(4);
  cursors.adopt("c2", 9);
  expect(cursors.head("c1", 4)).toBeUndefined();
  expect(cursors.head("c1", 6)).toBe("entries");
  expect(cursors.head("c3", 1)).toBe("history");
  expect(cursors.chunks(10, "behind")).toEqual([{ c1: 4 }]);
});

it("expects that an ack may overtake an earlier entry", () => {
  const cursors = known(4);
  expect(cursors.acked("c1", 6).missing).toBe("entries");
  expect(cursors.get("c1")).toBe(4);
  expect(seqs(cursors.offer(message(5)).entries)).toEqual([5]);
  expect(cursors.get("c1")).toBe(6);
  expect(cursors.offer(message(6))).toEqual({ entries: [] });
  expect(cursors.behind).toBe(false);
});

it("advances over several acks in a row", () => {
  const cursors = known(0);
  expect(cursors.acked("c1", 1)).toEqual({ entries: [] });
  expect(cursors.acked("c1", 2)).toEqual({ entries: [] });
  expect(cursors.get("c1")).toBe(2);
});

it("takes entry 1 as the beginning of a conversation", () => {
  const cursors = new Cursors();
  expect(seqs(cursors.offer(message(1)).entries)).toEqual([1]);
  expect(cursors.acked("c2", 1)).toEqual({ entries: [] });
  expect(cursors.chunks(10)).toEqual([{ c1: 1, c2: 1 }]);
});

it("holds entries of an unknown conversation until it is loaded", () => {
  const cursors = new Cursors();
  expect(cursors.offer(message(8))).toEqual({ entries: [], missing: "history" });
  expect(cursors.offer(message(9))).toEqual({ entries: [], missing: "history" });
  expect(seqs(cursors.adopt("c1", 8))).toEqual([9]);
  expect(cursors.get("c1")).toBe(9);
});

it("never goes back", () => {
  const cursors = known(9);
  cursors.adopt("c1", 3);
  expect(cursors.get("c1")).toBe(9);
});

it("returns its cursors in chunks", () => {
  const cursors = new Cursors();
  for (const id of ["a", "b", "c"]) cursors.adopt(id, 1);
  expect(cursors.chunks(2)).toEqual([{ a: 1, b: 1 }, { c: 1 }]);
  expect(new Cursors().chunks(2)).toEqual([{}]);
});
