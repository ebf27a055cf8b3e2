import { type KeyboardEvent, useState } from "react";

import { AccountMenu } from "./AccountMenu";
import { ConversationList } from "./ConversationList";
import { Close, Search } from "./icons";
import { SearchResults } from "./SearchResults";

const FIRST_ENTRY = ".sidebar .list:not([aria-busy='true']) .entry";

/** The account menu, the search, and the conversations or what was found. */
export function Sidebar({ current }: { current: string | null }) {
  const [query, setQuery] = useState("");
  const searching = query.trim() !== "";

  function press(event: KeyboardEvent): void {
    if (event.key === "Escape") setQuery("");
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    const first = document.querySelector<HTMLElement>(FIRST_ENTRY);
    if (event.key === "Enter" && searching) first?.click();
    else first?.focus();
  }

  return (
    <aside className="sidebar" aria-label="Conversations">
      <header className="sidebar-head">
        <h1>Messages</h1>
        <AccountMenu />
      </header>
      <div className="search" role="search">
        <Search />
        <input
          type="text"
          inputMode="search"
          enterKeyHint="search"
          placeholder="Find a colleague"
          aria-label="Find a colleague"
          autoComplete="off"
          spellCheck={false}
          value={query}
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={press}
        />
        {searching && (
          <button
            className="icon-button small"
            aria-label="Clear the search"
            onClick={() => setQuery("")}
          >
            <Close />
          </button>
        )}
      </div>
      {searching ? (
        <SearchResults query={query.trim()} done={() => setQuery("")} />
      ) : (
        <ConversationList current={current} />
      )}
    </aside>
  );
}
