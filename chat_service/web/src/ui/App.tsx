import { useSyncExternalStore } from "react";

import type { Session } from "../session/session";
import { LogIn } from "./LogIn";
import { Workspace } from "./Workspace";

/** Whoever is logged in sees their chats; anybody else is asked who they are. */
export function App({ session, socket }: { session: Session; socket: string }) {
  const login = useSyncExternalStore(session.subscribe, () => session.login);
  const { employee } = session;
  if (!employee) return <LogIn session={session} />;
  return <Workspace key={login} session={session} socket={socket} employee={employee} />;
}
