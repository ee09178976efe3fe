/**
 * The small VGG of `fixtures/small_vgg/`, and what PyTorch computes with it.
 *
 * @module
 */

import type { LayerParameters, Model, WeightPiece } from "../../lib/model/model.ts";
import { layersOf } from "../../lib/model/architecture.ts";
import type { Weights } from "./reference.ts";

/** What PyTorch computed, in float64. */
export interface Expected {
  readonly mean: number[];
  readonly std: number[];
  readonly convolutions: number[];
  readonly dense: number[];
  readonly views: Record<string, number[]>;
  readonly embeddings: Record<
    string,
    { shape: number[]; sum: number; first: number[]; max: number[]; avg: number[] }
  >;
  readonly distance: number;
  readonly gradCam: {
    scale: number;
    label: number;
    layer: string;
    alpha: number[];
    shape: number[];
    cam: number[];
  }[];
}

const fixture = (name: string): URL => new URL(`../fixtures/small_vgg/${name}`, import.meta.url);

/** Reads the fixture. */
export async function smallVgg(): Promise<{ model: Model; weights: Weights; expected: Expected }> {
  const expected: Expected = JSON.parse(await Deno.readTextFile(fixture("expected.json")));
  const bytes = await Deno.readFile(fixture("small_vgg.safetensors"));
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header: Record<string, { data_offsets: [number, number] }> = JSON.parse(
    new TextDecoder().decode(bytes.subarray(8, start)),
  );
  const tensor = (name: string): ArrayBuffer => {
    const [begin, end] = header[name].data_offsets;
    return bytes.buffer.slice(start + begin, start + end);
  };
  const { convolutions, dense, mean, std } = expected;
  const architecture = {
    configuration: "A" as const,
    input: { height: 32, width: 32, channels: 3 },
    convolutions,
    dense,
  };
  const layers = layersOf(architecture);
  const weights = new Map(
    layers.map(({ name }) => [name, new Int8Array(tensor(`${name}.weight`))]),
  );
  const model: Model = {
    id: "small-vgg",
    architecture,
    preprocessing: {
      resize: "shorter-side",
      size: 32,
      filter: "bilinear",
      scale: 1 / 255,
      mean,
      std,
    },
    labels: ["a", "b", "c", "d", "e"],
    provenance: {},
    parameters: layers.map(({ name }) => ({
      name,
      scale: new Float32Array(tensor(`${name}.scale`)),
      bias: new Float32Array(tensor(`${name}.bias`)),
    })),
    weightBytes: 0,
    async *weights(): AsyncGenerator<WeightPiece> {
      for (const { name: layer, outChannels: count } of layers) {
        yield { layer, first: 0, count, data: weights.get(layer)! };
      }
    },
  };
  return { model, weights, expected };
}

/** The small VGG with its first logits alone, each of which goes through a sigmoid. */
export async function sigmoidVgg(logits: number): Promise<{ model: Model; weights: Weights }> {
  const { model, weights } = await smallVgg();
  const { architecture, labels, parameters } = model, dense = [...architecture.dense];
  dense[dense.length - 1] = logits;
  const sigmoid = new Map(weights).set(
    "fc8",
    weights.get("fc8")!.slice(0, logits * dense.at(-2)!),
  );
  const first = (layer: LayerParameters): LayerParameters => ({
    ...layer,
    scale: layer.scale.slice(0, logits),
    bias: layer.bias.slice(0, logits),
  });
  return {
    model: {
      ...model,
      id: `sigmoid-vgg-${logits}`,
      architecture: { ...architecture, dense, head: "sigmoid" },
      labels: logits === 1 ? ["no", "yes"] : labels.slice(0, logits),
      parameters: parameters.map((layer) => layer.name === "fc8" ? first(layer) : layer),
      async *weights(): AsyncGenerator<WeightPiece> {
        for (const { name: layer, outChannels: count } of layersOf({ ...architecture, dense })) {
          yield { layer, first: 0, count, data: sigmoid.get(layer)! };
        }
      },
    },
    weights: sigmoid,
  };
}
