import { useEffect, useState } from "react";

import { Refused } from "../http";
import type { Found } from "../session/auth_api";
import { Avatar } from "./Avatar";
import { byArrows } from "./by_arrows";
import { useDesk } from "./desk";
import { goTo } from "./place";

const PAUSE_MS = 200;

/** People of the directory; picking one opens the conversation with them. */
export function SearchResults({ query, done }: { query: string; done: () => void }) {
  const { employee, people, session } = useDesk();
  const [found, setFound] = useState<(Found & { query: string }) | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    const stopped = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const search = (token: string) => session.api.search(token, query, stopped.signal);
        const answer = await session.withToken(search);
        if (stopped.signal.aborted) return;
        people.learn(answer.employees);
        setFound({ ...answer, query });
        setProblem(null);
      } catch (error) {
        if (stopped.signal.aborted) return;
        setProblem(error instanceof Refused ? error.detail : "The directory cannot be reached.");
      }
    }, PAUSE_MS);
    return () => {
      stopped.abort();
      clearTimeout(timer);
    };
  }, [query, people, session]);

  const others = found?.employees.filter(({ email }) => email !== employee.email) ?? [];
  const hint = problem ?? (found ? nobody(found.query, found.exactOnly) : "Searching…");
  if (problem || others.length === 0)
    return (
      <p className="hint" role="status">
        {hint}
      </p>
    );
  return (
    <nav className="list" aria-label="People found" aria-busy={found?.query !== query} onKeyDown={byArrows}>
      <p className="unseen" role="status">
        {others.length === 1 ? "1 person found" : `${others.length} people found`}
      </p>
      <ul>
        {others.map(({ email, name, department }) => (
          <li key={email}>
            <button
              className="entry"
              onClick={() => {
                goTo(email);
                done();
              }}
            >
              <Avatar name={name} email={email} />
              <span className="entry-text">
                <span className="entry-name" dir="auto">{name}</span>
                <span className="entry-last">{department ? `${department} · ${email}` : email}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function nobody(query: string, exactOnly: boolean): string {
  if (exactOnly && !query.includes("@")) return "Type the whole email address of a colleague.";
  return `Nobody matches “${query}”. Is it spelled as in their address?`;
}
