// Names of people, by address: loaded from the directory when one is shown, and kept for a day.

import { Refused } from "../http";
import type { Employee } from "../session/auth_api";
import type { Session } from "../session/session";
import { shownAddress } from "./text";

const KEY = "messaging.people";
const DAY_MS = 24 * 3600_000;
const CONCURRENCY = 4;

type Known = Record<string, { name: string; department: string | null; at: number }>;

export interface Person {
  email: string;
  name: string;
  department: string | null;
}

export class People {
  #known: Known = load();
  /** What `get` returned: the same object until something changes. */
  #shown = new Map<string, Person>();
  #queue: string[] = [];
  #requested = new Set<string>();
  #running = 0;
  #listeners = new Set<() => void>();

  constructor(private readonly session: Session) {}

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** What is known now: the address, until a name is loaded and listeners are told. */
  get(email: string): Person {
    const known = this.#known[email];
    if (!known || known.at < Date.now() - DAY_MS) this.#request(email);
    const shown = this.#shown.get(email);
    if (shown) return shown;
    const { name = shownAddress(email), department = null } = known ?? {};
    const person = { email, name, department };
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
    save(this.#known);
    for (const listener of this.#listeners) listener();
  }

  static forget(): void {
    try {
      localStorage.removeItem(KEY);
    } catch {
      // refused: nothing was stored either
    }
  }

  #request(email: string): void {
    if (this.#requested.has(email)) return;
    this.#requested.add(email);
    this.#queue.push(email);
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#running >= CONCURRENCY) return;
    this.#running++;
    for (let email = this.#queue.shift(); email !== undefined; email = this.#queue.shift()) {
      const address = email;
      const found = this.session.withToken((token) => this.session.api.employee(token, address));
      await found.then(
        (employee) => this.learn([employee]),
        (error: unknown) => this.#retryLater(address, error),
      );
    }
    this.#running--;
  }

  /** If the service refused the request for now. Who does not exist is not looked up again. */
  #retryLater(email: string, error: unknown): void {
    if (!(error instanceof Refused) || error.retryAfterMs === undefined) return;
    setTimeout(() => {
      this.#queue.push(email);
      void this.#work();
    }, error.retryAfterMs);
  }
}

function load(): Known {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Known;
  } catch {
    return {};
  }
}

function save(known: Known): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(known));
  } catch {
    // refused or full: they are loaded again after a reload
  }
}
