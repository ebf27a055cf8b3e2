// The part of the auth service's REST API that the page uses.

import { call, Refused, Unreachable } from "../http";

export interface Employee {
  id: string;
  name: string;
  email: string;
  department: string | null;
  role: string | null;
}

export interface Grant {
  access_token: string;
  /** Seconds. */
  expires_in: number;
  refresh_token: string;
  employee: Employee;
}

export interface OpenSession {
  id: string;
  user_agent: string;
  address: string;
  created_at: string;
  last_used_at: string;
  current: boolean;
}

export interface NewEmployee {
  name: string;
  email: string;
  password: string;
  department?: string;
}

export class AuthApi {
  constructor(private readonly origin: string) {}

  signUp(employee: NewEmployee): Promise<Employee> {
    return call(`${this.origin}/employees`, { body: employee });
  }

  logIn(email: string, password: string): Promise<Grant> {
    return call(`${this.origin}/login`, { body: { email, password } });
  }

  refresh(refresh_token: string): Promise<Grant> {
    return call(`${this.origin}/token/refresh`, { body: { refresh_token } });
  }

  logOut(token: string): Promise<void> {
    return call(`${this.origin}/logout`, { method: "POST", token });
  }

  logOutEverywhere(token: string): Promise<void> {
    return call(`${this.origin}/logout/all`, { method: "POST", token });
  }

  async sessions(token: string): Promise<OpenSession[]> {
    const url = `${this.origin}/sessions`;
    return (await call<{ sessions: OpenSession[] }>(url, { token })).sessions;
  }

  endSession(token: string, id: string): Promise<void> {
    const url = `${this.origin}/sessions/${encodeURIComponent(id)}`;
    return call(url, { method: "DELETE", token });
  }

  employee(token: string, email: string): Promise<Employee> {
    return call(`${this.origin}/employees/${encodeURIComponent(email)}`, { token });
  }

  /** People whose name or address matches. A service without search finds exact addresses only. */
  async search(token: string, query: string, signal: AbortSignal): Promise<Found> {
    const url = `${this.origin}/employees?${new URLSearchParams({ query, limit: "20" })}`;
    try {
      const { employees } = await call<{ employees: Employee[] }>(url, { token, signal });
      return { employees, exactOnly: false };
    } catch (error) {
      const blocked = error instanceof Unreachable && navigator.onLine; // by CORS, of an older service
      const absent = error instanceof Refused ? error.unsupported : blocked;
      if (!absent) throw error;
      if (!query.includes("@")) return { employees: [], exactOnly: true };
      return { employees: await this.#exactly(token, query), exactOnly: true };
    }
  }

  async #exactly(token: string, email: string): Promise<Employee[]> {
    try {
      return [await this.employee(token, email)];
    } catch (error) {
      if (error instanceof Refused && [404, 422].includes(error.status)) return [];
      throw error;
    }
  }
}

export interface Found {
  employees: Employee[];
  /** The service has no search and finds exact addresses only. */
  exactOnly: boolean;
}
