import { type FocusEvent, useMemo, useState } from "react";

import type { Row } from "../chat/rows";

/**
 * Keeps the message that has, or last had, the keyboard focus in the document, where it is out of
 * view: whoever scrolls away and presses Tab goes on from there, not from the top of the page.
 */
export function useFocusedRow(rows: readonly Row[]) {
  const [id, setId] = useState<string>();
  const keepMounted = useMemo(() => {
    const index = rows.findIndex((row) => row.kind === "bubble" && row.message.id === id);
    return index < 0 ? [] : [index];
  }, [rows, id]);
  const onFocus = ({ target }: FocusEvent<HTMLElement>) =>
    setId(target.closest<HTMLElement>("[data-message]")?.dataset["message"]);
  return { keepMounted, onFocus };
}
