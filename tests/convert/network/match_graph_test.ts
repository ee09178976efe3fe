import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { OldCheckpoint } from "../../../lib/convert/formats/checkpoint.ts";
import type { GraphLayer } from "../../../lib/convert/formats/checkpoint.ts";
import { openConversionSource } from "../../../lib/convert/source.ts";
import { convert } from "../../../lib/convert/convert.ts";
import { checkGraph } from "../../../lib/convert/network/match_graph.ts";
import { openCheckpoint } from "../../../lib/convert/formats/open_checkpoint.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import {
  type Architecture,
  type Configuration,
  CONFIGURATIONS,
} from "../../../lib/model/architecture.ts";

const FIXTURES = new URL("../../fixtures/checkpoints/", import.meta.url);

/** Every way in which a file holds a graph, and its configuration. */
const WITH_GRAPH: Readonly<Record<string, Configuration>> = {
  "v1_d.caffemodel": "D",
  "new_e.caffemodel": "E",
};

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

for (const [file, configuration] of Object.entries(WITH_GRAPH)) {
  Deno.test(`a reader gives the convolutions and pools of ${file}`, async () => {
    const source = await openConversionSource(new URL(file, FIXTURES), {});
    const { graph, close } = await openCheckpoint(source.bytes, source) as OldCheckpoint;
    const kinds = (steps: readonly GraphLayer[]) =>
      steps.map(({ kind, stride, window }) =>
        // A convolution's window is known from its weights; not every format says it again.
        `${kind} ${kind === "convolution" ? "" : window} ${stride}`
      );
    assertEquals(kinds(graph!), kinds(graphOf(configuration)));
    close();
    source.bytes.close();
  });
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

/** Replaces the first occurrence of a text by one of the same length. */
function patched(bytes: Uint8Array, from: string, to: string): Uint8Array {
  assertEquals(from.length, to.length);
  const at = new TextDecoder("latin1").decode(bytes).indexOf(from);
  assert(at >= 0, `${from} is not in the file`);
  const copy = bytes.slice();
  copy.set(new TextEncoder().encode(to), at);
  return copy;
}

Deno.test("convert() refuses files of each format whose graph lacks a pool", async () => {
  for (
    const [file, from, to] of [
      ["new_e.caffemodel", "\x12\x07Pooling", "\x12\x07Dropout"],
    ]
  ) {
    const bytes = patched(await Deno.readFile(new URL(file, FIXTURES)), from, to);
    await assertRejects(() => convert(bytes), CheckpointFormatError, "as pool1 of configuration");
  }
});
