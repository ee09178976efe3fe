/** How images are usually prepared for networks of which there are weights alone: names tell the tool. */

import type { ImageHint } from "./checkpoint.ts";
import type { CheckpointTensor } from "./tensor.ts";

interface Usage {
  /** What tool, or whose files. */
  readonly of: string;
  /** Weights that it calls so, and that lie so. */
  readonly names: RegExp;
  readonly outputs: "first" | "last";
  readonly preprocessing: ImageHint["preprocessing"];
}

/** Red, green, blue in 0…255 less the mean of ImageNet. */
const MEAN = { scale: 1, mean: [123.68, 116.779, 103.939], std: [1, 1, 1] };

const USAGES: readonly Usage[] = [
  // "The network takes an RGB image": https://www.cs.toronto.edu/~frossard/post/vgg16/
  { of: "Frossard's archives", names: /^conv1_1_W$/, outputs: "last", preprocessing: MEAN },
  // Made of Caffe's: https://github.com/machrisaa/tensorflow-vgg, http://models.tensorpack.com
  {
    of: "numpy's dictionaries",
    names: /[./]weights(:0)?$/,
    outputs: "last",
    preprocessing: "caffe",
  },
  { of: "tensorpack", names: /^conv1_1\/W(:0)?$/, outputs: "last", preprocessing: "caffe" },
  {
    of: "Keras",
    names: /(^|\/)block1_conv1[./](.*\/)?kernel(:0)?$/,
    outputs: "last",
    preprocessing: "caffe",
  },
  { of: "PyTorch", names: /(^|\.)weight$/, outputs: "first", preprocessing: "torch" },
];

/** Tells the images by the names of the weights; `undefined` where nothing is usual. */
export function usualImages(tensors: readonly CheckpointTensor[]): ImageHint | undefined {
  const usage = USAGES.find(({ names, outputs }) =>
    tensors.some(({ name, shape, layout }) =>
      shape.length === 4 && layout.outputs === outputs && names.test(name)
    )
  );
  return usage && {
    preprocessing: usage.preprocessing,
    isRead: false,
    because: `usual for ${usage.of}`,
  };
}
