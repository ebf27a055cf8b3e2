import { useEffect, useImperativeHandle, useLayoutEffect, useRef, useState } from "react";
import type { FormEvent, KeyboardEvent, Ref } from "react";

import type { Bubble } from "../chat/rows";
import { useDesk, usePerson, useSnapshot } from "./desk";
import { Close, SendArrow } from "./icons";

const REPEAT_MS = 3_000;
const PAUSE_MS = 5_000;
const COUNT_FROM = 200;

export interface ComposerHandle {
  focus(): void;
}

interface Props {
  ref: Ref<ComposerHandle>;
  other: string;
  editing: Bubble | null;
  cancelEditing: () => void;
  editLast: () => void;
  say: (text: string) => void;
}

/** Where one writes. Enter sends, Shift+Enter begins a line, Up in an empty one edits the last. */
export function Composer({ ref, other, editing, cancelEditing, editLast, say }: Props) {
  const { drafts } = useDesk();
  const { textLimit } = useSnapshot();
  const { name } = usePerson(other);
  const [text, setText] = useState(() => drafts.get(other));
  const area = useRef<HTMLTextAreaElement>(null);
  const typing = useTyping(other);
  const left = textLimit - [...text].length;
  const sendable = text.trim() !== "" && left >= 0;

  useImperativeHandle(ref, () => ({ focus: () => area.current?.focus() }), []);
  useEffect(() => {
    const element = area.current!;
    element.setSelectionRange(element.value.length, element.value.length); // one goes on with a draft
    if (matchMedia("(hover: hover)").matches) element.focus();
  }, []);
  useLayoutEffect(() => {
    setText(editing ? (editing.message.text ?? "") : drafts.get(other));
  }, [editing, other, drafts]);
  useLayoutEffect(() => {
    const element = area.current!;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [text]);

  function write(written: string): void {
    setText(written);
    if (editing) return;
    drafts.set(other, written);
    typing(written.trim() !== "");
  }

  function submit(event?: FormEvent): void {
    event?.preventDefault();
    if (!sendable) return;
    if (!editing || text.trim() !== editing.message.text) say(text.trim());
    else cancelEditing();
    if (!editing) drafts.set(other, "");
    setText(drafts.get(other));
    typing(false);
    area.current?.focus();
  }

  function press(event: KeyboardEvent): void {
    if (event.nativeEvent.isComposing || event.keyCode === 229) return; // Safari tells by the code
    if (event.key === "Enter" && !event.shiftKey) return submit(event);
    if (event.key === "Escape" && editing) return cancelEditing();
    if (event.key === "ArrowUp" && text === "" && !editing) {
      event.preventDefault();
      editLast();
    }
  }

  return (
    <form className="composer" onSubmit={submit}>
      {editing && (
        <div className="composer-editing">
          <span>Editing your message</span>
          <button type="button" className="icon-button small" aria-label="Stop editing" onClick={cancelEditing}>
            <Close />
          </button>
        </div>
      )}
      <div className="composer-line">
        <textarea
          ref={area}
          rows={1}
          dir="auto"
          value={text}
          placeholder={`Write to ${name}`}
          aria-label={editing ? "Change your message" : `Write to ${name}`}
          aria-describedby={left < COUNT_FROM ? "characters-left" : undefined}
          aria-invalid={left < 0 ? true : undefined}
          enterKeyHint="send"
          onChange={(event) => write(event.target.value)}
          onKeyDown={press}
          onBlur={() => typing(false)}
        />
        {left < COUNT_FROM && (
          <span className="counter" id="characters-left" data-over={left < 0}>
            {left}
            <span className="unseen"> characters left</span>
          </span>
        )}
        <span className="unseen" role="status">
          {left < 0 && "The message is too long."}
        </span>
        <button className="send" aria-label={editing ? "Save the change" : "Send"} disabled={!sendable}>
          <SendArrow />
        </button>
      </div>
    </form>
  );
}

/** Tells that one types: again every 3 s while it goes on, and when it stops. */
function useTyping(other: string): (active: boolean) => void {
  const { chat } = useDesk();
  const told = useRef(0);
  const pause = useRef<number>(undefined);
  const tell = (active: boolean) => {
    clearTimeout(pause.current);
    if (active) {
      pause.current = window.setTimeout(() => tell(false), PAUSE_MS);
      if (Date.now() - told.current < REPEAT_MS) return;
      told.current = Date.now();
      chat.client.typing(other, true);
    } else if (told.current > 0) {
      told.current = 0;
      chat.client.typing(other, false);
    }
  };
  useEffect(() => () => tell(false), []);
  return tell;
}
