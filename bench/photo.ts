/**
 * A photo of 12 megapixels and what encodes it: sharp (libvips), which is native code.
 *
 * @module
 */

/** As much of sharp's interface as is used here. */
export interface Sharp {
  resize(width: number, height: number, options?: { fit: "fill" }): Sharp;
  composite(images: { input: Uint8Array; blend: "soft-light" }[]): Sharp;
  png(options?: { compressionLevel: number }): Sharp;
  jpeg(options: { quality: number; chromaSubsampling?: string; progressive?: boolean }): Sharp;
  webp(options: { quality?: number; lossless?: boolean; effort?: number }): Sharp;
  avif(options: { quality: number; effort?: number; chromaSubsampling?: string }): Sharp;
  gif(options: { effort: number }): Sharp;
  tiff(options: { compression: "lzw" }): Sharp;
  removeAlpha(): Sharp;
  raw(): Sharp;
  toBuffer(): Promise<Uint8Array>;
}
interface SharpModule {
  (input: Uint8Array | string | { create: unknown }, options?: { raw: unknown }): Sharp;
  cache(enabled: boolean): void;
  concurrency(threads: number): void;
}

// Sharp is native code, and 20 MB. A name that is computed, and a run without the lock file, keep it
// out of what every other command downloads.
const peer = "npm:sharp@0.34.5";
export const sharp: SharpModule = (await import(peer)).default;

/** Its sides. */
export const PHOTO = { width: 4000, height: 3000 };

/** RGB: a photo enlarged to a phone's size, with noise where the enlargement has no detail. */
export async function makePhoto(): Promise<Uint8Array> {
  const { width, height } = PHOTO;
  const photo = new URL("../tests/data/photos/boats.jpg", import.meta.url).pathname;
  const noise = { type: "gaussian", mean: 128, sigma: 24 };
  const background = { r: 128, g: 128, b: 128 };
  const grain = await sharp({ create: { width, height, channels: 3, background, noise } })
    .png({ compressionLevel: 1 }).toBuffer();
  return await sharp(photo).resize(width, height, { fit: "fill" })
    .composite([{ input: grain, blend: "soft-light" }]).removeAlpha().raw().toBuffer();
}
