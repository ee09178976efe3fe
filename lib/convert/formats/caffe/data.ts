/** Where Caffe's networks get their images from, and how these are prepared. */

import type { ImageHint } from "../checkpoint.ts";
import type { Operator } from "../graph.ts";
import type { CaffeLayer } from "./layer.ts";
import type { Message } from "./message.ts";

/** Layers that read images, and do to them what their parameters say, and nothing else. */
const READERS = ["Data", "ImageData", "WindowData"];

/** ImageNet's, red, green, blue. */
const USUAL_MEAN = [123.68, 116.779, 103.939];

type Input = Operator & { kind: "input" };

/** What a layer does to its images: `(byte - mean) * scale`, of a part of `crop` x `crop`, 0 for all. */
interface Transform {
  readonly scale: number;
  readonly crop: number;
  /** Blue, green, red, or one for all. */
  readonly mean: readonly number[];
  /** A file beside the network that has another mean. */
  readonly meanFile: string | undefined;
}

/** An input of a shape `[N, C, H, W]`; what is 0 is not known. */
export function inputOf(shape: readonly number[]): Input {
  const [, channels, height, width] = shape.length === 4
    ? shape.map((size) => size || undefined)
    : [];
  return { kind: "input", layout: "NCHW", channels, height, width };
}

/** The images that a layer gives. */
export async function imagesFrom(layer: CaffeLayer): Promise<Input> {
  switch (layer.type) {
    case "Input":
      return inputOf(await shapeIn(await layer.parameter("input"), 1));
    case "DummyData": {
      const parameter = await layer.parameter("dummyData");
      const old = [2, 3, 4, 5].map((field) => parameter.number(field, 0));
      return inputOf(parameter.has(6) ? await shapeIn(parameter, 6) : old);
    }
    case "MemoryData": {
      const parameter = await layer.parameter("memoryData");
      return inputOf([1, 2, 3, 4].map((field) => parameter.number(field, 0)));
    }
    default: {
      const { crop } = await transformOf(layer);
      const image = await layer.parameter("imageData");
      const [height, width] = crop > 0 ? [crop, crop] : [image.number(9, 0), image.number(10, 0)];
      return inputOf([0, 0, height, width]);
    }
  }
}

async function shapeIn(parameter: Message, field: number): Promise<number[]> {
  return await (await parameter.message(field)).integers(1);
}

/**
 * How images are prepared, as the layer says that reads them.
 *
 * @param channels Those of the first convolution.
 */
export async function preparationIn(
  layers: readonly CaffeLayer[],
  channels: number,
): Promise<ImageHint> {
  const layer = layers.findLast(({ type }) => READERS.includes(type));
  const usual = { preprocessing: "caffe", isRead: false, because: "usual for Caffe" } as const;
  if (layer === undefined) return usual;
  const { scale, mean, meanFile } = await transformOf(layer);
  if (meanFile !== undefined) {
    const because = `usual for Caffe, since ${meanFile} is not in the file`;
    if (scale === 1) return { ...usual, because };
    const mean = USUAL_MEAN.map((value) => value * scale);
    return { ...usual, preprocessing: { scale, mean, std: [1, 1, 1] }, colors: "bgr", because };
  }
  const all = Array.from({ length: channels }, (_, color) => mean[color] ?? mean[0] ?? 0);
  return {
    preprocessing: {
      scale,
      mean: all.toReversed().map((value) => value * scale),
      std: all.map(() => 1),
    },
    colors: channels === 3 ? "bgr" : "rgb",
    isRead: true,
    because: `the parameters of its layer ${layer.name}`,
  };
}

/** Older files have some of it in the layer's own parameter. */
async function transformOf(layer: CaffeLayer): Promise<Transform> {
  const transform = await layer.parameter("transform");
  const old = await layer.parameter(layer.type === "ImageData" ? "imageData" : "data");
  const files = [...await transform.texts(4), ...await old.texts(3)];
  return {
    scale: transform.number(1, old.number(2, 1)),
    crop: transform.number(3, old.number(5, 0)),
    mean: await transform.floats(5),
    meanFile: files.find((file) => file !== "")?.replace(/^.*[/\\]/s, ""),
  };
}
