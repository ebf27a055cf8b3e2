// What this device knows of a conversation, and how each piece of news changes it. Pure functions.

import type * as wire from "../protocol";

const MOST_UNREAD = 100;

/** How much of the history is here: `messages` have no gap, and end with the newest. */
export type Loaded = "nothing" | "loading" | "failed" | "some" | "all";

export interface Position {
  readonly received: number;
  readonly read: number;
}

export interface Conversation {
  /** The other one's address: what a conversation is known by before it has an id. */
  readonly other: string;
  readonly id: string | null;
  readonly head: number;
  readonly last: wire.MessageView | null;
  /** The other's messages that were not read here, up to 100. */
  readonly unread: number;
  readonly mine: Position;
  readonly theirs: Position;
  readonly messages: readonly wire.MessageView[];
  readonly loaded: Loaded;
  /** The page before `messages`, where it is not just a matter of asking. */
  readonly older: "loading" | "failed" | null;
  /** Milliseconds; the list is sorted by it. */
  readonly changedAt: number;
}

/** Where a message may be added without leaving a gap, or a page is under way that fills it. */
const GROWING: readonly Loaded[] = ["loading", "some", "all"];
const NOWHERE: Position = { received: 0, read: 0 };

export function newConversation(other: string): Conversation {
  return {
    other,
    id: null,
    head: 0,
    last: null,
    unread: 0,
    mine: NOWHERE,
    theirs: NOWHERE,
    messages: [],
    loaded: "nothing",
    older: null,
    changedAt: 0,
  };
}

/** As the list tells it; what is here of the history stays. */
export function listed(
  view: wire.ConversationView,
  me: string,
  before: Conversation,
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

/** A page of history, the newest or one that ends where `messages` begins. */
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
  const uncounted = page.messages.filter((message) => isNews(message, counted, me)).length;
  return {
    ...conversation,
    id: page.messages.length > 0 ? page.conversation : conversation.id,
    head: Math.max(conversation.head, page.head),
    last,
    messages,
    loaded: page.has_more ? "some" : "all",
    older: null,
    unread: Math.min(MOST_UNREAD, conversation.unread + uncounted),
    mine,
    theirs: highest(conversation.theirs, page.markers.find((marker) => marker.employee !== me)),
    changedAt: last ? Date.parse(last.timestamp) : conversation.changedAt,
  };
}

/** The next entry of the log; applying one twice changes nothing. */
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
      if (entry.text === undefined) return advanced; // its deletion follows
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
  const counts = isNews(message, Math.max(mine.read, last?.seq ?? 0), me);
  return {
    ...conversation,
    head: Math.max(conversation.head, message.seq),
    last: !last || message.seq >= last.seq ? message : last,
    messages: GROWING.includes(conversation.loaded) ? inserted(messages, message) : messages,
    unread: own ? 0 : Math.min(MOST_UNREAD, conversation.unread + (counts ? 1 : 0)),
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

/** One has read up to here, on this device or another. */
export function readUpTo(conversation: Conversation, seq: number): Conversation {
  const { messages, other, head, last } = conversation;
  const mine = highest(conversation.mine, { received: seq, read: seq });
  const left = messages.filter(
    (message) => message.seq > mine.read && message.sender === other && !message.deleted,
  ).length;
  const nothingLeft = mine.read >= head || (last !== null && mine.read >= last.seq);
  const unread = nothingLeft ? 0 : messages.length > 0 ? Math.min(conversation.unread, left) : conversation.unread;
  return { ...conversation, mine, unread };
}

/** Somebody else's words beyond `counted`. */
function isNews(message: wire.MessageView, counted: number, me: string): boolean {
  return message.sender !== me && !message.deleted && message.seq > counted;
}

function withoutText(conversation: Conversation, id: string, me: string): Conversation {
  const { messages, last, mine, unread } = conversation;
  const message = messages.find((one) => one.id === id) ?? (last?.id === id ? last : undefined);
  const counted = message !== undefined && isNews(message, mine.read, me);
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
