import { useSyncExternalStore } from "react";

import type { Session } from "../session/session";
import { LogIn } from "./LogIn";
import { Workspace } from "./Workspace";

/** Shows their conversations to whoever is logged in, and the login page to everybody else. */
export function App({ session, socket }: { session: Session; socket: string }) {
  const login = useSyncExternalStore(session.subscribe, () => session.login);
  const { employee } = session;
  if (!employee) return <LogIn session={session} />;
  return <Workspace key={login} session={session} socket={socket} employee={employee} />;
}
