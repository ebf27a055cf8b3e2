// Every frame and body, as the chat service defines them.
// Written by `python -m chat_service.rest.typescript`: change the service, not this file.

/** Authenticate, as the first frame. Later, replace the token with one of the same session. */
export interface Auth {
  type: "auth";
  token: string;
  id?: string | null;
}

/**
 * Send `text` to an employee. `id` identifies the message permanently: sending the same `id`
 * again changes nothing.
 */
export interface Send {
  type: "send";
  id: string;
  to: string;
  text: string;
  sent_at?: string | null;
}

/** Change the text of your own message. `id` identifies the edit, as it would a message. */
export interface Edit {
  type: "edit";
  id: string;
  /** id of a conversation */
  conversation: string;
  message: string;
  text: string;
}

/** Delete your own message. Its text is erased, from the message and from every edit of it. */
export interface Delete {
  type: "delete";
  id: string;
  /** id of a conversation */
  conversation: string;
  message: string;
}

/** You are typing to an employee, or have stopped. Repeat it every 3 s while you type. */
export interface Typing {
  type: "typing";
  to: string;
  active: boolean;
  id?: string | null;
}

/** You have received, or read, everything up to the given position. A lower one changes nothing. */
export interface Mark {
  type: "mark";
  /** id of a conversation */
  conversation: string;
  received?: number | null;
  read?: number | null;
  id?: string | null;
}

/**
 * Ask for everything after these cursors. A cursor of 0 is the beginning. With `only`, the
 * answer is about these conversations alone; otherwise it names the newest of the others too.
 */
export interface Resume {
  type: "resume";
  cursors: Record<string, number>;
  only?: boolean;
  id?: string | null;
}

/** Check the connection. The answer comes after everything that was sent before it. */
export interface Ping {
  type: "ping";
  id?: string | null;
}

/** The socket is authenticated. Everything committed from now on will be sent. */
export interface Welcome {
  type: "welcome";
  connection: string;
  employee: string;
  server_time: string;
  token_expires_at: string;
  limits: Limits;
}

/**
 * What this server accepts: characters of a text, bytes of a frame, unanswered sends before it
 * stops reading for a while, conversations in one `resume`.
 */
export interface Limits {
  text: number;
  frame_bytes: number;
  in_flight: number;
  resume_conversations: number;
}

/** The op succeeded. If it appended an entry, that entry is durable at position `seq`. */
export interface Ack {
  type: "ack";
  /** the `id` of the op, if it had one */
  id?: string;
  conversation?: string;
  seq?: number;
  timestamp?: string;
}

/**
 * A message in its current state; a deleted one has no text. `timestamp` is when it was stored,
 * `sent_at` is the time by the sender's clock.
 */
export interface Message {
  type: "message";
  conversation: string;
  seq: number;
  id: string;
  sender: string;
  participants: [string, string];
  timestamp: string;
  text?: string;
  sent_at?: string;
  edited_at?: string;
  deleted?: boolean;
}

/** The text of the message `message` is now `text`, which is absent if it was deleted since. */
export interface Edited {
  type: "edited";
  conversation: string;
  seq: number;
  id: string;
  message: string;
  sender: string;
  participants: [string, string];
  timestamp: string;
  text?: string;
}

/** The message `message` was deleted. */
export interface Deleted {
  type: "deleted";
  conversation: string;
  seq: number;
  id: string;
  message: string;
  sender: string;
  participants: [string, string];
  timestamp: string;
}

/**
 * The conversation has entries up to `seq`, and it may be that not all of them were sent. If
 * `seq` is above your cursor, resume with `only` set.
 */
export interface HeadEvent {
  type: "head";
  conversation: string;
  participants: [string, string];
  seq: number;
}

/**
 * `employee` has received and read everything up to these positions. They never go back: keep
 * the highest. A message moves its sender's own marker without this event.
 */
export interface MarkerEvent {
  type: "marker";
  conversation: string;
  employee: string;
  received: number;
  read: number;
}

/** `sender` is typing, or has stopped. Forget it after 6 s without a repeat. */
export interface TypingEvent {
  type: "typing";
  conversation: string;
  sender: string;
  active: boolean;
}

/**
 * A conversation partner came online or went offline, at `last_seen`. Ask `GET /presence` after
 * `welcome`, after `resync` and for a new conversation; these events report the changes after
 * that. Of two events, the one with the later `last_seen` holds.
 */
export interface PresenceEvent {
  type: "presence";
  employee: string;
  status: "offline" | "online";
  last_seen: string;
}

/**
 * The end of a resume. Without `only` it includes conversations that you did not name. Live
 * events follow.
 */
export interface Resumed {
  type: "resumed";
  conversations: Record<string, ResumedConversation>;
  /** the `id` of the op, if it had one */
  id?: string;
}

/**
 * `head` is the last position. If `complete` is false, not every entry up to `head` was sent:
 * reload the conversation. Do so too if `head` is below your cursor: the database was restored
 * to an earlier state.
 */
export interface ResumedConversation {
  head: number;
  complete: boolean;
}

/** You may have missed events: send `resume` with your cursors now. */
export interface Resync {
  type: "resync";
  reason: string;
}

/** This instance is stopping and takes no more ops: reconnect after this delay. */
export interface GoingAway {
  type: "going_away";
  reconnect_after_ms: number;
}

