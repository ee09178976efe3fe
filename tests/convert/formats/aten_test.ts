/** Calls of PyTorch's operators, however a program writes what a layer does. */

import { assertEquals } from "@std/assert";
import { type CheckpointTensor, OUTPUTS_FIRST } from "../../../lib/convert/formats/checkpoint.ts";
import { type Argument, AtenTranslator } from "../../../lib/convert/formats/pytorch/aten.ts";

const tensor = (name: string, shape: readonly number[]): CheckpointTensor => ({
  ...{ name, shape, layout: OUTPUTS_FIRST, position: 0 },
  read() {},
});
const CONSTANTS = new Map(
  [tensor("w", [2, 4]), tensor("turned", [4, 2]), tensor("b", [2])].map((own) => [own.name, own]),
);

/** What a call means, whose arguments are values where they are texts. */
function operatorOf(operator: string, given: Record<string, Argument>) {
  const translator = new AtenTranslator(CONSTANTS);
  const values = Object.entries(given).map(([name, argument]): [string, Argument] => [
    name,
    typeof argument === "string" ? { value: argument } : argument,
  ]);
  translator.add({ operator, given: new Map(values), outputs: ["y"] });
  return translator.nodes.at(-1)!.operator;
}

Deno.test("a dense layer is one by each of its operators, and its weight lies as that one takes it", () => {
  const ways: [string, Record<string, Argument>, outputs: string, bias: string | undefined][] = [
    ["linear", { input: "x", weight: "w", bias: "b" }, "first", "b"],
    ["linear", { input: "x", weight: "w" }, "first", undefined],
    ["matmul", { self: "x", other: "turned" }, "last", undefined],
    ["mm", { self: "x", mat2: "turned" }, "last", undefined],
    ["addmm", { self: "b", mat1: "x", mat2: "turned" }, "last", "b"],
  ];
  for (const [name, given, outputs, bias] of ways) {
    const operator = operatorOf(name, given);
    if (operator.kind !== "dense") throw new Error(`${name} is ${JSON.stringify(operator)}`);
    const { weight } = operator;
    assertEquals([weight.name, weight.layout.outputs], [
      outputs === "first" ? "w" : "turned",
      outputs,
    ], name);
    assertEquals(operator.bias?.name, bias, name);
  }
});

Deno.test("a product of what is computed, or scaled, is no dense layer", () => {
  const calls: [string, Record<string, Argument>][] = [
    ["matmul", { self: "x", other: "z" }],
    ["mm", { self: "x", mat2: "z" }],
    ["addmm", { self: "z", mat1: "x", mat2: "turned" }],
    ["addmm", { self: "b", mat1: "x", mat2: "turned", alpha: 2 }],
    ["addmm", { self: "b", mat1: "x", mat2: "turned", beta: 0.5 }],
    ["matmul", { self: "x", other: "b" }],
  ];
  for (const [name, given] of calls) {
    assertEquals(operatorOf(name, given).kind, "unsupported", name);
  }
});
