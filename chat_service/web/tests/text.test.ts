import { expect, it } from "vitest";

import { isolated, sendable, shownAddress, shows } from "../src/chat/text";

it("knows what can be seen", () => {
  for (const text of ["", " \n", "\u200b", "\u2060", "\u3164", "\u2800", "\ufe0f", "\u0301"]) {
    expect(shows(text)).toBe(false);
  }
  for (const text of ["a", ".", "😀", "❤\ufe0f", "🇳🇴", "שלום", "e\u0301"]) expect(shows(text)).toBe(true);
});

it("sends no control characters but tabs and line breaks", () => {
  expect(sendable(" a\x1b[31m\tb\r\nc\x00 ")).toBe("a[31m\tb\r\nc");
});

it("isolates a name", () => {
  expect(isolated("שלום")).toBe("\u2068שלום\u2069");
});

it("shows an address in the letters of its domain", () => {
  expect(shownAddress("user@xn--mnchen-3ya.de")).toBe("user@münchen.de");
  expect(shownAddress("user@example.org")).toBe("user@example.org");
  expect(shownAddress("user@xn--.de")).toBeTypeOf("string");
});
