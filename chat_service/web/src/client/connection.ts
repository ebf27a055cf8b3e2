// One WebSocket after another: connects, authenticates, notices a dead connection, reconnects.
//
// Knows close codes and tokens, and nothing of conversations.

import type * as wire from "../protocol";
import { CloseCode } from "../protocol";
import { backoff } from "./backoff";

const WELCOME_MS = 15_000;
const SILENCE_MS = 15_000;
const PONG_MS = 6_000;
const STABLE_MS = 10_000;
const RENEW_RETRY_MS = 5_000;

/**
 * | state              | event                             | next state          |
 * | ------------------ | --------------------------------- | ------------------- |
 * | stopped            | start, retry                      | connecting          |
 * | connecting         | welcome                           | online              |
 * | connecting, online | closed, silent, no token          | waiting, or stopped |
 * | online             | the wait that `going_away` names  | connecting          |
 * | waiting            | time is up, retry, check          | connecting          |
 * | any                | stop, the session ended           | stopped             |
 */
export type ConnectionState =
  | { name: "connecting" }
  | { name: "online" }
  | { name: "waiting"; until: number }
  | { name: "stopped"; why: StopReason };

/** `closed`: the page asked for it. A stopped connection stays so until `start` or `retry`. */
export type StopReason = "closed" | "session_ended" | "too_many_connections" | "refused";

/** The session has ended: the person has to log in again. */
export class SessionEnded extends Error {}

export interface Tokens {
  /**
   * An access token that stays valid for a while, and not `refused`, which the service rejected.
   * Throws `SessionEnded`, or any other error if it may succeed later.
   */
  token(refused?: string): Promise<string>;
  /** Milliseconds after which the present token should be replaced. */
  renewIn(): number;
}

export interface ConnectionListener {
  changed(state: ConnectionState): void;
  welcome(welcome: wire.Welcome): void;
  /** Every other event, except those that concern the connection alone. */
  event(event: wire.ServerEvent): void;
}

/** One attempt to connect and its socket. Whatever arrives for an earlier attempt is ignored. */
interface Attempt {
  token: string;
  socket?: WebSocket;
  onlineSince: number;
  lastEventAt: number;
  events: number;
}

type Timer = "retry" | "welcome" | "silence" | "renew";

export class Connection {
  #state: ConnectionState = { name: "stopped", why: "closed" };
  /** Null while `waiting` or `stopped`. */
  #attempt: Attempt | null = null;
  #failures = 0;
  #notBefore = 0;
  #refused: string | undefined;
  #timers: Partial<Record<Timer, ReturnType<typeof setTimeout>>> = {};

  constructor(
    private readonly url: string,
    private readonly tokens: Tokens,
    private readonly listener: ConnectionListener,
    private readonly random: () => number = Math.random,
  ) {}

  get state(): ConnectionState {
    return this.#state;
  }

  get online(): boolean {
    return this.#state.name === "online";
  }

