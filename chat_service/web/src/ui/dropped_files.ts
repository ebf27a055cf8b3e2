// Files that are dropped on the page: without this, the browser would leave the page to show them.

import { useEffect } from "react";

export const NO_FILES = "Files cannot be sent here, only text.";

export const holdsFiles = (data: DataTransfer | null): boolean =>
  data?.types.includes("Files") ?? false;

/** Tells the person that a dropped file goes nowhere. */
export function useDroppedFiles(tell: (text: string) => void): void {
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (!holdsFiles(event.dataTransfer)) return;
      event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      if (!holdsFiles(event.dataTransfer)) return;
      event.preventDefault();
      tell(NO_FILES);
    };
    window.addEventListener("dragover", over);
    window.addEventListener("drop", drop);
    return () => {
      window.removeEventListener("dragover", over);
      window.removeEventListener("drop", drop);
    };
  }, [tell]);
}
