// The addresses of the services, from the chat service.

export interface Config {
  /** Origin of the auth service. */
  auth: string;
  /** Address of the WebSocket. */
  socket: string;
}

/** Throws where there is none. `index.html` asks for it before this script is there. */
export async function loadConfig(): Promise<Config> {
  const response = await fetch("/config.json", { signal: AbortSignal.timeout(20_000) });
  if (!response.ok) throw new Error(`config.json: ${response.status}`);
  const { auth_url } = (await response.json()) as { auth_url: string };
  return {
    auth: auth_url || location.origin,
    socket: `${location.origin.replace(/^http/, "ws")}/ws`,
  };
}
