// What this device knows of a conversation, and how each event changes it. Pure functions.

import type * as wire from "../protocol";

const MAX_UNREAD = 100;

/** How much of the history is loaded. `messages` has no gap, and ends with the newest message. */
export type Loaded = "nothing" | "loading" | "failed" | "some" | "all";

export interface Position {
  readonly received: number;
  readonly read: number;
}

export interface Conversation {
  /** The other person's address: it identifies a conversation that has no id yet. */
  readonly other: string;
  readonly id: string | null;
  readonly head: number;
  readonly last: wire.MessageView | null;
  /** How many of the other's messages are unread, up to 100. */
  readonly unread: number;
  readonly mine: Position;
  readonly theirs: Position;
  readonly messages: readonly wire.MessageView[];
  readonly loaded: Loaded;
  /** The state of the page before `messages`; null if it can be loaded. */
  readonly older: "loading" | "failed" | null;
  /** Milliseconds since the epoch; the list is sorted by it. */
  readonly changedAt: number;
}

/** A new message leaves no gap here, or none that the page being loaded does not fill. */
const APPENDABLE: readonly Loaded[] = ["loading", "some", "all"];
const START: Position = { received: 0, read: 0 };

export function newConversation(other: string): Conversation {
  return {
    other,
    id: null,
    head: 0,
    last: null,
    unread: 0,
    mine: START,
    theirs: START,
    messages: [],
    loaded: "nothing",
    older: null,
    changedAt: 0,
  };
}

/** As the list shows it. What is loaded of the history stays. */
export function withListed(
  before: Conversation,
  view: wire.ConversationView,
  me: string,
): Conversation {
  return {
    ...before,
    id: view.conversation,
    head: Math.max(view.head, before.head),
    last: view.last_message,
    unread: view.unread,
    mine: highest(before.mine, view.markers.find((marker) => marker.employee === me)),
    theirs: highest(before.theirs, view.markers.find((marker) => marker.employee !== me)),
    changedAt: Date.parse(view.last_message?.timestamp ?? view.updated_at),
  };
}

/** A page of history: the newest, or the one that ends where `messages` begins. */
export function withPage(
  conversation: Conversation,
  page: wire.HistoryView,
  me: string,
  newest: boolean,
): Conversation {
  const paged = new Set(page.messages.map(({ id }) => id));
  const kept = conversation.messages.filter(
    ({ id, seq }) => !paged.has(id) && (!newest || seq > page.head),
  );
  const messages = [...page.messages, ...kept].sort((a, b) => a.seq - b.seq);
  const end = messages.at(-1);
  const last = end && end.seq >= (conversation.last?.seq ?? 0) ? end : conversation.last;
  const mine = highest(conversation.mine, page.markers.find((marker) => marker.employee === me));
  const counted = Math.max(mine.read, conversation.last?.seq ?? 0);
  const added = page.messages.filter((message) => isUnread(message, counted, me)).length;
  // Before the list has counted, a page that does not reach what was read leaves an estimate.
  const reaches = !page.has_more || (page.messages[0]?.seq ?? 0) <= counted + 1;
  const uncounted = newest && conversation.last === null && !reaches;
  return {
    ...conversation,
    id: page.messages.length > 0 ? page.conversation : conversation.id,
    head: Math.max(conversation.head, page.head),
    last,
    messages,
    loaded: page.has_more ? "some" : "all",
    older: null,
    unread: Math.min(MAX_UNREAD, uncounted ? page.head - mine.read : conversation.unread + added),
    mine,
    theirs: highest(conversation.theirs, page.markers.find((marker) => marker.employee !== me)),
    changedAt: last ? Date.parse(last.timestamp) : conversation.changedAt,
  };
}

