import { useEffect, useState } from "react";

import { shownAddress } from "../chat/text";
import { Refused } from "../http";
import type { Found } from "../session/auth_api";
import { moveByArrowKeys } from "./arrow_keys";
import { Avatar } from "./Avatar";
import { goTo } from "./route";
import { useWorkspace } from "./workspace_context";

const PAUSE_MS = 200;

/** People in the directory. Choosing one opens the conversation with them. */
export function SearchResults({ query, done }: { query: string; done: () => void }) {
  const { employee } = useWorkspace();
  const { found, problem } = useSearch(query);
  const others = found?.employees.filter(({ email }) => email !== employee.email) ?? [];
  const hint = problem ?? (found ? emptyHint(found.query, found.exactOnly) : "Searching…");
  if (problem || others.length === 0)
    return (
      <p className="hint" role="status">
        {hint}
      </p>
    );
  return (
    <nav
      className="list"
      aria-label="People found"
      aria-busy={found?.query !== query}
      onKeyDown={moveByArrowKeys}
    >
      <p className="visually-hidden" role="status">
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
                <span className="entry-last">{department ? `${department} · ${shownAddress(email)}` : shownAddress(email)}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** Searches the directory once typing has paused. */
function useSearch(query: string) {
  const { people, session } = useWorkspace();
  const [found, setFound] = useState<(Found & { query: string }) | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    const controller = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const search = (token: string) => session.api.search(token, query, controller.signal);
        const answer = await session.withToken(search);
        if (controller.signal.aborted) return;
        people.learn(answer.employees);
        setFound({ ...answer, query });
        setProblem(null);
      } catch (error) {
        if (controller.signal.aborted) return;
        setProblem(error instanceof Refused ? error.detail : "The directory cannot be reached.");
      }
    }, PAUSE_MS);
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [query, people, session]);
  return { found, problem };
}

function emptyHint(query: string, exactOnly: boolean): string {
  if (exactOnly && !query.includes("@")) return "Type the whole email address of a colleague.";
  return `Nobody matches “${query}”. Check the spelling, or try their email.`;
}
