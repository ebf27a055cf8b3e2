import { type KeyboardEvent, useEffect, useRef, useState } from "react";

import { AccountMenu } from "./AccountMenu";
import { ConversationList } from "./ConversationList";
import { Close, Search } from "./icons";
import { SearchResults } from "./SearchResults";

const FIRST_ENTRY = ".sidebar .list:not([aria-busy='true']) .entry";

/** The account menu, the search, and the conversations or what was found. */
export function Sidebar({ current }: { current: string | null }) {
  const [query, setQuery] = useState("");
  const searching = query.trim() !== "";
  const field = useRef<HTMLInputElement>(null);

  useEffect(() => {
    const shortcut = (event: globalThis.KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey) return;
      event.preventDefault();
      field.current?.focus();
      field.current?.select();
    };
    window.addEventListener("keydown", shortcut);
    return () => window.removeEventListener("keydown", shortcut);
  }, []);

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
          ref={field}
          type="text"
          aria-keyshortcuts="Control+K Meta+K"
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
