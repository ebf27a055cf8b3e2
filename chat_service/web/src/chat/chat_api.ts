// The part of the chat service's REST API that the page uses.

import type * as wire from "../protocol";
import type { Session } from "../session/session";

export class ChatApi {
  constructor(
    private readonly session: Session,
    private readonly me: string,
  ) {}

  conversations(before: string | null): Promise<wire.ConversationsView> {
    const query = new URLSearchParams({ limit: "100", ...(before === null ? {} : { before }) });
    return this.session.call(`/conversations?${query}`);
  }

  /** The newest messages, or those before a position. */
  history(other: string, limit: number, before?: number): Promise<wire.HistoryView> {
    const body: wire.HistoryRequest = { participants: [this.me, other], limit };
    if (before !== undefined) body.before = before;
    return this.session.call("/messages", { method: "POST", body });
  }

  async presence(employees: readonly string[]): Promise<wire.Presence[]> {
    const query = new URLSearchParams(employees.map((employee) => ["employee", employee]));
    return (await this.session.call<wire.PresenceView>(`/presence?${query}`)).presence;
  }
}
