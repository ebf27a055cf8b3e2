/** "Firefox on Linux", as far as the user agent says. */
export function deviceName(userAgent: string): string {
  const browser = first(userAgent, [
    [/Edg\//, "Edge"],
    [/Firefox\//, "Firefox"],
    [/Chrome\//, "Chrome"],
    [/Safari\//, "Safari"],
    [/curl\//, "curl"],
  ]);
  const system = first(userAgent, [
    [/Android/, "Android"],
    [/iPhone|iPad/, "iOS"],
    [/Windows/, "Windows"],
    [/Mac OS X/, "macOS"],
    [/CrOS/, "ChromeOS"],
    [/Linux|X11/, "Linux"],
  ]);
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? system ?? (userAgent.slice(0, 60) || "Unknown device");
}

function first(text: string, names: ReadonlyArray<readonly [RegExp, string]>): string | undefined {
  return names.find(([pattern]) => pattern.test(text))?.[1];
}