/** The next entry of the log. Applying one twice changes nothing. */
export function withEntry(conversation: Conversation, entry: wire.LogEvent, me: string): Conversation {
  const advanced = {
    ...conversation,
    id: entry.conversation,
    head: Math.max(conversation.head, entry.seq),
  };
  switch (entry.type) {
    case "message":
      return withMessage(advanced, viewOf(entry), me);
    case "edited":
      if (entry.text === undefined) return advanced; // deleted since: that entry follows
      return patched(advanced, entry.message, { text: entry.text, edited_at: entry.timestamp });
    case "deleted":
      return withoutText(advanced, entry.message, me);
  }
}

export function withMessage(
  conversation: Conversation,
  message: wire.MessageView,
  me: string,
): Conversation {
  const { messages, last, mine, theirs } = conversation;
  const position = { received: message.seq, read: message.seq };
  const own = message.sender === me;
  const counts = isUnread(message, Math.max(mine.read, last?.seq ?? 0), me);
  return {
    ...conversation,
    head: Math.max(conversation.head, message.seq),
    last: !last || message.seq >= last.seq ? message : last,
    messages: APPENDABLE.includes(conversation.loaded) ? inserted(messages, message) : messages,
    unread: own ? 0 : Math.min(MAX_UNREAD, conversation.unread + (counts ? 1 : 0)),
    mine: own ? highest(mine, position) : mine,
    theirs: own ? theirs : highest(theirs, position),
    changedAt: Math.max(conversation.changedAt, Date.parse(message.timestamp)),
  };
}

export function withMarker(conversation: Conversation, marker: wire.MarkerEvent, me: string): Conversation {
  if (marker.employee !== me) {
    return { ...conversation, theirs: highest(conversation.theirs, marker) };
  }
  return readUpTo({ ...conversation, mine: highest(conversation.mine, marker) }, marker.read);
}

/** This person has read up to here, on any device. */
export function readUpTo(conversation: Conversation, seq: number): Conversation {
  const { messages, other, head, last } = conversation;
  const mine = highest(conversation.mine, { received: seq, read: seq });
  const left = messages.filter(
    (message) => message.seq > mine.read && message.sender === other && !message.deleted,
  ).length;
  const nothingLeft = mine.read >= head || (last !== null && mine.read >= last.seq);
  if (nothingLeft) return { ...conversation, mine, unread: 0 };
  const most = messages.length > 0 ? left : conversation.unread;
  return { ...conversation, mine, unread: Math.min(conversation.unread, most) };
}

/** A message of the other person after `counted`. */
function isUnread(message: wire.MessageView, counted: number, me: string): boolean {
  return message.sender !== me && !message.deleted && message.seq > counted;
}

function withoutText(conversation: Conversation, id: string, me: string): Conversation {
  const { messages, last, mine, unread } = conversation;
  const message = messages.find((one) => one.id === id) ?? (last?.id === id ? last : undefined);
  const counted = message !== undefined && isUnread(message, mine.read, me);
  return {
    ...patched(conversation, id, { deleted: true, text: undefined }),
    unread: counted ? Math.max(0, unread - 1) : unread,
  };
}

function patched(
  conversation: Conversation,
  id: string,
  change: { [Field in keyof wire.MessageView]?: wire.MessageView[Field] | undefined },
): Conversation {
  const patch = (message: wire.MessageView) =>
    message.id === id && !message.deleted ? ({ ...message, ...change } as wire.MessageView) : message;
  return {
    ...conversation,
    last: conversation.last && patch(conversation.last),
    messages: conversation.messages.map(patch),
  };
}

function inserted(
  messages: readonly wire.MessageView[],
  message: wire.MessageView,
): readonly wire.MessageView[] {
  let place = messages.length;
  while (place > 0 && messages[place - 1]!.seq > message.seq) place--;
  if (messages[place - 1]?.seq === message.seq) return messages;
  return [...messages.slice(0, place), message, ...messages.slice(place)];
}

function viewOf({ type: _, conversation: __, participants: ___, ...view }: wire.Message): wire.MessageView {
  return view;
}

function highest(a: Position, b: Position | undefined): Position {
  if (!b || (a.received >= b.received && a.read >= b.read)) return a;
  return { received: Math.max(a.received, b.received), read: Math.max(a.read, b.read) };
}
