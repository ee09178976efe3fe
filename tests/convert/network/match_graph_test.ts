import { assert, assertThrows } from "@std/assert";
import type { GraphLayer } from "../../../lib/convert/formats/checkpoint.ts";
import { checkGraph } from "../../../lib/convert/network/match_graph.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import {
  type Architecture,
  type Configuration,
  CONFIGURATIONS,
} from "../../../lib/model/architecture.ts";

const CONVOLUTION = { kind: "convolution", window: [3, 3], stride: [1, 1] } as const;
const POOL = { kind: "max pool", window: [2, 2], stride: [2, 2] } as const;

function graphOf(configuration: Configuration): GraphLayer[] {
  return CONFIGURATIONS[configuration].flatMap((kernels, block) => [
    ...kernels.map((_, i) => ({ name: `c${block + 1}_${i + 1}`, ...CONVOLUTION })),
    { name: `p${block + 1}`, ...POOL },
  ]);
}

function architectureOf(configuration: Configuration, dense: number[]): Architecture {
  return {
    configuration,
    input: { height: 64, width: 64, channels: 3 },
    convolutions: CONFIGURATIONS[configuration].flat().map(() => 4),
    dense,
  };
}

function assertRefused(graph: GraphLayer[], ...messages: string[]): void {
  const error = assertThrows(
    () => checkGraph(graph, architectureOf("D", [8, 8, 3]), "some.onnx", undefined),
    CheckpointFormatError,
  );
  for (const message of ["some.onnx", ...messages]) {
    assert(error.message.includes(message), `"${message}" is not in: ${error.message}`);
  }
}

Deno.test("a graph is accepted if it is that of its configuration", () => {
  for (const name of Object.keys(CONFIGURATIONS) as Configuration[]) {
    checkGraph(graphOf(name), architectureOf(name, [8, 8, 3]), "", undefined);
    // Without a graph the tensors have to do.
    checkGraph(undefined, architectureOf(name, [8, 8, 3]), "", undefined);
  }
  // Exporters write a pool over single pixels, and dense layers as convolutions.
  const one = { name: "avg", kind: "average pool", window: [1, 1], stride: [1, 1] } as const;
  const dense = { name: "fc6", ...CONVOLUTION };
  checkGraph([...graphOf("D"), one, dense], architectureOf("D", [8]), "", undefined);
});

Deno.test("a graph with a pool in another place is refused with the place", () => {
  const moved = graphOf("D");
  moved.splice(4, 2, moved[5], moved[4]); // pool2 one convolution too early
  assertRefused(
    moved,
    "must have a convolution with stride 1 after conv2_1, as conv2_2",
    "found the max pool p2, 2x2, stride 2",
  );
  const late = graphOf("D");
  late.splice(2, 2, late[3], late[2]);
  assertRefused(
    late,
    "max pool 2x2, stride 2 after conv1_2, as pool1",
    "found the convolution c2_1",
  );
  assertRefused(graphOf("D").filter(({ kind }) => kind !== "max pool"), "as pool1");
  assertRefused(graphOf("D").slice(0, -1), "after conv5_3, as pool5", "found nothing");
});

Deno.test("a graph with another kind of pool or stride is refused with what it is", () => {
  const change = (index: number, step: Partial<GraphLayer>) =>
    graphOf("D").map((old, i) => i === index ? { ...old, ...step } : old);
  assertRefused(change(2, { kind: "average pool" }), "as pool1", "the average pool p1, 2x2");
  assertRefused(change(2, { window: [3, 3] }), "the max pool p1, 3x3, stride 2");
  assertRefused(change(5, { stride: [1, 1] }), "as pool2", "the max pool p2, 2x2, stride 1");
  assertRefused(change(2, { window: [], stride: [] }), "as pool1");
  assertRefused(change(0, { stride: [2, 2] }), "first, as conv1_1", "the convolution c1_1");
  assertRefused([...graphOf("D"), { name: "p6", ...POOL }], "no other pool after pool5", "p6");
});

Deno.test("averaging the whole map is refused before dense layers, unless the map is one pixel", () => {
  const gap: GraphLayer = { name: "gap", kind: "global average pool", window: [], stride: [1, 1] };
  const graph = [...graphOf("D"), gap];
  assertRefused(graph, "the global average pool gap", "say that the input size is 32");
  checkGraph(graph, architectureOf("D", [8]), "", 32);
  checkGraph(graph, architectureOf("D", []), "", undefined);
});
