import { type ReactNode, useId, useLayoutEffect, useRef } from "react";

import { Close } from "./icons";

interface Props {
  title: string;
  children: ReactNode;
  close: () => void;
}

/** A modal dialog. The browser keeps the focus in it and closes it on Escape. */
export function Dialog({ title, children, close }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Closing it while it is still in the document returns the focus to where it was.
  useLayoutEffect(() => {
    const shown = dialog.current!;
    if (!shown.open) shown.showModal();
    shown.querySelector<HTMLElement>("[data-first]")?.focus();
    return () => shown.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={id}
      onClose={close}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div className="dialog-body">
        <header>
          <h2 id={id}>{title}</h2>
          <button className="icon-button" aria-label="Close" onClick={close}>
            <Close />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
