/**
 * What people read of each entry: `deno task check:docs` fails on what `deno doc --lint` says of one, on a
 * link to what the entry does not export, and on an example that nobody can paste.
 *
 * @module
 */

import { deno, entriesOf } from "./entries.ts";

/** Any node of what `deno doc --json` gives. */
interface Node {
  readonly [name: string]: unknown;
}

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null;

/** A documented name of an entry. */
export interface Documented {
  readonly name: string;
  /** All doc comments of it and of what it has. */
  readonly comments: readonly string[];
}

/** What an entry exports, as `deno doc` sees it; its own comment is that of no name. */
export async function documented(root: URL, path: string): Promise<Documented[]> {
  const { nodes } = JSON.parse(await deno(root, ["doc", "--json", path]));
  return Object.values<Node>(nodes).flatMap(({ module_doc, symbols }) => [
    { name: "", comments: commentsIn(module_doc) },
    ...(symbols as Node[]).map((symbol) => ({
      name: String(symbol.name),
      comments: commentsIn(symbol),
    })),
  ]);
}

function commentsIn(value: unknown): string[] {
  if (!isNode(value)) return [];
  const { doc } = value;
  return [...typeof doc === "string" ? [doc] : [], ...Object.values(value).flatMap(commentsIn)];
}

/** What is wrong with the comments of an entry: a sentence for each fault. */
export function faultsOf(entry: string, symbols: readonly Documented[]): string[] {
  const names = new Set(symbols.map(({ name }) => name));
  return symbols.flatMap(({ name, comments }) => {
    const text = comments.join("\n"), where = `${entry}: ${name || "the module"}`;
    const links = [...text.matchAll(/\{@link(?:code|plain)?\s+([^}\s|]+)/g)].map(([, to = ""]) =>
      to
    );
    const lost = links.filter((to) => !/^https?:/.test(to) && !names.has(to.split(".")[0] ?? ""));
    const examples = [...text.matchAll(/^```ts(.*)\n([^]*?)^```/gm)];
    return [
      ...lost.map((to) => `${where} links to ${to}, which is not exported`),
      ...examples.flatMap(([, flags = "", code = ""]) => [
        ...flags.includes("ignore") ? [`${where} has an example that does not run`] : [],
        ...[...code.matchAll(/ from "(?!@edge\/vgg16)([^"]+)"/g)]
          .map(([, from]) => `${where} has an example that imports ${from}`),
      ]),
    ];
  });
}

if (import.meta.main) {
  const root = new URL("../", import.meta.url);
  const faults: string[] = [];
  for (const [name, path] of await entriesOf(root)) {
    await deno(root, ["doc", "--lint", path]).catch(({ message }) => faults.push(message));
    faults.push(...faultsOf(name, await documented(root, path)));
  }
  for (const fault of new Set(faults)) console.error(fault);
  Deno.exitCode = faults.length === 0 ? 0 : 1;
}
