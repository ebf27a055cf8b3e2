import { useEffect, useImperativeHandle, useLayoutEffect, useRef, useState } from "react";
import type { FormEvent, KeyboardEvent, Ref, RefObject } from "react";

import type { Bubble } from "../chat/rows";
import { isolated, sendable, shows } from "../chat/text";
import { holdsFiles, NO_FILES } from "./dropped_files";
import { Close, SendArrow } from "./icons";
import { useWorkspace, usePerson, useSnapshot } from "./workspace_context";

/** Whether the keyboard is one on a screen. */
const onTouch = () => matchMedia("(hover: none) and (pointer: coarse)").matches;

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

/**
 * Enter sends, Shift+Enter starts a new line, Up in an empty field edits the last message. On a
 * touch keyboard, which has no Shift+Enter, Enter starts a new line and the button sends.
 */
export function Composer({ ref, other, editing, cancelEditing, editLast, say }: Props) {
  const { drafts, showToast } = useWorkspace();
  const { textLimit } = useSnapshot();
  const { name } = usePerson(other);
  const [text, setText] = useState(() => drafts.get(other));
  const area = useRef<HTMLTextAreaElement>(null);
  const typing = useTyping(other);
  const left = textLimit - [...text].length;
  const ready = shows(sendable(text)) && left >= 0;

  useImperativeHandle(ref, () => ({ focus: () => area.current?.focus() }), []);
  useLayoutEffect(() => {
    setText(editing ? (editing.message.text ?? "") : drafts.get(other));
  }, [editing, other, drafts]);
  useArea(area, text);

  function write(written: string): void {
    setText(written);
    if (editing) return;
    drafts.set(other, written);
    typing(written.trim() !== "");
  }

  function submit(event?: FormEvent): void {
    event?.preventDefault();
    if (!ready) return;
    if (!editing || sendable(text) !== editing.message.text) say(sendable(text));
    else cancelEditing();
    if (!editing) drafts.set(other, "");
    setText(drafts.get(other));
    typing(false);
    area.current?.focus();
  }

  function press(event: KeyboardEvent): void {
    if (event.nativeEvent.isComposing || event.keyCode === 229) return; // 229 is for Safari
    if (event.key === "Enter" && !event.shiftKey && !onTouch()) return submit(event);
    if (event.key === "Escape" && editing) return cancelEditing();
    if (event.key === "ArrowUp" && text === "" && !editing) {
      event.preventDefault();
      editLast();
    }
  }

  return (
    <form className="composer" onSubmit={submit}>
      {editing && <Editing cancel={cancelEditing} />}
      <div className="composer-line">
        <textarea
          ref={area}
          rows={1}
          dir="auto"
          value={text}
          placeholder={`Write to ${isolated(name)}`}
          aria-label={editing ? "Change your message" : `Write to ${isolated(name)}`}
          aria-describedby={left < COUNT_FROM ? "characters-left" : undefined}
          aria-invalid={left < 0 ? true : undefined}
          enterKeyHint={onTouch() ? "enter" : "send"}
          onChange={(event) => write(event.target.value)}
          onKeyDown={press}
          onBlur={() => typing(false)}
          onPaste={(event) => {
            if (event.clipboardData.types.includes("text/plain") || !holdsFiles(event.clipboardData)) return;
            event.preventDefault();
            showToast(NO_FILES);
          }}
        />
        <Counter left={left} />
        <button
          className="send"
          aria-label={editing ? "Save the change" : "Send"}
          disabled={!ready}
        >
          <SendArrow />
        </button>
      </div>
    </form>
  );
}

/** Focuses the field at the end of a draft, and makes it as high as its text. */
function useArea(area: RefObject<HTMLTextAreaElement | null>, text: string): void {
  useEffect(() => {
    const element = area.current!;
    element.setSelectionRange(element.value.length, element.value.length);
    if (matchMedia("(hover: hover)").matches) element.focus();
  }, [area]);
  useLayoutEffect(() => {
    const element = area.current!;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [area, text]);
}

function Editing({ cancel }: { cancel: () => void }) {
  return (
    <div className="composer-editing">
      <span>Editing your message</span>
      <button
        type="button"
        className="icon-button small"
        aria-label="Stop editing"
        onClick={cancel}
      >
        <Close />
      </button>
    </div>
  );
}

function Counter({ left }: { left: number }) {
  return (
    <>
      {left < COUNT_FROM && (
        <span className="counter" id="characters-left" data-over={left < 0}>
          {left}
          <span className="visually-hidden"> characters left</span>
        </span>
      )}
      <span className="visually-hidden" role="status">
        {left < 0 && "The message is too long."}
      </span>
    </>
  );
}

/** Sends typing events: every 3 s while the person types, and when they stop. */
function useTyping(other: string): (active: boolean) => void {
  const { chat } = useWorkspace();
  const sentAt = useRef(0); // 0: nothing, or that it stopped
  const pause = useRef<number>(undefined);
  const signal = (active: boolean) => {
    clearTimeout(pause.current);
    if (active) {
      pause.current = window.setTimeout(() => signal(false), PAUSE_MS);
      if (Date.now() - sentAt.current < REPEAT_MS) return;
      sentAt.current = Date.now();
      chat.client.typing(other, true);
    } else if (sentAt.current > 0) {
      sentAt.current = 0;
      chat.client.typing(other, false);
    }
  };
  useEffect(() => () => signal(false), []);
  return signal;
}
