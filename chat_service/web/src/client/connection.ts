// One socket after another: connects, says who it is, notices when the line is dead, comes back.
//
// It knows close codes and tokens, and nothing of conversations.

import type * as wire from "../protocol";
import { CloseCode } from "../protocol";
import { backoff } from "./backoff";

const WELCOME_MS = 15_000;
const QUIET_MS = 20_000;
const ANSWER_MS = 10_000;
const STABLE_MS = 10_000;

export type ConnectionState =
  | { name: "connecting" }
  | { name: "online" }
  | { name: "waiting"; until: number }
  | { name: "stopped"; why: StopReason };

/** `closed` is what the page itself asked for; after the others it does not come back by itself. */
export type StopReason = "closed" | "session_ended" | "too_many_connections" | "refused";

/** There is no session any more: somebody has to log in. */
export class SessionEnded extends Error {}

export interface Tokens {
  /**
   * An access token that holds for a while, another one than `refused`, which the server did not
   * believe. Throws `SessionEnded`, or anything else where it may work later.
   */
  token(refused?: string): Promise<string>;
  /** Milliseconds after which the present token should be replaced. */
  renewIn(): number;
}

export interface ConnectionListener {
  changed(state: ConnectionState): void;
  welcome(welcome: wire.Welcome): void;
  /** Everything but `welcome`, and what concerns the connection alone. */
  event(event: wire.ServerEvent): void;
}

type Timer = "retry" | "welcome" | "quiet" | "renew";

export class Connection {
  #state: ConnectionState = { name: "stopped", why: "closed" };
  #socket: WebSocket | null = null;
  #attempt = 0; // grows with each socket, so that late news of an older one is known as such
  #failures = 0;
  #onlineSince = 0;
  #notBefore = 0;
  #token = "";
  #refused: string | undefined;
  #lastHeard = 0;
  #heardTimes = 0;
  #timers: Partial<Record<Timer, number>> = {};

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

  /** Connects at once where it would have waited, and after it gave up. */
  retry(): void {
    if (this.#state.name === "waiting" || this.#state.name === "stopped") void this.#connect();
  }

  /** False where there is nobody to send it to. */
  send(op: wire.ClientOp): boolean {
    if (!this.online || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(op));
    return true;
  }

  /** Finds out now whether the line is alive: after sleep, or when the network changed. */
  check(patience = ANSWER_MS): void {
    if (!this.online) return this.retryWaiting();
    const before = this.#heardTimes;
    this.send({ type: "ping" });
    this.#set("quiet", patience, () => {
      if (this.#heardTimes === before) this.drop();
      else this.#watch();
    });
  }

  /** Gives the socket up and makes another. */
  drop(): void {
    this.#closed(1006);
  }

  private retryWaiting(): void {
    if (this.#state.name === "waiting" && Date.now() >= this.#notBefore) this.retry();
  }

  async #connect(): Promise<void> {
    this.#discard();
    const attempt = ++this.#attempt;
    this.#become({ name: "connecting" });
    try {
      this.#token = await this.tokens.token(this.#refused);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (error instanceof SessionEnded) this.stop("session_ended");
      else this.#closed(1006);
      return;
    }
    if (attempt !== this.#attempt) return;
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    const current = (handle: () => void) => () => attempt === this.#attempt && handle();
    socket.onopen = current(() => {
      socket.send(JSON.stringify({ type: "auth", token: this.#token } satisfies wire.Auth));
    });
    socket.onmessage = (message) => {
      if (attempt === this.#attempt) this.#heard(JSON.parse(message.data as string));
    };
    socket.onclose = (close) => {
      if (attempt === this.#attempt) this.#closed(close.code);
    };
    this.#set("welcome", WELCOME_MS, () => this.drop());
  }

  #heard(event: wire.ServerEvent): void {
    this.#lastHeard = Date.now();
    this.#heardTimes++;
    switch (event.type) {
      case "welcome":
        clearTimeout(this.#timers.welcome);
        this.#onlineSince = Date.now();
        this.#refused = undefined;
        this.#watch();
        this.#renewLater();
        this.#become({ name: "online" });
        return this.listener.welcome(event);
      case "token_expiring":
        return this.#renewLater();
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
    if (this.online && Date.now() - this.#onlineSince >= STABLE_MS) this.#failures = 0;
    const refusedTwice = code === CloseCode.UNAUTHORIZED && this.#refused !== undefined;
    this.#discard();
    if (code === CloseCode.SESSION_REVOKED || refusedTwice) return this.stop("session_ended");
    if (code === CloseCode.TOO_MANY_CONNECTIONS) return this.stop("too_many_connections");
    if (code === CloseCode.UNAUTHORIZED) this.#refused = this.#token;
    else if (code >= 4500 && code < 5000) return this.stop("refused");
    if (code === CloseCode.TRY_AGAIN) this.#failures = Math.max(this.#failures, 2);
    const wait = backoff(this.#failures++, this.random);
    const until = Math.max(Date.now() + wait, this.#notBefore);
    this.#become({ name: "waiting", until });
    this.#set("retry", until - Date.now(), () => void this.#connect());
  }

  #watch(): void {
    this.#set("quiet", QUIET_MS, () => {
      if (Date.now() - this.#lastHeard < QUIET_MS) this.#watch();
      else this.check();
    });
  }

  #renewLater(): void {
    this.#set("renew", this.tokens.renewIn(), () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const attempt = this.#attempt;
    try {
      const token = await this.tokens.token();
      if (attempt !== this.#attempt) return;
      if (token !== this.#token && this.send({ type: "auth", token })) this.#token = token;
      this.#renewLater();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (error instanceof SessionEnded) this.stop("session_ended");
      else this.#set("renew", 5_000, () => void this.#renew());
    }
  }

  #set(name: Timer, ms: number, run: () => void): void {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(run, Math.max(0, ms)) as unknown as number;
  }

  #discard(): void {
    this.#attempt++;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
    this.#socket?.close();
    this.#socket = null;
  }

  #become(state: ConnectionState): void {
    this.#state = state;
    this.listener.changed(state);
  }
}
