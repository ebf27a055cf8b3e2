// Catches up: asks for the entries after the cursors, and says which conversations need reloading.

import type { Error as Refusal, Resume, Resumed } from "../protocol";
import type { Cursors } from "./cursors";

const GAP_MS = 500;
const LONGEST_GAP_MS = 30_000;
const RETRY_MS = 1_000;

/**
 * | state        | event        | next state                                                    |
 * | ------------ | ------------ | ------------------------------------------------------------- |
 * | offline      | connected    | asking                                                        |
 * | idle         | resume, lag  | asking: about all conversations, or those that lag            |
 * | asking       | resume       | asking_again: the answer may be older than the reason to ask  |
 * | asking, …    | lag          | unchanged; what lags after the last answer is asked for later |
 * | asking       | last answer  | idle                                                          |
 * | asking_again | last answer  | asking                                                        |
 * | asking, …    | refusal      | idle, and `resume` again later                                |
 * | any          | disconnected | offline, where `resume` does nothing                          |
 */
type State =
  | { readonly name: "offline" | "idle" }
  | { readonly name: "asking" | "asking_again"; readonly round: Round };

/** Cursors, in one op after another of at most `limit` conversations. */
interface Round {
  /** Of the op that waits for its answer. */
  id: string;
  /** About the conversations that lag, not about all. */
  readonly only: boolean;
  readonly left: Array<Record<string, number>>;
  readonly stale: Set<string>;
}

interface CatchUpListener {
  stale(conversations: string[]): void;
  caughtUp(): void;
}

export class CatchUp {
  #state: State = { name: "offline" };
  #limit = 0;
  #gap: ReturnType<typeof setTimeout> | undefined;
  /** Resumes in a row after which something still lagged. */
  #fruitless = 0;

  constructor(
    private readonly cursors: Cursors,
    private readonly send: (op: Resume) => void,
    private readonly listener: CatchUpListener,
  ) {}

  /** `limit` is the number of conversations that one op may name. */
  connected(limit: number): void {
    this.#limit = limit;
    this.#begin();
  }

  disconnected(): void {
    clearTimeout(this.#gap);
    this.#gap = undefined;
    this.#state = { name: "offline" };
  }

  resume(): void {
    if (this.#state.name === "idle") this.#begin();
    else if (this.#state.name === "asking") this.#state = { ...this.#state, name: "asking_again" };
  }

  /** An entry is missing. If it was only overtaken it arrives soon, otherwise it is asked for. */
  gap(): void {
    this.#gap ??= setTimeout(
      () => {
        this.#gap = undefined;
        this.lag();
      },
      Math.min(GAP_MS * 2 ** this.#fruitless, LONGEST_GAP_MS),
    );
  }

  /** Asks for what is missing, now. */
  lag(): void {
    if (this.#state.name === "idle" && this.cursors.behind) this.#begin(true);
  }

  /** Returns false if this does not answer the op under way. */
  answered(event: Resumed | Refusal): boolean {
    if (!("round" in this.#state) || this.#state.round.id !== event.id) return false;
    if (event.type === "error") this.#refused(event);
    else this.#resumed(event, this.#state.round);
    return true;
  }

  #begin(only = false): void {
    const left = this.cursors.chunks(this.#limit, only ? "behind" : "all");
    const round = { id: "", only, left, stale: new Set<string>() };
    this.#state = { name: "asking", round };
    this.#ask(round);
  }

  #ask(round: Round): void {
    round.id = `resume-${Math.random().toString(36).slice(2)}`;
    const { id, only } = round;
    this.send({ type: "resume", id, cursors: round.left.shift()!, ...(only && { only }) });
  }

  #resumed({ conversations }: Resumed, round: Round): void {
    const { stale, left } = round;
    for (const [id, { head }] of Object.entries(conversations)) {
      if (this.cursors.get(id) !== head) stale.add(id); // a lower head: the database was restored
      else stale.delete(id);
    }
    if (left.length > 0) return this.#ask(round);
    const again = this.#state.name === "asking_again";
    this.#state = { name: "idle" };
    for (const id of stale) this.cursors.forget(id);
    if (stale.size > 0) this.listener.stale([...stale]);
    this.listener.caughtUp();
    if (again) return this.resume();
    this.#fruitless = this.cursors.behind ? this.#fruitless + 1 : 0;
    if (this.cursors.behind) this.gap();
  }

  #refused({ retry_after_ms }: Refusal): void {
    this.#state = { name: "idle" };
    if (retry_after_ms === undefined) this.cursors.clear(); // the service does not know them
    setTimeout(() => this.resume(), retry_after_ms ?? RETRY_MS);
  }
}
