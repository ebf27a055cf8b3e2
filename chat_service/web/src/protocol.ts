// Every frame and body, as the chat service defines them.
// Written by `python -m chat_service.rest.typescript`: change the service, not this file.

/** Authenticate, as the first frame; later replace the token by one of the same session. */
export interface Auth {
  type: "auth";
  token: string;
  id?: string | null;
}

/** Send `text` to an employee. `id` names it for ever: the same again changes nothing. */
export interface Send {
  type: "send";
  id: string;
  to: string;
  text: string;
  sent_at?: string | null;
}

/** Change the text of one's own message. `id` names the edit as it would a message. */
export interface Edit {
  type: "edit";
  id: string;
  /** id of a conversation */
  conversation: string;
  message: string;
  text: string;
}

/** Delete one's own message: its text is gone, from every edit of it too. */
export interface Delete {
  type: "delete";
  id: string;
  /** id of a conversation */
  conversation: string;
  message: string;
}

/** The caller types to an employee, or stopped. Repeat it every 3 s while it goes on. */
export interface Typing {
  type: "typing";
  to: string;
  active: boolean;
  id?: string | null;
}

/** One has received, or read, everything up to here. Lower than before means nothing. */
export interface Mark {
  type: "mark";
  /** id of a conversation */
  conversation: string;
  received?: number | null;
  read?: number | null;
  id?: string | null;
}

/** Ask for everything after these cursors; a cursor of 0 is the beginning. */
export interface Resume {
  type: "resume";
  cursors: Record<string, number>;
  id?: string | null;
}

/** Ask for a sign of life: the answer comes after everything that was written before it. */
export interface Ping {
  type: "ping";
  id?: string | null;
}

/** The socket is authenticated: everything committed from now on will be sent. */
export interface Welcome {
  type: "welcome";
  connection: string;
  employee: string;
  server_time: string;
  token_expires_at: string;
  limits: Limits;
}

/** Bounds that a client should keep: characters, bytes, conversations. */
export interface Limits {
  text: number;
  frame_bytes: number;
  in_flight: number;
  resume_conversations: number;
}

/** Done. For a `send`: stored durably, at this position. */
export interface Ack {
  type: "ack";
  /** the `id` of the op, where it had one */
  id?: string;
  conversation?: string;
  seq?: number;
  timestamp?: string;
}

/**
 * A message in its present state; a deleted one has no text. `timestamp` is when it was stored,
 * `sent_at` what the sender's clock said.
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

/** The text of the message `message` is `text` now; none where it was deleted since. */
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
 * `employee` has received, and read, everything up to here. It never goes back: keep the
 * highest. A message marks its sender's own position without such an event.
 */
export interface MarkerEvent {
  type: "marker";
  conversation: string;
  employee: string;
  received: number;
  read: number;
}

/** `sender` types, or stopped; forget it after 6 s without a repeat. */
export interface TypingEvent {
  type: "typing";
  conversation: string;
  sender: string;
  active: boolean;
}

/**
 * Somebody whom one has a conversation with came online, or was last connected at `last_seen`. A
 * client asks `GET /presence` after `welcome` and after `resync`, and for a new conversation;
 * from then on it is told of changes. Of two events the one with the later `last_seen` holds.
 */
export interface PresenceEvent {
  type: "presence";
  employee: string;
  status: "offline" | "online";
  last_seen: string;
}

/** The end of a resume. Live events follow. */
export interface Resumed {
  type: "resumed";
  conversations: Record<string, ResumedConversation>;
  /** the `id` of the op, where it had one */
  id?: string;
}

/**
 * `head` is the last position; `complete` is false where entries up to it were not all sent:
 * load the conversation anew. So too where `head` is below one's cursor: the database was
 * restored to an earlier state.
 */
export interface ResumedConversation {
  head: number;
  complete: boolean;
}

/** Events may have been missed: send a resume with your cursors now. */
export interface Resync {
  type: "resync";
  reason: string;
}

/** This instance stops: reconnect after this wait. */
export interface GoingAway {
  type: "going_away";
  reconnect_after_ms: number;
}

/** Replace the token with an `auth` op; at this time the socket is closed (4002). */
export interface TokenExpiring {
  type: "token_expiring";
  expires_at: string;
}

/** The answer to a `ping`. */
export interface Pong {
  type: "pong";
  /** the `id` of the op, where it had one */
  id?: string;
}

/** The op was refused; `code` is one of those of the REST API's problems, see `ERRORS`. */
export interface Error {
  type: "error";
  code: string;
  detail: string;
  /** the `id` of the op, where it had one */
  id?: string;
  retry_after_ms?: number;
}

/**
 * Messages ascending by `seq`; `has_more` tells of more in the direction that was asked for. A
 * device that has this page, and all before it, has everything up to `head`.
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
 * A message in its present state; a deleted one has no text. `timestamp` is when it was stored,
 * `sent_at` what the sender's clock said.
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

/** `employee` has received, and read, everything up to here. */
export interface MarkerView {
  employee: string;
  received: number;
  read: number;
}

/**
 * `after` and `before` exclude themselves. With `after` the page begins there and goes forward;
 * without, it ends at `before` or at the newest. Long messages make it shorter than `limit`.
 */
export interface HistoryRequest {
  /** the email addresses of exactly two employees */
  participants: Array<string>;
  before?: number | null;
  after?: number | null;
  limit?: number;
}

/** The most recent first. `next` is the cursor of the next page, null at the end. */
export interface ConversationsView {
  conversations: Array<ConversationView>;
  next: string | null;
}

/** `unread` counts the other's messages after one's own `read`, up to 100. */
export interface ConversationView {
  conversation: string;
  participants: [string, string];
  last_message: MessageView | null;
  head: number;
  unread: number;
  markers: Array<MarkerView>;
  updated_at: string;
}

/** In the order of the question, each once. An address that nobody has is offline as well. */
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
  /** A frame was above `limits.frame_bytes`; reconnect, but do not send it again. */
  TOO_BIG: 1009,
  /** This instance stops; `going_away` told how long to wait. */
  RESTART: 1012,
  /** This instance is full, or cannot check tokens for the moment. */
  TRY_AGAIN: 1013,
  /** Too much waited for a peer that does not read: it is cut off, and may see 1006 instead. */
  SLOW_CONSUMER: 4001,
  /** The access token expired and no other came: reconnect with a new one. */
  TOKEN_EXPIRED: 4002,
  /** The first frame, `auth`, did not come in time. */
  AUTH_TIMEOUT: 4003,
  /**
   * The first frame was no `auth` with a valid access token: try once with a new one, then log
   * in again.
   */
  UNAUTHORIZED: 4501,
  /** The session was ended: log in again. */
  SESSION_REVOKED: 4502,
  /** A binary frame; every frame is text. */
  PROTOCOL_VIOLATION: 4503,
  /** The employee has as many sockets open as one may have. */
  TOO_MANY_CONNECTIONS: 4504,
} as const;
