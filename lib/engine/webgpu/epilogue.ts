/**
 * The end of a convolution: from accumulators to values, max-pooled, and the maximum of the workgroup.
 *
 * @module
 */

import { HEADER_WORDS, stateWords } from "./layout.ts";
import { FIXED_POINT } from "./wgsl.ts";

/** What the end of a convolution is generated from. */
export interface Epilogue {
  /** Output pixels of one lane. Both even where a max-pool follows. */
  readonly rows: number;
  readonly columns: number;
  /** Output channels of one lane, and the distance between two of them. */
  readonly channels: number;
  readonly channelStep: number;
  /** Output channels of the layer. */
  readonly outChannels: number;
  readonly relu: boolean;
  readonly pool: boolean;
}

/** Names the accumulator of an output of a lane. */
export function accumulator(row: number, column: number, channel: number): string {
  return `acc_${row}_${column}_${channel}`;
}

/**
 * Declares `writeValues`: call it with the index of the image, the lane's first output row, column and
 * channel. It reads the accumulators, which are private variables, and steps 6 and 7 of the integer
 * program make values of them.
 *
 * Uniforms that it needs: `outHeight` and `outWidth`, those of `v`, and `maximaOffset`, where the maxima
 * begin.
 */
export function epilogueCode(epilogue: Epilogue): string {
  const { rows, columns, channels, channelStep, outChannels, relu, pool } = epilogue;
  const step = pool ? 2 : 1;
  const writes: string[] = [];
  for (let j = 0; j < channels; j++) {
    writes.push(`  {
    let channel = o + ${j * channelStep};
    let m = state[stateOffset + 2 * channel];
    let b = state[stateOffset + 2 * channel + 1];`);
    for (let r = 0; r < rows; r += step) {
      for (let q = 0; q < columns; q += step) {
        const acc = pool
          ? `max(max(${accumulator(r, q, j)}, ${accumulator(r, q + 1, j)}), max(${
            accumulator(r + 1, q, j)
          }, ${accumulator(r + 1, q + 1, j)}))`
          : accumulator(r, q, j);
        writes.push(
          `    largest = max(largest, writeValue(image, y + ${r / step}, x + ${
            q / step
          }, channel, ${acc}, m, b));`,
        );
      }
    }
    writes.push("  }");
  }
  return `
${FIXED_POINT}
var<workgroup> groupMaximum: atomic<i32>;

fn writeValue(image: i32, y: i32, x: i32, channel: i32, acc: i32, m: i32, b: i32) -> i32 {
  if (y >= uniforms.outHeight || x >= uniforms.outWidth) {
    return 0;
  }
  let v = ${relu ? "max(0, mulhiRound(acc << 2u, m) + b)" : "mulhiRound(acc << 2u, m) + b"};
  result[((image * uniforms.outHeight + y) * uniforms.outWidth + x) * ${outChannels} + channel] = v;
  return v;
}

fn writeValues(image: i32, y: i32, x: i32, o: i32) {
  let stateOffset = image * ${stateWords(outChannels)} + ${HEADER_WORDS};
  var largest = 0;
${writes.join("\n")}
  atomicMax(&groupMaximum, largest);
  workgroupBarrier();
  if (localIndex == 0u) {
    let group = (workgroupId.z * numWorkgroups.y + workgroupId.y) * numWorkgroups.x + workgroupId.x;
    result[uniforms.maximaOffset + i32(group)] = atomicLoad(&groupMaximum);
  }
}
`;
}
