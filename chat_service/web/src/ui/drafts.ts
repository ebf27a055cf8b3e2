// What was written and not sent, by the other person's address. It survives a reload; if the browser
// refuses localStorage, it survives only a change of the conversation.

export class Drafts {
  #memory = new Map<string, string>();

  constructor(readonly employee: string) {}

  get(other: string): string {
    return this.#memory.get(other) ?? stored((storage) => storage.getItem(this.#key(other))) ?? "";
  }

  set(other: string, text: string): void {
    this.#memory.set(other, text);
    stored((storage) => {
      if (text === "") storage.removeItem(this.#key(other));
      else storage.setItem(this.#key(other), text);
    });
  }

  clear(): void {
    this.#memory.clear();
    stored((storage) => {
      const keys = Object.keys(storage).filter((key) => key.startsWith(this.#key("")));
      for (const key of keys) storage.removeItem(key);
    });
  }

  #key(other: string): string {
    return `draft ${this.employee} ${other}`;
  }
}

function stored<T>(work: (storage: Storage) => T): T | null {
  try {
    return work(localStorage);
  } catch (error) {
    console.warn("The draft could not be stored: a reload loses it.", error);
    return null;
  }
}
