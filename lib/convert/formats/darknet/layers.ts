/** Darknet's layers as operators. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type CheckpointTensor, OUTPUTS_FIRST, sizeOf, type WeightLayout } from "../checkpoint.ts";
import type { Operator } from "../graph.ts";
import { rawTensor } from "../tensors.ts";
import { type CfgSection, integerOf } from "./cfg.ts";

/** Networks end in what only training needs. */
const IGNORED = ["dropout", "cost"];

/** What is added to the root of a variance. */
const EPSILON = 1e-6;
/** What a convolution must not have, with the value that does nothing. */
const PLAIN = { binary: 0, xnor: 0, flipped: 0, dilation: 1, antialiasing: 0 };
const ACTIVATIONS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ["relu", { kind: "relu" }],
  ["logistic", { kind: "sigmoid" }],
]);

interface Norm {
  readonly gamma: CheckpointTensor;
  readonly mean: CheckpointTensor;
  readonly variance: CheckpointTensor;
}
type Named = { readonly name: string; readonly operator: Operator };

/** Goes through the layers, which take their numbers one after the other. */
export class Layers {
  readonly operators: Named[] = [];
  /** Behind the last weight. */
  end: number;
  #channels: number;
  #height: number;
  #width: number;

  constructor(
    [net, ...sections]: readonly CfgSection[],
    readonly source: ByteSource,
    begin: number,
    readonly isTransposed: boolean,
  ) {
    this.end = begin;
    this.#channels = integerOf(net!, "channels", 0);
    this.#height = integerOf(net!, "height", 0);
    this.#width = integerOf(net!, "width", 0);
    const crop = sections[0]?.type === "crop" ? sections[0] : undefined;
    this.#height = crop === undefined ? this.#height : integerOf(crop, "crop_height", 1);
    this.#width = crop === undefined ? this.#width : integerOf(crop, "crop_width", 1);
    this.#add("input", {
      kind: "input",
      layout: "NCHW",
      height: this.#height,
      width: this.#width,
      channels: this.#channels,
    });
    for (const section of sections) this.#section(section, section === crop);
  }

  #section(section: CfgSection, isFirst: boolean): void {
    const { type, name } = section;
    switch (type) {
      case "convolutional":
      case "conv":
        return this.#convolution(section);
      case "connected":
      case "conn":
        return this.#connected(section);
      case "maxpool":
      case "max": {
        const stride = integerOf(section, "stride", 1), size = integerOf(section, "size", stride);
        const zeros = integerOf(section, "padding", size - 1), before = zeros >> 1;
        const padding = [before, before, zeros - before, zeros - before] as const;
        this.#height = Math.floor((this.#height + zeros - size) / stride) + 1;
        this.#width = Math.floor((this.#width + zeros - size) / stride) + 1;
        return this.#add(name, {
          kind: "maxPool",
          window: [size, size],
          stride: [stride, stride],
          padding,
          roundsUp: false,
          layout: "NCHW",
        });
      }
      case "avgpool":
      case "avg":
        this.#height = this.#width = 1;
        return this.#add(name, { kind: "globalAverage" });
      case "crop":
        // What is cut off an image for testing is its border, before the network sees it.
        if (!isFirst) return this.#refuse(section, "it does not stand before the first layer");
        if (integerOf(section, "noadjust", 0) !== 0) return;
        return this.#add(name, { kind: "affine", scale: 2, shift: -1 });
      case "softmax":
      case "soft": {
        const because = "it has several groups, a tree or a temperature";
        const isPlain = integerOf(section, "groups", 1) === 1 && !section.values.has("tree") &&
          Number(section.values.get("temperature") ?? 1) === 1;
        return this.#add(
          name,
          isPlain ? { kind: "softmax" } : { kind: "unsupported", type, because },
        );
      }
      default:
        if (IGNORED.includes(type)) return;
        return this.#refuse(section, "no layer of a VGG");
    }
  }

  #convolution(section: CfgSection): void {
    const { name, values } = section;
    const outputs = integerOf(section, "filters", 1), size = integerOf(section, "size", 1);
    const stride = integerOf(section, "stride", 1), groups = integerOf(section, "groups", 1);
    const zeros = integerOf(section, "pad", 0) !== 0 ? size >> 1 : integerOf(section, "padding", 0);
    for (const [key, plain] of Object.entries({ ...PLAIN, stride_x: stride, stride_y: stride })) {
      if (integerOf(section, key, plain) === plain) continue;
      this.#refuse(section, `it has ${key}=${values.get(key)}`);
    }
    const bias = this.#take(`${name}.bias`, [outputs]);
    const norm = this.#norm(section, outputs);
    const weight = this.#take(`${name}.weight`, [outputs, this.#channels / groups, size, size]);
    this.#add(name, {
      kind: "conv",
      weight,
      bias: norm === undefined ? bias : undefined,
      stride: [stride, stride],
      padding: [zeros, zeros, zeros, zeros],
      dilation: [1, 1],
      groups,
      layout: "NCHW",
    });
    this.#channels = outputs;
    this.#height = Math.floor((this.#height + 2 * zeros - size) / stride) + 1;
    this.#width = Math.floor((this.#width + 2 * zeros - size) / stride) + 1;
    this.#activate(section, norm, bias);
  }

  #connected(section: CfgSection): void {
    const { name } = section;
    const outputs = integerOf(section, "output", 1);
    const inputs = this.#channels * this.#height * this.#width;
    const bias = this.#take(`${name}.bias`, [outputs]);
    const weight = this.isTransposed
      ? this.#take(`${name}.weight`, [inputs, outputs], { outputs: "last", inputs: "CHW" })
      : this.#take(`${name}.weight`, [outputs, inputs]);
    const norm = this.#norm(section, outputs);
    this.#add(`${name}.flatten`, { kind: "flatten" });
    this.#add(name, { kind: "dense", weight, bias: norm === undefined ? bias : undefined });
    this.#channels = outputs;
    this.#height = this.#width = 1;
    this.#activate(section, norm, bias);
  }

  /** What follows the products: normalization, whose shift is the bias, and the activation. */
  #activate(
    { type, name, values }: CfgSection,
    norm: Norm | undefined,
    beta: CheckpointTensor,
  ): void {
    if (norm !== undefined) {
      this.#add(`${name}.batch_normalize`, { kind: "batchNorm", ...norm, beta, epsilon: 0 });
    }
    const activation = values.get("activation") ?? "logistic";
    if (activation === "linear") return;
    this.#add(
      `${name}.activation`,
      ACTIVATIONS.get(activation) ?? {
        kind: "unsupported",
        type: activation,
        because: `an activation of [${type}] that no VGG has`,
      },
    );
  }

  #norm(section: CfgSection, channels: number): Norm | undefined {
    if (integerOf(section, "batch_normalize", 0) === 0) return undefined;
    const [gamma, mean, variance] = ["scale", "mean", "variance"].map((part) =>
      this.#take(`${section.name}.${part}`, [channels])
    ) as [CheckpointTensor, CheckpointTensor, CheckpointTensor];
    return {
      gamma,
      mean,
      variance: {
        ...variance,
        async read(runs, into): Promise<void> {
          await variance.read(runs, into);
          for (let i = 0; i < into.length; i++) into[i] = (Math.sqrt(into[i]!) + EPSILON) ** 2;
        },
      },
    };
  }

  #take(name: string, shape: number[], layout: WeightLayout = OUTPUTS_FIRST): CheckpointTensor {
    if (!shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
      throw new CheckpointFormatError(
        `The .cfg of ${this.source.name} must give sizes: found [${shape}] for ${name}`,
        { file: this.source.name },
      );
    }
    const about = { name, shape, layout, position: this.end };
    const tensor = rawTensor(this.source, about, "F32", this.end);
    this.end += 4 * sizeOf(shape);
    return tensor;
  }

  #add(name: string, operator: Operator): void {
    this.operators.push({ name, operator });
  }

  #refuse({ type, name }: CfgSection, because: string): never {
    throw new CheckpointFormatError(
      `Section [${type}] of the .cfg of ${this.source.name} (${name}) cannot be converted: ${because}`,
      { code: "checkpoint-unsupported", file: this.source.name },
    );
  }
}
