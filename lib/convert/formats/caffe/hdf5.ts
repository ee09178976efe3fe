/** Reads Caffe's weights in HDF5 (`.caffemodel.h5`): `/data/LAYER/0`, `/data/LAYER/1`, … */

import { Cleanup } from "../../../cleanup.ts";
import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type Checkpoint, type CheckpointTensor, OUTPUTS_FIRST } from "../checkpoint.ts";
import { Hdf5File } from "../hdf5/hdf5_file.ts";
import { hdf5Tensor } from "../hdf5/hdf5_tensor.ts";

const ROLES = ["weight", "bias"];

/** Opens a file, which tells nothing of its network but the layers' names. */
export async function readCaffeHdf5(source: ByteSource): Promise<Checkpoint> {
  const file = await Hdf5File.open(source, { attributes: [] });
  using opened = new Cleanup();
  opened.defer(() => file.close());
  const tensors: CheckpointTensor[] = [];
  for (const dataset of file.contents.datasets) {
    const [, layer, index = NaN] = /^\/data\/(.+)\/(\d+)$/.exec(dataset.path) ?? [];
    if (layer === undefined) continue;
    const role = ROLES[Number(index)];
    if (role === undefined || dataset.kind !== "float") {
      throw new CheckpointFormatError(
        `Layer ${layer} of ${source.name} must be a convolution or an inner product, with weights and a bias: found ${dataset.path}. ` +
          "What else a network does stands in the .caffemodel: write that, and convert it",
        { code: "checkpoint-unsupported", file: source.name },
      );
    }
    const about = { name: `${layer}.${role}`, layout: OUTPUTS_FIRST };
    tensors.push(hdf5Tensor(file, source, dataset, about));
  }
  const held = opened.move();
  return {
    format: "Caffe",
    tensors,
    order: "none",
    images: { preprocessing: "caffe", isRead: false, because: "usual for Caffe" },
    epsilon: 1e-5,
    close: () => held.dispose(),
  };
}
