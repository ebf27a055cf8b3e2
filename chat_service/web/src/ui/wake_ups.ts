import { useEffect } from "react";

import type { Chat } from "../chat/chat";

const ONLINE_MS = 3_000;
const OFFLINE_MS = 1_000;

/** Checks the connection at once when the device wakes up or its network changes. */
export function useWakeUps({ client }: Chat): void {
  useEffect(() => {
    const awake = () => document.visibilityState === "visible" && client.check();
    const networkChanged = () => client.check(navigator.onLine ? ONLINE_MS : OFFLINE_MS);
    document.addEventListener("visibilitychange", awake);
    window.addEventListener("online", networkChanged);
    window.addEventListener("offline", networkChanged);
    return () => {
      document.removeEventListener("visibilitychange", awake);
      window.removeEventListener("online", networkChanged);
      window.removeEventListener("offline", networkChanged);
    };
  }, [client]);
}
