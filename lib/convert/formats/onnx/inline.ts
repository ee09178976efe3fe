/** Puts the nodes of a model's functions in the place of those that call them. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { OnnxAttribute, OnnxFunction, OnnxModel, OnnxNode } from "./parse.ts";

/** Functions may call functions that call functions: a small file may stand for endless nodes. */
const MAX_NODES = 100_000;
const MAX_DEPTH = 64;

/**
 * A model's nodes without calls of functions.
 *
 * @throws {CheckpointFormatError} If there is no end of them.
 */
export function inlineFunctions({ nodes, functions }: OnnxModel, file: string): OnnxNode[] {
  const byName = new Map(functions.map((called) => [nameOf(called.domain, called.name), called]));
  const inlined: OnnxNode[] = [];
  let calls = 0;
  const add = (node: OnnxNode, depth: number): void => {
    const called = byName.get(nameOf(node.domain, node.op));
    if (inlined.length + calls >= MAX_NODES || depth > MAX_DEPTH) {
      throw new CheckpointFormatError(
        `The functions of the ONNX model ${file} call each other without an end, at ${node.op}`,
        { file },
      );
    }
    if (called === undefined) {
      inlined.push(node);
      return;
    }
    const bodies = bodyOf(called, node, ++calls);
    for (const inner of bodies) add(inner, depth + 1);
  };
  for (const node of nodes) add(node, 0);
  return inlined;
}

/** The nodes of a function as one call has them: with the call's values, and names of their own. */
function bodyOf(called: OnnxFunction, call: OnnxNode, id: number): OnnxNode[] {
  const names = new Map<string, string>();
  called.inputs.forEach((name, index) => names.set(name, call.inputs[index] ?? ""));
  called.outputs.forEach((name, index) => {
    const output = call.outputs[index];
    if (output) names.set(name, output);
  });
  const rename = (name: string): string => {
    if (name !== "" && !names.has(name)) names.set(name, `${name} (call ${id})`);
    return names.get(name) ?? "";
  };
  const attributeOf = (name: string): OnnxAttribute | undefined =>
    call.attributes.get(name) ?? called.defaults.get(name);
  // An input that goes straight out.
  const passed = called.outputs.flatMap((name, index): OnnxNode[] => {
    const output = call.outputs[index], input = call.inputs[called.inputs.indexOf(name)];
    if (!output || !input) return [];
    names.set(name, input);
    return [{
      ...{ name: "", domain: "", op: "Identity", attributes: new Map() },
      ...{ inputs: [input], outputs: [output] },
    }];
  });
  const inner = called.nodes.map((node): OnnxNode => {
    const [first, ...others] = node.outputs;
    return {
      ...node,
      name: [call.name || call.op, node.name || node.op].join("/"),
      inputs: node.inputs.map(rename),
      outputs: [rename(first), ...others.map(rename)],
      attributes: new Map(
        [...node.attributes].flatMap(([key, attribute]): [string, OnnxAttribute][] => {
          if (!attribute.reference) return [[key, attribute]];
          const value = attributeOf(attribute.reference);
          return value === undefined ? [] : [[key, value]];
        }),
      ),
    };
  });
  return [...passed, ...inner];
}

function nameOf(domain: string, name: string): string {
  return JSON.stringify([domain, name]);
}
