/** What holds for everything that the entries export, as `deno doc` sees it. */

import { assertEquals, assertGreater } from "@std/assert";
import config from "../deno.json" with { type: "json" };

/** Any node of what `deno doc --json` gives. */
type Node = { readonly [name: string]: unknown };

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null;

/** The entries of the library: those of `deno.json` but for the two programs, and the one without options. */
const ENTRIES = Object.values(config.exports).filter((path) =>
  !/\/(serve|cli|model)\.ts$/.test(path)
);

async function documented(entry: string): Promise<Node> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", entry],
    cwd: new URL("../", import.meta.url),
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** The optional properties in a node, with whether they take `undefined`. */
function* optionalProperties(node: Node, path: string): Generator<[string, boolean]> {
  const { name, optional, tsType, kind } = node;
  const here = typeof name === "string" ? `${path}.${name}` : path;
  // Parameters, which have a kind, take it whether they say so or not.
  if (optional === true && kind === undefined && isNode(tsType)) {
    yield [here, JSON.stringify(tsType).includes('"undefined"')];
  }
  for (const [key, value] of Object.entries(node)) {
    if (key !== "jsDoc" && isNode(value)) yield* optionalProperties(value, here);
  }
}

for (const entry of ENTRIES) {
  Deno.test(`every optional property of ${entry} takes undefined`, async () => {
    const found = [...optionalProperties(await documented(entry), "")];
    assertGreater(found.length, 10);
    assertEquals(found.flatMap(([path, takes]) => takes ? [] : [path]), []);
  });
}