  start(): void {
    if (this.#state.name === "stopped") void this.#connect();
  }

  stop(why: StopReason = "closed"): void {
    this.#discard();
    this.#become({ name: "stopped", why });
  }

  /** Connects at once if it is waiting or stopped. */
  retry(): void {
    if (this.#state.name === "waiting" || this.#state.name === "stopped") void this.#connect();
  }

  /** Returns false if there is no connection to send it on. */
  send(op: wire.ClientOp): boolean {
    const socket = this.#attempt?.socket;
    if (!this.online || socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(op));
    return true;
  }

  /** Checks now whether the connection is alive: after sleep, or when the network changed. */
  check(patienceMs = PONG_MS): void {
    if (!this.online) {
      if (this.#state.name === "waiting" && Date.now() >= this.#notBefore) this.retry();
      return;
    }
    const attempt = this.#attempt!;
    const before = attempt.events;
    this.send({ type: "ping" });
    this.#set("silence", patienceMs, () => {
      if (attempt.events === before) this.drop();
      else this.#watch(attempt);
    });
  }

  /** Gives up this socket; another follows. */
  drop(): void {
    this.#closed(1006);
  }

  async #connect(): Promise<void> {
    this.#discard();
    const attempt: Attempt = { token: "", onlineSince: 0, lastEventAt: 0, events: 0 };
    this.#attempt = attempt;
    this.#become({ name: "connecting" });
    try {
      attempt.token = await this.tokens.token(this.#refused);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (error instanceof SessionEnded) this.stop("session_ended");
      else this.#closed(1006);
      return;
    }
    if (attempt !== this.#attempt) return;
    const socket = new WebSocket(this.url);
    attempt.socket = socket;
    const ifCurrent = (handle: () => void) => attempt === this.#attempt && handle();
    const auth: wire.Auth = { type: "auth", token: attempt.token };
    socket.onopen = () => ifCurrent(() => socket.send(JSON.stringify(auth)));
    socket.onmessage = ({ data }) => ifCurrent(() => this.#received(attempt, JSON.parse(data)));
    socket.onclose = ({ code }) => ifCurrent(() => this.#closed(code));
    this.#set("welcome", WELCOME_MS, () => this.drop());
  }

  #received(attempt: Attempt, event: wire.ServerEvent): void {
    attempt.lastEventAt = Date.now();
    attempt.events++;
    switch (event.type) {
      case "welcome":
        clearTimeout(this.#timers.welcome);
        attempt.onlineSince = Date.now();
        this.#refused = undefined;
        this.#watch(attempt);
        this.#renewLater(attempt);
        this.#become({ name: "online" });
        return this.listener.welcome(event);
      case "token_expiring":
        return this.#renewLater(attempt);
      case "going_away":
        this.#notBefore = Date.now() + event.reconnect_after_ms;
        return this.#set("retry", event.reconnect_after_ms, () => void this.#connect());
      case "pong":
        return;
      default:
        this.listener.event(event);
    }
  }

  #closed(code: number): void {
    const attempt = this.#attempt;
    if (this.online && Date.now() - attempt!.onlineSince >= STABLE_MS) this.#failures = 0;
    const why = stopReason(code, this.#refused !== undefined);
    if (why) return this.stop(why);
    if (code === CloseCode.UNAUTHORIZED) this.#refused = attempt?.token;
    if (code === CloseCode.TRY_AGAIN) this.#failures = Math.max(this.#failures, 2);
    const wait = backoff(this.#failures++, this.random);
    const until = Math.max(Date.now() + wait, this.#notBefore);
    this.#discard();
    this.#become({ name: "waiting", until });
    this.#set("retry", until - Date.now(), () => void this.#connect());
  }

  #watch(attempt: Attempt): void {
    this.#set("silence", SILENCE_MS, () => {
      if (Date.now() - attempt.lastEventAt < SILENCE_MS) this.#watch(attempt);
      else this.check();
    });
  }

  #renewLater(attempt: Attempt): void {
    this.#set("renew", this.tokens.renewIn(), () => void this.#renew(attempt));
  }

  async #renew(attempt: Attempt): Promise<void> {
    try {
      const token = await this.tokens.token();
      if (attempt !== this.#attempt) return;
      if (token !== attempt.token && this.send({ type: "auth", token })) attempt.token = token;
      this.#renewLater(attempt);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (error instanceof SessionEnded) this.stop("session_ended");
      else this.#set("renew", RENEW_RETRY_MS, () => void this.#renew(attempt));
    }
  }

  #set(name: Timer, ms: number, run: () => void): void {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(run, Math.max(0, ms));
  }

  #discard(): void {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
    this.#attempt?.socket?.close();
    this.#attempt = null;
  }

  #become(state: ConnectionState): void {
    this.#state = state;
    this.listener.changed(state);
  }
}

/** Why not to reconnect after this close code; null to reconnect. A token may be refused once. */
function stopReason(code: number, refusedBefore: boolean): StopReason | null {
  switch (code) {
    case CloseCode.SESSION_REVOKED:
      return "session_ended";
    case CloseCode.UNAUTHORIZED:
      return refusedBefore ? "session_ended" : null;
    case CloseCode.TOO_MANY_CONNECTIONS:
      return "too_many_connections";
    default:
      return code >= 4500 && code < 5000 ? "refused" : null;
  }
}
