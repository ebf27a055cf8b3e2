// What all parts of the page below `Workspace` need.

import { createContext, useContext, useSyncExternalStore } from "react";

import type { Chat, Snapshot } from "../chat/chat";
import type { People, Person } from "../chat/people";
import type { Employee } from "../session/auth_api";
import type { Session } from "../session/session";
import type { Drafts } from "./drafts";

export interface Desk {
  chat: Chat;
  people: People;
  session: Session;
  employee: Employee;
  drafts: Drafts;
  /** Shows a sentence for a while. */
  tell(what: string): void;
  /** Logs out, and leaves nothing of this person in the browser. */
  leave(): void;
}

export const DeskContext = createContext<Desk | null>(null);

export function useDesk(): Desk {
  return useContext(DeskContext)!;
}

export function useSnapshot(): Snapshot {
  const { chat } = useDesk();
  return useSyncExternalStore(chat.subscribe, () => chat.snapshot);
}

export function usePerson(email: string): Person {
  const { people } = useDesk();
  return useSyncExternalStore(people.subscribe, () => people.get(email));
}
