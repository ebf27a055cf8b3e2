// Requests with JSON bodies, and the two ways they fail.

import type { FieldProblem, Problem } from "./protocol";

/** The service answered with an error. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly fields: readonly FieldProblem[] = [],
    readonly retryAfterMs?: number,
  ) {
    super(detail);
  }

  /** What is wrong with this field of the body. */
  field(name: string): string | undefined {
    return this.fields.find(({ path }) => path === `$.${name}`)?.detail;
  }

  /** Whether the service does not have this endpoint. */
  get unsupported(): boolean {
    return this.status === 405 || (this.status === 404 && this.code === "not_found");
  }
}

/** There was no answer: the device is offline, the service is down, or CORS forbids the request. */
export class Unreachable extends Error {}

export interface Call {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  token?: string;
  signal?: AbortSignal;
}

/** Returns the answer's body. Throws `Refused`, `Unreachable`, or on abort what `fetch` throws. */
export async function call<T>(url: string, { method, body, token, signal }: Call = {}): Promise<T> {
  const headers = new Headers();
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  let response: Response;
  try {
    response = await fetch(url, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? AbortSignal.timeout(20_000),
      cache: "no-store",
      credentials: "omit",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable("The service cannot be reached.");
  }
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T;
  throw refusal(response.status, await response.json().catch(() => null));
}

function refusal(status: number, problem: Partial<Problem> | null): Refused {
  return new Refused(
    status,
    problem?.code ?? "unknown",
    problem?.detail ?? `The service answered with status ${status}.`,
    problem?.errors,
    problem?.retry_after_ms,
  );
}
