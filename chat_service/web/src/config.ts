// The addresses of the services, from the chat service.

import { call } from "./http";

export interface Config {
  /** Origin of the auth service. */
  auth: string;
  /** Address of the WebSocket. */
  socket: string;
}

export async function loadConfig(): Promise<Config> {
  const { auth_url } = await call<{ auth_url: string }>("/config.json");
  return {
    auth: auth_url || location.origin,
    socket: `${location.origin.replace(/^http/, "ws")}/ws`,
  };
}