/** Replace the token with an `auth` op, or the socket is closed (4002) at `expires_at`. */
export interface TokenExpiring {
  type: "token_expiring";
  expires_at: string;
}

/** The answer to a `ping`. */
export interface Pong {
  type: "pong";
  /** the `id` of the op, if it had one */
  id?: string;
}

/**
 * The op was refused. `code` is one of `x-error-codes`, which the REST API uses too. If
 * `retry_after_ms` is given, the op may be sent again after that time.
 */
export interface Error {
  type: "error";
  code: string;
  detail: string;
  /** the `id` of the op, if it had one */
  id?: string;
  retry_after_ms?: number;
}

/**
 * Messages, ascending by `seq`. `has_more` says whether there are more in the direction asked
 * for. A device that has this page and everything before it has everything up to `head`.
 */
export interface HistoryView {
  conversation: string;
  participants: [string, string];
  messages: Array<MessageView>;
  markers: Array<MarkerView>;
  has_more: boolean;
  head: number;
}

/**
 * A message in its current state; a deleted one has no text. `timestamp` is when it was stored,
 * `sent_at` is the time by the sender's clock.
 */
export interface MessageView {
  seq: number;
  id: string;
  sender: string;
  timestamp: string;
  text?: string;
  sent_at?: string;
  edited_at?: string;
  deleted?: boolean;
}

/** `employee` has received and read everything up to these positions. */
export interface MarkerView {
  employee: string;
  received: number;
  read: number;
}

/**
 * `after` and `before` are exclusive. With `after`, the page begins there and goes forward;
 * without, it ends at `before` or at the newest message. Long messages can make it shorter than
 * `limit`.
 */
export interface HistoryRequest {
  /** the email addresses of exactly two employees */
  participants: Array<string>;
  before?: number | null;
  after?: number | null;
  limit?: number;
}

/** The most recent first. `next` is the cursor of the next page; null if there is none. */
export interface ConversationsView {
  conversations: Array<ConversationView>;
  next: string | null;
}

/** `unread` counts the other person's messages after your own `read` marker, up to 100. */
export interface ConversationView {
  conversation: string;
  participants: [string, string];
  last_message: MessageView | null;
  head: number;
  unread: number;
  markers: Array<MarkerView>;
  updated_at: string;
}

/** In the order of the query, each employee once. An address that nobody has is offline. */
export interface PresenceView {
  presence: Array<Presence>;
}

/**
 * `last_seen` is when an online employee came online or when an offline one was last connected;
 * it is null for one who never was. It never decreases: of two reports the later one holds.
 */
export interface Presence {
  employee: string;
  status: "offline" | "online";
  last_seen: string | null;
}

/** RFC 9457, section 3.1; `code`, `request_id`, `errors` and `retry_after_ms` are ours. */
export interface Problem {
  title: string;
  status: number;
  code: string;
  detail: string;
  request_id: string;
  type?: string;
  errors?: Array<FieldProblem>;
  retry_after_ms?: number;
}

/** One thing wrong with the input: `path` is a JSONPath such as `$.message.text`. */
export interface FieldProblem {
  path: string;
  detail: string;
}

export type ClientOp =
  | Auth
  | Send
  | Edit
  | Delete
  | Typing
  | Mark
  | Resume
  | Ping;

export type ServerEvent =
  | Welcome
  | Ack
  | Message
  | Edited
  | Deleted
  | HeadEvent
  | MarkerEvent
  | TypingEvent
  | PresenceEvent
  | Resumed
  | Resync
  | GoingAway
  | TokenExpiring
  | Pong
  | Error;

export type LogEvent =
  | Message
  | Edited
  | Deleted;

/** Codes that the service closes a socket with. */
export const CloseCode = {
  /** A frame was not as RFC 6455 says, for instance without a mask. */
  PROTOCOL_ERROR: 1002,
  /** A frame was not UTF-8: reconnect, but do not send it again. */
  INVALID_TEXT: 1007,
  /**
   * Too many pings, pongs or empty fragments. The connection is cut off, so the client may see
   * 1006 instead.
   */
  FLOOD: 1008,
  /** A frame exceeded `limits.frame_bytes`: reconnect, but do not send it again. */
  TOO_BIG: 1009,
  /** This instance is stopping: reconnect after the delay given in `going_away`. */
  RESTART: 1012,
  /** This instance is full, or cannot verify tokens at the moment. */
  TRY_AGAIN: 1013,
  /**
   * Too much data was waiting because the client did not read. The connection is cut off, so
   * the client may see 1006 instead.
   */
  SLOW_CONSUMER: 4001,
  /** The access token expired and was not replaced: reconnect with a new one. */
  TOKEN_EXPIRED: 4002,
  /** The first frame, `auth`, did not arrive in time. */
  AUTH_TIMEOUT: 4003,
  /**
   * The first frame was not an `auth` with a valid access token: try once with a new token,
   * then log in again.
   */
  UNAUTHORIZED: 4501,
  /** The session was ended: log in again. */
  SESSION_REVOKED: 4502,
  /** The client sent a binary frame; every frame must be text. */
  PROTOCOL_VIOLATION: 4503,
  /** The employee already has the maximum number of open sockets. */
  TOO_MANY_CONNECTIONS: 4504,
} as const;
