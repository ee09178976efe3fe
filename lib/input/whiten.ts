/**
 * ZCA whitening of pictures (UFLDL tutorial, "PCA Whitening" and "Implementing PCA/ZCA Whitening"): what
 * neighboring pixels and channels have in common is taken away, and edges stay.
 *
 * The whitening matrix is that of small patches, and each pixel gets the row of the patch around it:
 * pictures are then whitened at every size, and the statistics stay small.
 */

import type { PixelWhitening } from "../model/model.ts";

/**
 * What a standardized or whitened picture's mean and deviation become: three deviations fit into a byte on
 * either side.
 */
export const STANDARD_MEAN = 128, STANDARD_DEVIATION = 42;

/**
 * Whitens a picture: byte `128 + 42 z`, with `z = Σ filter (p - mean)` over the patch around each pixel.
 * At the border the outermost pixels are repeated; what is beyond three deviations is cut off.
 *
 * @param data `[height, width, channels]`
 */
export function whitenBytes(
  data: Uint8Array,
  width: number,
  height: number,
  { patch, mean, filter }: PixelWhitening,
): Uint8Array {
  const channels = mean.length, reach = patch >> 1, size = patch * patch * channels;
  const out = new Uint8Array(data.length), values = new Float64Array(size);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let at = 0;
      for (let dy = -reach; dy <= reach; dy++) {
        const row = Math.min(height - 1, Math.max(0, y + dy)) * width;
        for (let dx = -reach; dx <= reach; dx++) {
          const from = (row + Math.min(width - 1, Math.max(0, x + dx))) * channels;
          for (let c = 0; c < channels; c++) values[at++] = data[from + c] - mean[c];
        }
      }
      // Float64 sums in this order, each rounded as IEEE 754 says: the same bytes everywhere.
      for (let c = 0; c < channels; c++) {
        let z = 0;
        for (let i = 0; i < size; i++) z += filter[c * size + i] * values[i];
        out[to++] = Math.max(0, Math.min(255, Math.round(STANDARD_MEAN + STANDARD_DEVIATION * z)));
      }
    }
  }
  return out;
}
