/** Initials on one of twelve colours, which depends on the address. */
export function Avatar({ name, email, online }: { name: string; email: string; online?: boolean }) {
  return (
    <span className={`avatar hue-${hueOf(email)}`} aria-hidden="true">
      {initials(name)}
      {online && <span className="avatar-online" />}
    </span>
  );
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter(Boolean);
  const first = [...(words[0] ?? "?")][0]!;
  const last = words.length > 1 ? [...words.at(-1)!][0]! : "";
  return (first + last).toUpperCase();
}

function hueOf(email: string): number {
  let sum = 7;
  for (const character of email) sum = (sum * 31 + character.codePointAt(0)!) % 9973;
  return sum % 12;
}
