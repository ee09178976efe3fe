/** The networks of readers that give no graph yet. */

import { type CheckpointTensor, type OldCheckpoint, readAll } from "../formats/checkpoint.ts";
import { matchArchitecture } from "./match.ts";
import type { Network, NetworkLayer } from "./network.ts";

export async function networkOfOld(
  checkpoint: OldCheckpoint,
  file: string,
  options: { inputSize?: number | undefined },
): Promise<Network> {
  const { architecture, layers } = matchArchitecture(checkpoint, file, options);
  const valuesOf = async (tensor: CheckpointTensor | undefined) => tensor && await readAll(tensor);
  const folded: NetworkLayer[] = [];
  for (const { layer, weight, bias, norm } of layers) {
    const shift = Float64Array.from(
      await valuesOf(bias) ?? new Float64Array(layer.outChannels),
    );
    const scale = new Float64Array(layer.outChannels).fill(1);
    if (norm !== undefined) {
      const [gamma, beta] = [await valuesOf(norm.gamma), await valuesOf(norm.beta)];
      const [mean, variance] = [await readAll(norm.mean), await readAll(norm.variance)];
      for (let o = 0; o < scale.length; o++) {
        scale[o] = (gamma?.[o] ?? 1) / Math.sqrt(variance[o]! + checkpoint.epsilon);
        shift[o] = (shift[o]! - mean[o]!) * scale[o]! + (beta?.[o] ?? 0);
      }
    }
    folded.push({ layer, weight, inputs: weight.layout.inputs, outputs: { scale, shift } });
  }
  return {
    architecture,
    layers: folded,
    normalizesImages: false,
    reversesColors: false,
    assumptions: [],
  };
}
