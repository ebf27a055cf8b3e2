import { useCallback, useEffect, useState } from "react";

import { Refused } from "../http";
import type { OpenSession } from "../session/auth_api";
import { deviceName } from "./device";
import { Dialog } from "./Dialog";
import { ago } from "./times";
import { useWorkspace } from "./workspace_context";

interface Props {
  close: () => void;
  logOut: () => void;
  /** Asks first, where something would be lost. */
  logOutEverywhere: () => void;
}

/** The person's sessions, and how to end them. */
export function Sessions({ close, logOut, logOutEverywhere }: Props) {
  const { session, showToast } = useWorkspace();
  const [sessions, setSessions] = useState<OpenSession[] | null>(null);
  const [problem, setProblem] = useState("");

  const failed = useCallback((error: unknown) => setProblem(explain(error)), []);
  const load = useCallback(
    () => session.withToken((token) => session.api.sessions(token)).then(setSessions).catch(failed),
    [session, failed],
  );
  useEffect(() => void load(), [load]);

  function end({ id, current }: OpenSession): void {
    if (current) return logOut();
    session
      .withToken((token) => session.api.endSession(token, id))
      .then(() => showToast("The session was ended."))
      .then(load)
      .catch(failed);
  }

  return (
    <Dialog title="Where you are logged in" close={close}>
      {problem && <p role="alert">{problem}</p>}
      {!sessions && !problem && <p role="status">Loading…</p>}
      <ul className="sessions">
        {sessions?.map((one) => (
          <li key={one.id}>
            <div>
              <strong>{deviceName(one.user_agent)}</strong>
              {one.current && <span className="tag">this device</span>}
              <p className="muted">
                {one.current ? "Active now" : `Last active ${ago(new Date(one.last_used_at))}`}
                {one.address && ` · ${one.address}`}
              </p>
            </div>
            <button className="button quiet" onClick={() => end(one)}>
              {one.current ? "Log out" : "End"}
            </button>
          </li>
        ))}
      </ul>
      {sessions && sessions.length > 1 && (
        <footer>
          <button className="button danger" onClick={logOutEverywhere}>
            Log out everywhere
          </button>
        </footer>
      )}
    </Dialog>
  );
}

function explain(error: unknown): string {
  if (!(error instanceof Refused)) return "The service cannot be reached. Try again later.";
  return error.unsupported ? "This service does not list sessions." : error.detail;
}
