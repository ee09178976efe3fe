/**
 * What the host writes into memory and the kernels read. TypeScript and AssemblyScript both compile
 * this file: each struct is its fields in this order, a 32-bit word each.
 */

// @ts-ignore: a type of AssemblyScript, which TypeScript takes for `any`.
type Int = i32;
// @ts-ignore: as above.
type Address = usize;

/** Pixels of a tile, which one inner call of a convolution computes. */
export const TILE = 6;
/** Numbers of a 6x6 patch, each with a product of its own in Winograd's algorithm. */
export const POSITIONS = 36;
/**
 * Bytes between the arrays of two positions. These are multiples of 128 bytes, and a power of two
 * between positions would put all 36 into the same few lines of the first-level cache.
 */
export const GAP = 64;

/** Constants of one layer: lib/engine/README.md, "Constants of a layer". */
export class Layer {
  multiplier: Address = 0; // int32 [outChannels], or float32: the scales
  bias: Address = 0; // int32 [outChannels], or float32
  biasExponent: Int = 0;
  reciprocalMantissa: Int = 0;
  reciprocalExponent: Int = 0;
  outChannels: Int = 0; // padded to 16
}

/** What changes from image to image. */
export class Image {
  mantissa: Int = 0; // Tm, Te: the reciprocal of the scale of the layer's input
  exponent: Int = 0;
  unitMantissa: Int = 0; // Um, Ue, E
  unitExponent: Int = 0;
  shift: Int = 0;
  max: Int = 0; // vmax
  reciprocal: Int = 0; // R
  normalize: Int = 0; // z
}

/** One parallel phase: some tasks, then a barrier whose last thread runs the serial end. */
export class Step {
  kernel: Int = 0; // of kernel_numbers.ts
  tasks: Int = 0;
  next: Int = 0; // the counter from which threads take tasks
  endLayer: Int = 0; // 1: steps 8 to 11 of the integer program follow
  beginLayer: Address = 0; // the Layer whose steps 1 to 4 follow, or 0

  images: Int = 0;
  image: Address = 0; // Image [images]
  scaled: Address = 0; // int32 [images, 2, outChannels]: M and B of each image
  layer: Address = 0; // Layer

  x: Address = 0; // activations, each kernel says which
  rows: Int = 0; // of the input, without border
  columns: Int = 0;
  channels: Int = 0; // of x; padded to 16 but in the first layer
  border: Int = 0;
  xRows: Int = 0; // with border
  xColumns: Int = 0;

  v: Address = 0; // int32 [images, vRows, vColumns, outChannels]
  vRows: Int = 0;
  vColumns: Int = 0;
  pool: Int = 0;

  weights: Address = 0;
  filterRows: Int = 0;
  run: Int = 0; // words of one row of a filter
  offsets: Address = 0; // int32 [pixels]: where each output's window starts in x, from x
  pixels: Int = 0; // outputs before a pool, of all images; a pool's window of four are neighbours
  chunk: Int = 0; // pixels or patches of a task
  transformed: Address = 0; // Winograd: int16 [36][quads][channels / 2][4][2]
  transformedWeights: Address = 0; // Winograd: int16 [outChannels / 8][36][channels / 2][8][2]
  blocks: Int = 0; // of 8 output channels, whose sums a task holds
  patches: Int = 0; // of this step
  firstPatch: Int = 0; // among those of all images
  patchRows: Int = 0; // of one image
  patchColumns: Int = 0;
  scratch: Address = 0; // of thread 0
  scratchBytes: Int = 0; // of each thread
}

/** Where threads meet. */
export class Barrier {
  threads: Int = 0;
  arrived: Int = 0;
  generation: Int = 0;
  stop: Int = 0; // the host sets it to end early,
  stopped: Int = 0; // and all threads see the same answer
}
