// Names for addresses: asked of the directory when one is shown, and remembered for a day.

import { Refused } from "../http";
import type { Employee } from "../session/auth_api";
import type { Session } from "../session/session";

const KEY = "messaging.people";
const DAY_MS = 24 * 3600_000;
const AT_ONCE = 4;

type Known = Record<string, { name: string; department: string | null; at: number }>;

export interface Person {
  email: string;
  name: string;
  department: string | null;
}

export class People {
  #known: Known = remembered();
  /** As they are shown: the same object as long as nothing changed. */
  #shown = new Map<string, Person>();
  #wanted: string[] = [];
  #asked = new Set<string>();
  #running = 0;
  #listeners = new Set<() => void>();

  constructor(private readonly session: Session) {}

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** What is known now; the rest is asked for. */
  get(email: string): Person {
    const known = this.#known[email];
    if (!known || known.at < Date.now() - DAY_MS) this.#want(email);
    const shown = this.#shown.get(email);
    if (shown) return shown;
    const person = { email, name: known?.name ?? guess(email), department: known?.department ?? null };
    this.#shown.set(email, person);
    return person;
  }

  learn(employees: readonly Employee[]): void {
    if (employees.length === 0) return;
    for (const { email, name, department } of employees) {
      this.#known[email] = { name, department, at: Date.now() };
      const { name: before, department: formerly } = this.#shown.get(email) ?? {};
      if (before !== name || formerly !== department) this.#shown.delete(email);
    }
    remember(this.#known);
    for (const listener of this.#listeners) listener();
  }

  static forget(): void {
    try {
      localStorage.removeItem(KEY);
    } catch {
      // refused: nothing was kept either
    }
  }

  #want(email: string): void {
    if (this.#asked.has(email)) return;
    this.#asked.add(email);
    this.#wanted.push(email);
    void this.#ask();
  }

  async #ask(): Promise<void> {
    if (this.#running >= AT_ONCE) return;
    this.#running++;
    for (let email = this.#wanted.shift(); email !== undefined; email = this.#wanted.shift()) {
      const address = email;
      const found = this.session.withToken((token) => this.session.api.employee(token, address));
      await found.then(
        (employee) => this.learn([employee]),
        (error: unknown) => this.#askLater(address, error),
      );
    }
    this.#running--;
  }

  /** Too many were asked for, or the service is busy. Who is not there at all is not asked for again. */
  #askLater(email: string, error: unknown): void {
    if (!(error instanceof Refused) || error.retryAfterMs === undefined) return;
    setTimeout(() => {
      this.#wanted.push(email);
      void this.#ask();
    }, error.retryAfterMs);
  }
}

/** `bob.miller@example.com` is likely to be Bob Miller. */
function guess(email: string): string {
  const words = email.split("@")[0]!.split(/[._-]+/).filter(Boolean);
  return words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join(" ") || email;
}

function remembered(): Known {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Known;
  } catch {
    return {};
  }
}

function remember(known: Known): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(known));
  } catch {
    // refused or full: they are asked for again
  }
}
