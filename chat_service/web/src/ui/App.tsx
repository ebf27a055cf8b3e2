import { useSyncExternalStore } from "react";

import type { Session } from "../session/session";
import { LogIn } from "./LogIn";
import { Workspace } from "./Workspace";

/** Whoever is logged in sees their chats; anybody else is asked who they are. */
export function App({ session, socket }: { session: Session; socket: string }) {
  const employee = useSyncExternalStore(session.subscribe, () => session.employee);
  if (!employee) return <LogIn session={session} />;
  return <Workspace key={employee.id} session={session} socket={socket} employee={employee} />;
}
