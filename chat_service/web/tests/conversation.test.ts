import { describe, expect, it } from "vitest";

import { type Conversation, newConversation, readUpTo, withEntry, withMarker, withPage } from "../src/chat/conversation";
import { rowsOf } from "../src/chat/rows";
import type { HistoryView, LogEvent, MessageView } from "../src/protocol";
import { message } from "./scripted_server";

const ANN = "ann@example.org";
const BOB = "bob@example.org";

function view(seq: number, sender = BOB): MessageView {
  return { seq, id: `m${seq}`, sender, timestamp: `2026-01-01T00:${String(seq % 60).padStart(2, "0")}:00Z`, text: `text ${seq}` };
}

function page(seqs: number[], head: number, has_more = false): HistoryView {
  return {
    conversation: "c1",
    participants: [ANN, BOB],
    messages: seqs.map((seq) => view(seq)),
    markers: [],
    has_more,
    head,
  };
}

const loaded = (seqs: number[], head = seqs.at(-1)!, more = false): Conversation =>
  withPage(newConversation(BOB), page(seqs, head, more), ANN, true);
const apply = (conversation: Conversation, ...entries: LogEvent[]): Conversation =>
  entries.reduce((known, entry) => withEntry(known, entry, ANN), conversation);
const seqs = ({ messages }: Conversation) => messages.map(({ seq }) => seq);

function change(type: "edited" | "deleted", seq: number, of: number, text?: string): LogEvent {
  const { id: _, text: __, ...common } = message(seq);
  return { ...common, type, id: `change ${seq}`, message: `m${of}`, ...(text !== undefined && { text }) } as LogEvent;
}

describe("entries", () => {
  it("come to stand in their order, each once", () => {
    expect(seqs(apply(loaded([1, 2]), message(4), message(3), message(4)))).toEqual([1, 2, 3, 4]);
  });

  it("change or empty the message that they name", () => {
    const edited = apply(loaded([1, 2]), change("edited", 3, 1, "other"), change("deleted", 4, 2));
    expect(edited.messages.map(({ text }) => text)).toEqual(["other", undefined]);
    expect(edited.last!.deleted).toBe(true);
    expect(edited.head).toBe(4);
  });

  it("never bring a deleted text back", () => {
    const gone = apply(loaded([1]), change("deleted", 3, 1), change("edited", 2, 1, "again"));
    expect(gone.messages[0]!.text).toBeUndefined();
  });

  it("that came while a page was under way are not counted twice", () => {
    const counted = apply(newConversation(BOB), message(1), message(2));
    expect(counted.unread).toBe(2);
    const merged = apply(withPage(counted, page([1], 1), ANN, true), message(1), message(2));
    expect(seqs(merged)).toEqual([1, 2]);
    expect(merged.unread).toBe(2);
  });
});

describe("pages", () => {
  it("of older messages go in front", () => {
    const older = withPage(loaded([5, 6], 6, true), page([3, 4], 6, true), ANN, false);
    expect(seqs(older)).toEqual([3, 4, 5, 6]);
    expect(older.loaded).toBe("some");
  });

  it("that are the newest leave no gap behind them", () => {
    expect(seqs(withPage(loaded([1, 2]), page([800, 801], 801, true), ANN, true))).toEqual([800, 801]);
  });
});

describe("what could not be loaded", () => {
  it("gets no live messages, which would hide the gap before them", () => {
    const failed: Conversation = { ...newConversation(BOB), loaded: "failed" };
    const after = apply(failed, message(9));
    expect(after.messages).toEqual([]);
    expect(after.unread).toBe(1);
    expect(seqs(withPage(after, page([8, 9], 9, true), ANN, true))).toEqual([8, 9]);
  });
});

describe("unread messages", () => {
  it("are counted also where they come with a page, each once", () => {
    const two = withPage(readUpTo(loaded([1]), 1), page([1, 2, 3], 3), ANN, true);
    expect(two.unread).toBe(2);
    expect(withPage(two, page([1, 2, 3], 3), ANN, true).unread).toBe(2);
    expect(withPage(two, page([0], 3), ANN, false).unread).toBe(2);
  });


  it("are the other's, after what was read", () => {
    const three = apply(loaded([1]), message(2), message(3), { ...message(4), sender: ANN });
    expect(three.unread).toBe(0); // one who writes has read
    expect(apply(three, message(5)).unread).toBe(1);
  });

  it("are fewer once they are read, here or on another device, or deleted", () => {
    const three = apply(readUpTo(loaded([1]), 1), message(2), message(3), message(4));
    expect(three.unread).toBe(3);
    expect(readUpTo(three, 3).unread).toBe(1);
    const marker = { type: "marker", conversation: "c1", employee: ANN, received: 4, read: 4 } as const;
    expect(withMarker(three, marker, ANN).unread).toBe(0);
    expect(apply(three, change("deleted", 5, 3)).unread).toBe(2);
  });
});

describe("rows", () => {
  it("show days, where the news begin, and what is not sent yet", () => {
    const send = { type: "send", id: "x", to: BOB, text: "soon" } as const;
    const rows = rowsOf(loaded([1, 2]), [{ op: send, to: BOB, order: Date.parse("2026-01-02T12:00:00Z") }], ANN, 1);
    expect(rows.map(({ kind }) => kind)).toEqual(["day", "bubble", "new", "bubble", "day", "bubble"]);
    expect(rows.at(-1)).toMatchObject({ delivery: "waiting", own: true });
  });

  it("show once what another tab has sent, and this one has yet to hear of", () => {
    const send = { type: "send", id: "m2", to: BOB, text: "text 2" } as const;
    const rows = rowsOf(loaded([1, 2]), [{ op: send, to: BOB, order: 3 }], ANN, null);
    expect(rows.filter(({ key }) => key === "m2")).toHaveLength(1);
  });

  it("show a change before it is confirmed", () => {
    const edit = { type: "edit", id: "e", conversation: "c1", message: "m1", text: "new" } as const;
    const [, bubble] = rowsOf(loaded([1]), [{ op: edit, to: BOB, order: 1 }], ANN, null);
    expect(bubble).toMatchObject({ changing: true, message: { text: "new" } });
  });
});
