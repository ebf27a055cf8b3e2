import { useEffect, useState } from "react";

import { useSnapshot } from "./desk";

const PATIENCE_MS = 1_500;

/** Whether the connection is gone, and not likely to be back at once: what was heard may be old. */
export function useAway(): boolean {
  const { connection } = useSnapshot();
  const away = connection.name !== "online";
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!away) return setLate(false);
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [away]);
  return away && (late || connection.name === "stopped" || !navigator.onLine);
}
