/**
 * JSON of which one value or one key is another: such as objects of JavaScript have by themselves, or
 * such as cannot be made a text.
 *
 * @module
 */

/** Names that every object has, or that mean something when they are set. */
export const OBJECT_NAMES: readonly string[] = [
  ...Object.getOwnPropertyNames(Object.prototype),
  ...["toJSON", "then", "length", "prototype"],
];

const DEEP = "[".repeat(50_000) + "]".repeat(50_000);
const VALUES = [
  ...['{"toString":1,"valueOf":1}', '[{"toString":1,"valueOf":1}]', '{"__proto__":{"a":1}}', DEEP],
  ...['"constructor"', '"__proto__"', '"toString"', "null", "[]", "{}", "-1", "1e999", "0.5", '""'],
];

/** Each node of a document replaced by each value, and each key by each name. */
export function* poisoned(document: unknown): Generator<string> {
  const token = "\u0001here\u0001", slot = JSON.stringify(token);
  const write = (root: unknown, poison: string): string =>
    JSON.stringify(root).replace(slot, () => poison);
  for (const path of pathsOf(document)) {
    for (const value of VALUES) yield write(replaced(document, path, token), value);
    if (typeof path.at(-1) !== "string") continue;
    for (const name of OBJECT_NAMES) {
      yield write(renamed(document, path, token), JSON.stringify(name));
    }
  }
}

type Path = readonly (string | number)[];

function* pathsOf(value: unknown, path: Path = []): Generator<Path> {
  yield path;
  if (typeof value !== "object" || value === null) return;
  // Of a list the first, which stands for the others.
  const entries = Array.isArray(value) ? [...value.entries()].slice(0, 1) : Object.entries(value);
  for (const [key, inner] of entries) yield* pathsOf(inner, [...path, key]);
}

function replaced(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    return value.map((item, n) => n === key ? replaced(item, rest, by) : item);
  }
  return Object.fromEntries(
    Object.entries(value as object).map(([name, item]) => [
      name,
      name === key ? replaced(item, rest, by) : item,
    ]),
  );
}

function renamed(value: unknown, path: Path, by: string): unknown {
  const outer = path.slice(0, -1), key = path.at(-1);
  const object = outer.reduce<unknown>(
    (inner, step) => (inner as Record<string, unknown>)[step],
    value,
  );
  const entries = Object.entries(object as object);
  return replaced(
    value,
    outer,
    Object.fromEntries(entries.map(([name, item]) => [name === key ? by : name, item])),
  );
}
