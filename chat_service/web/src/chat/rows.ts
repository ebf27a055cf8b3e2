// The rows of a history as they are shown: days, messages, and what is still in the outbox.

import type { OutboxItem } from "../client/outbox";
import type * as wire from "../protocol";
import type { Conversation } from "./conversation";

const GROUP_MS = 5 * 60_000;

export type Delivery = "waiting" | "failed" | "sent" | "received" | "read";

export interface Bubble {
  readonly kind: "bubble";
  readonly key: string;
  readonly message: wire.MessageView;
  readonly own: boolean;
  readonly at: Date;
  /** Of one's own messages only. */
  readonly delivery?: Delivery;
  readonly refusal?: string;
  /** An edit or deletion of it is in the outbox. */
  readonly changing: boolean;
  /** Of a group: messages of one person in quick succession. */
  readonly first: boolean;
  readonly last: boolean;
}

export type Row =
  | Bubble
  | { readonly kind: "day"; readonly key: string; readonly day: Date }
  | { readonly kind: "new" | "typing"; readonly key: string };

/**
 * `unreadAfter`: the position after which messages were unread when the conversation was opened.
 * `typing`: whether the other person is typing.
 */
export function rowsOf(
  conversation: Conversation,
  outbox: readonly OutboxItem[],
  me: string,
  unreadAfter: number | null,
  typing = false,
): Row[] {
  const items = outbox.filter(({ to }) => to === conversation.other);
  const changes = new Map(
    items.flatMap(({ op }) => (op.type === "send" ? [] : [[op.message, op] as const])),
  );
  const here = new Set(items.length > 0 ? conversation.messages.map(({ id }) => id) : []);
  const bubbles = [
    ...conversation.messages.map((message) => stored(message, conversation, changes, me)),
    ...items.flatMap(({ op, ...item }) => {
      // Another tab may have sent it, and this one may still wait for the answer.
      return op.type === "send" && !here.has(op.id) ? [unsent(item, op, me)] : [];
    }),
  ];
  const rows: Row[] = [];
  bubbles.forEach((bubble, index) => {
    const before = bubbles[index - 1];
    const after = bubbles[index + 1];
    const startsDay = !before || !sameDay(before.at, bubble.at);
    if (startsDay) rows.push({ kind: "day", key: `day ${bubble.message.id}`, day: bubble.at });
    const startsUnread =
      unreadAfter !== null &&
      bubble.message.seq > unreadAfter &&
      (before ? before.message.seq <= unreadAfter : conversation.loaded === "all");
    if (startsUnread) rows.push({ kind: "new", key: "new" });
    rows.push({
      ...bubble,
      first: startsDay || startsUnread || !sameGroup(before, bubble),
      last: !after || !sameDay(after.at, bubble.at) || !sameGroup(bubble, after),
    });
  });
  if (typing) rows.push({ kind: "typing", key: "typing" });
  return rows;
}

function stored(
  message: wire.MessageView,
  { theirs }: Conversation,
  changes: ReadonlyMap<string, OutboxItem["op"]>,
  me: string,
): Bubble {
  const change = changes.get(message.id);
  const own = message.sender === me;
  return {
    ...plain(changed(message, change)),
    own,
    changing: change !== undefined,
    ...(own && { delivery: deliveryOf(message.seq, theirs) }),
  };
}

function changed(message: wire.MessageView, change: OutboxItem["op"] | undefined): wire.MessageView {
  if (change?.type === "edit") return { ...message, text: change.text };
  if (change?.type === "delete") return { ...message, deleted: true };
  return message;
}

function unsent(item: Omit<OutboxItem, "op">, op: wire.Send, me: string): Bubble {
  const message: wire.MessageView = {
    id: op.id,
    seq: Number.MAX_SAFE_INTEGER,
    sender: me,
    text: op.text,
    timestamp: op.sent_at ?? new Date(item.order).toISOString(),
  };
  return {
    ...plain(message),
    own: true,
    delivery: item.refusal ? "failed" : "waiting",
    ...(item.refusal && { refusal: item.refusal.detail }),
  };
}

const times = new WeakMap<wire.MessageView, Date>();

function timeOf(message: wire.MessageView): Date {
  const known = times.get(message);
  if (known) return known;
  const at = new Date(message.timestamp);
  times.set(message, at);
  return at;
}

function plain(message: wire.MessageView): Bubble {
  const at = timeOf(message);
  const key = message.id;
  return { kind: "bubble", key, message, own: false, at, changing: false, first: true, last: true };
}

export function deliveryOf(seq: number, theirs: Conversation["theirs"]): Delivery {
  return theirs.read >= seq ? "read" : theirs.received >= seq ? "received" : "sent";
}

/** One's own messages that the service has stored, and that no change is in the outbox for. */
export function isEditable({ own, delivery, message, changing }: Bubble): boolean {
  return own && !message.deleted && !changing && delivery !== "waiting" && delivery !== "failed";
}

function sameGroup(a: Bubble, b: Bubble): boolean {
  return a.own === b.own && b.at.getTime() - a.at.getTime() < GROUP_MS;
}

function sameDay(a: Date, b: Date): boolean {
  return (
    a.getDate() === b.getDate() && a.getMonth() === b.getMonth() && a.getFullYear() === b.getFullYear()
  );
}
