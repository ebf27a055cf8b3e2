// Who is online, and who types just now. Both are hints: lost ones are asked for, or run out.

import type * as wire from "../protocol";
import type { ChatApi } from "./chat_api";

const TYPING_MS = 6_000;
const MOST_ASKED = 100; // their addresses have to fit into a URL that any proxy takes

interface Shown {
  presence?: ReadonlyMap<string, wire.Presence>;
  typing?: ReadonlySet<string>;
}

export class Presences {
  #presence = new Map<string, wire.Presence>();
  #typing = new Map<string, number>();

  constructor(
    private readonly api: ChatApi,
    private readonly changed: (change: Shown) => void,
  ) {}

  async ask(employees: readonly string[]): Promise<void> {
    for (let start = 0; start < employees.length; start += MOST_ASKED) {
      try {
        const answer = await this.api.presence(employees.slice(start, start + MOST_ASKED));
        answer.forEach((presence) => this.#keep(presence));
      } catch {
        return; // asked again after the next reconnect
      }
      this.changed({ presence: new Map(this.#presence) });
    }
  }

  told({ employee, status, last_seen }: wire.PresenceEvent): void {
    this.#keep({ employee, status, last_seen });
    if (status === "offline") this.typing(employee, false);
    this.changed({ presence: new Map(this.#presence) });
  }

  typing(sender: string, active: boolean): void {
    const before = this.#typing.get(sender);
    if (before === undefined && !active) return;
    clearTimeout(before);
    this.#typing.delete(sender);
    if (active) {
      const over = setTimeout(() => this.typing(sender, false), TYPING_MS) as unknown as number;
      this.#typing.set(sender, over);
    }
    this.changed({ typing: new Set(this.#typing.keys()) });
  }

  /** Of two reports the one with the later time holds. */
  #keep(presence: wire.Presence): void {
    const before = this.#presence.get(presence.employee);
    if ((before?.last_seen ?? "") <= (presence.last_seen ?? "")) {
      this.#presence.set(presence.employee, presence);
    }
  }
}
