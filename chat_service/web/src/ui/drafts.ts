// What one has written and not sent, by the other one's address. It survives a reload, and in a
// browser that keeps nothing, at least that one looks into another conversation.

export class Drafts {
  #here = new Map<string, string>();

  constructor(readonly employee: string) {}

  get(other: string): string {
    return this.#here.get(other) ?? kept((storage) => storage.getItem(this.#key(other))) ?? "";
  }

  set(other: string, text: string): void {
    this.#here.set(other, text);
    kept((storage) => {
      if (text === "") storage.removeItem(this.#key(other));
      else storage.setItem(this.#key(other), text);
    });
  }

  clear(): void {
    this.#here.clear();
    kept((storage) => {
      for (const key of Object.keys(storage)) if (key.startsWith(this.#key(""))) storage.removeItem(key);
    });
  }

  #key(other: string): string {
    return `draft ${this.employee} ${other}`;
  }
}

function kept<T>(work: (storage: Storage) => T): T | null {
  try {
    return work(localStorage);
  } catch (error) {
    console.warn("What is written is not kept: a reload loses it.", error);
    return null;
  }
}
