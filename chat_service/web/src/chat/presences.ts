// Who is online, and who is typing. Events may be lost: presence is loaded again after a reconnect,
// typing expires.

import type * as wire from "../protocol";
import type { ChatApi } from "./chat_api";

const TYPING_MS = 6_000;
const PER_REQUEST = 100; // their addresses have to fit into a URL that every proxy accepts

interface Shown {
  presence?: ReadonlyMap<string, wire.Presence>;
  typing?: ReadonlySet<string>;
}

export class Presences {
  #presence = new Map<string, wire.Presence>();
  #typing = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(
    private readonly api: ChatApi,
    private readonly changed: (change: Shown) => void,
  ) {}

  async load(employees: readonly string[]): Promise<void> {
    for (let start = 0; start < employees.length; start += PER_REQUEST) {
      try {
        const answer = await this.api.presence(employees.slice(start, start + PER_REQUEST));
        answer.forEach((presence) => this.#keep(presence));
      } catch {
        return; // loaded after the next reconnect
      }
      this.changed({ presence: new Map(this.#presence) });
    }
  }

  update({ employee, status, last_seen }: wire.PresenceEvent): void {
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
      this.#typing.set(sender, setTimeout(() => this.typing(sender, false), TYPING_MS));
    }
    this.changed({ typing: new Set(this.#typing.keys()) });
  }

  /** The report with the later `last_seen` wins. */
  #keep(presence: wire.Presence): void {
    const before = this.#presence.get(presence.employee);
    if ((before?.last_seen ?? "") <= (presence.last_seen ?? "")) {
      this.#presence.set(presence.employee, presence);
    }
  }
}
