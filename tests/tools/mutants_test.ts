import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { devTest } from "../support/dev_packages.ts";

// By a variable, as this module imports a package that tests need only where all are wanted.
const MUTANTS = "../../tools/mutants.ts";

/** What is used of it: a type of its own would bring the package into the lock. */
interface Mutants {
  mutantsOf(file: string, source: string): {
    readonly operator: string;
    readonly begin: number;
    readonly end: number;
    readonly text: string;
    readonly line: number;
  }[];
}

const NEEDS = { file: fromFileUrl(import.meta.url), packages: ["typescript"] } as const;

devTest("mutants change one place each, and nothing that does not run", NEEDS, async () => {
  const { mutantsOf }: Mutants = await import(MUTANTS);
  const source = `import type { A } from "./a.ts";
interface B { readonly most: 1 }
export function take(items: string[], limit = 3, signal?: AbortSignal): string[] {
  if (items.length < limit && signal !== undefined) throw new RangeError("few");
  check({ signal, most: 2 });
  return items.toSorted().map((item) => escapeText(item ?? "none"));
}
`;
  const changed = mutantsOf("a.ts", source).map(({ operator, begin, end, text, line }) =>
    `${line} ${operator}: ${source.slice(begin, end)} -> ${text}`
  );
  assertEquals(changed.toSorted(), [
    "3 constant changed: 3 -> (3 + 1)",
    "4 and becomes or: items.length < limit && signal !== undefined -> (items.length < limit) || (signal !== undefined)",
    "4 comparison changed: items.length < limit -> items.length <= limit",
    "4 comparison changed: items.length < limit -> items.length >= limit",
    "4 comparison changed: signal !== undefined -> signal === undefined",
    "4 condition negated: items.length < limit && signal !== undefined -> !(items.length < limit && signal !== undefined)",
    '4 throw removed: throw new RangeError("few"); -> ;',
    "5 constant changed: 2 -> (2 + 1)",
    "5 property dropped: 2 -> undefined as never",
    "5 property dropped: signal -> signal: undefined",
    "5 statement removed: check({ signal, most: 2 }); -> ;",
    '6 call left out: escapeText(item ?? "none") -> item ?? "none"',
    "6 call left out: items.toSorted() -> items",
    '6 default changed: item ?? "none" -> (item) as never',
  ]);
});
