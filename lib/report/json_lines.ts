/** JSON that people can look through. */

/** JSON with a line for each value, but that lists of texts and numbers take one. */
export function jsonLines(value: unknown, indent: string = ""): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const inner = `${indent} `;
  const [open, close, parts] = Array.isArray(value)
    ? ["[", "]", value.map((item) => jsonLines(item, inner))]
    : ["{", "}", membersOf(value, inner)];
  const isPlain = Array.isArray(value) && value.every((item) => typeof item !== "object");
  if (parts.length === 0 || isPlain) return open + parts.join(", ") + close;
  return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}`;
}

function membersOf(value: object, indent: string): string[] {
  return Object.entries(value).filter(([, member]) => member !== undefined)
    .map(([name, member]) => `${JSON.stringify(name)}: ${jsonLines(member, indent)}`);
}
