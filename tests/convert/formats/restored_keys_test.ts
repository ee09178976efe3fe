import { assertEquals } from "@std/assert";
import type { TfNode } from "../../../lib/convert/formats/tensorflow/graph_def.ts";
import { restoredKeys } from "../../../lib/convert/formats/tensorflow/saved_model.ts";

const node = (name: string, op: string, ...inputs: string[]): TfNode => ({
  ...{ name, op, inputs },
  attributes: new Map(
    op === "Const" ? [["value", { ints: [], texts: [], strings: ["first", "second"] }]] : [],
  ),
});

/** The keys of a graph that restores two tensors and gives the second one to `v`, by way of other nodes. */
function keysBy(value: string, ...nodes: TfNode[]): [string, string][] {
  const all = [
    ...[node("names", "Const"), node("restore", "RestoreV2", "prefix", "names", "slices")],
    ...[node("v", "VarHandleOp"), node("assign", "AssignVariableOp", "v", value), ...nodes],
  ];
  const graph = { nodes: new Map(all.map((node) => [node.name, node])), functions: new Map() };
  return [...restoredKeys(graph)];
}

Deno.test("a variable's key is found through identities", () => {
  assertEquals(keysBy("restore:1"), [["v", "second"]]);
  const identities = [node("a", "Identity", "b"), node("b", "Identity", "restore:1")];
  assertEquals(keysBy("a", ...identities), [["v", "second"]]);
});

Deno.test("identities of nothing, of what is not there and of each other restore nothing", () => {
  assertEquals(keysBy("a", node("a", "Identity")), []);
  assertEquals(keysBy("a", node("a", "Identity", "missing")), []);
  assertEquals(keysBy("a", node("a", "Identity", "a")), []);
  assertEquals(keysBy("a", node("a", "Identity", "b"), node("b", "Identity", "a")), []);
});
