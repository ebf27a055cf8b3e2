// What all components below `Workspace` share.

import { createContext, useContext, useSyncExternalStore } from "react";

import type { Chat, Snapshot } from "../chat/chat";
import type { People, Person } from "../chat/people";
import type { Employee } from "../session/auth_api";
import type { Session } from "../session/session";
import type { Drafts } from "./drafts";

export interface WorkspaceValue {
  chat: Chat;
  people: People;
  session: Session;
  employee: Employee;
  drafts: Drafts;
  /** Shows a text for a few seconds. */
  showToast(text: string): void;
  /** Logs out, and removes everything of this person from the browser. */
  logOut(): void;
}

export const WorkspaceContext = createContext<WorkspaceValue | null>(null);

export function useWorkspace(): WorkspaceValue {
  return useContext(WorkspaceContext)!;
}

export function useSnapshot(): Snapshot {
  const { chat } = useWorkspace();
  return useSyncExternalStore(chat.subscribe, () => chat.snapshot);
}

export function usePerson(email: string): Person {
  const { people } = useWorkspace();
  return useSyncExternalStore(people.subscribe, () => people.get(email));
}
