// What `plan.ts` writes into memory and the kernels read: 32-bit words, in this order.

/** Constants of one layer: lib/engine/README.md, "Constants of a layer". */
@unmanaged
export class Layer {
  multiplier: usize; // int32 [outChannels]
  bias: usize; // int32 [outChannels]
  biasExponent: i32;
  reciprocalMantissa: i32;
  reciprocalExponent: i32;
  outChannels: i32; // padded to 16
}

/** What changes from image to image. */
@unmanaged
export class Image {
  mantissa: i32; // Tm, Te: the reciprocal of the scale of the layer's input
  exponent: i32;
  unitMantissa: i32; // Um, Ue, E
  unitExponent: i32;
  shift: i32;
  max: i32; // vmax
  reciprocal: i32; // R
  normalize: i32; // z
}

/** One parallel phase: some tasks, then a barrier whose last thread runs the serial end. */
@unmanaged
export class Step {
  kind: i32;
  tasks: i32;
  next: i32; // the counter from which threads take tasks
  endLayer: i32; // 1: steps 8 to 11 of the integer program follow
  beginLayer: usize; // the Layer whose steps 1 to 4 follow, or 0

  images: i32;
  image: usize; // Image [images]
  scaled: usize; // int32 [images, 2, outChannels]: M and B of each image
  layer: usize; // Layer

  x: usize; // activations, each kernel says which
  rows: i32; // of the input, without border
  columns: i32;
  channels: i32; // of x; padded to 16 but in the first layer
  border: i32;
  xRows: i32; // with border
  xColumns: i32;

  v: usize; // int32 [images, vRows, vColumns, outChannels]
  vRows: i32;
  vColumns: i32;
  pool: i32;

  weights: usize;
  kernelRows: i32;
  run: i32; // words of one kernel row
  offsets: usize; // int32 [pixels]: where each output's window starts in x, from x
  pixels: i32; // outputs before a pool, of all images; the four of a pool's window are neighbours
  chunk: i32; // pixels or tiles of a task
  transformed: usize; // Winograd: int16 [36][quads][channels / 2][4][2]
  filters: usize; // Winograd: int16 [outChannels / 8][36][channels / 2][8][2], or 0
  group: i32; // blocks of 8 output channels of a task
  tiles: i32; // of this step
  firstTile: i32; // among those of all images
  tileRows: i32; // of one image
  tileColumns: i32;
  scratch: usize; // of thread 0
  scratchBytes: i32; // of each thread
}
