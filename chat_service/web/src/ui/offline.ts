import { useEffect, useState } from "react";

import { useSnapshot } from "./workspace_context";

const PATIENCE_MS = 1_500;

/** Whether the connection is lost and not back at once, so that presence may be out of date. */
export function useOffline(): boolean {
  const { connection } = useSnapshot();
  const offline = connection.name !== "online";
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!offline) return setLate(false);
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [offline]);
  return offline && (late || connection.name === "stopped" || !navigator.onLine);
}
