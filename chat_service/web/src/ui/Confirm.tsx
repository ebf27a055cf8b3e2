import type { ReactNode } from "react";

import { Dialog } from "./Dialog";

interface Props {
  title: string;
  children: ReactNode;
  action: string;
  confirmed: () => void;
  close: () => void;
}

/** Asks before something that cannot be undone. */
export function Confirm({ title, children, action, confirmed, close }: Props) {
  return (
    <Dialog title={title} close={close}>
      <p>{children}</p>
      <footer>
        <button className="button quiet" onClick={close}>
          Cancel
        </button>
        <button
          className="button danger"
          data-first
          onClick={() => {
            confirmed();
            close();
          }}
        >
          {action}
        </button>
      </footer>
    </Dialog>
  );
}
