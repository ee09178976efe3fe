/**
 * Reads Darknet's networks: the numbers in a `.weights` file, one after the other without names or shapes, and the
 * layers in the `.cfg` file beside it.
 *
 * @see {@link https://github.com/pjreddie/darknet/blob/master/src/parser.c}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Checkpoint, OpenOptions } from "../checkpoint.ts";
import { chainOf } from "../graph.ts";
import { type CfgSection, readCfg } from "./cfg.ts";
import { Layers } from "./layers.ts";

/** Version numbers are not higher: the first files begin with a learning rate, and have dense layers transposed. */
const MAX_VERSION = 1000;
/** The first version, major and minor, that counts images in 8 bytes. */
const WIDE = 2;

/** Opens the weights of a network. */
export async function readDarknet(
  source: ByteSource,
  { openSibling }: OpenOptions,
): Promise<Checkpoint> {
  const sections = await readDescription(source, openSibling);
  // How many numbers there are tells where they begin.
  const bytes = new Layers(sections, source, 0, false).end, begin = source.size! - bytes;
  const { headers, isTransposed } = await readVersion(source);
  if (!headers.includes(begin)) {
    throw new CheckpointFormatError(
      `${source.name} must have ${bytes} bytes of weights, as its .cfg says, behind a header of ${
        headers.join(" or ")
      }: found ${source.size} in all`,
      { file: source.name },
    );
  }
  return {
    format: "Darknet",
    tensors: [],
    order: "declared",
    graph: chainOf(new Layers(sections, source, begin, isTransposed && begin > 0).operators),
    images: { preprocessing: "unit", isRead: false, because: "usual for Darknet" },
    epsilon: 0,
    close: () => {},
  };
}

/** `vgg-16.weights` are of `vgg-16.cfg`; while it trains, Darknet writes `vgg-16_1000.weights` and the like. */
async function readDescription(
  { name }: ByteSource,
  openSibling: OpenOptions["openSibling"],
): Promise<CfgSection[]> {
  const base = name.replace(/^.*[/\\]/s, "").replace(/\.weights$/i, "");
  const shorter = base.replace(/_(\d+|last|best|final)$/, "");
  let cfg: ByteSource;
  try {
    cfg = await openSibling(`${base}.cfg`);
  } catch (error) {
    if (shorter === base) throw error;
    cfg = await openSibling(`${shorter}.cfg`);
  }
  try {
    return await readCfg(cfg);
  } finally {
    cfg.close();
  }
}

/** Bytes that the header may have: a version in three integers, and the number of images seen; or none. */
async function readVersion(
  source: ByteSource,
): Promise<{ headers: number[]; isTransposed: boolean }> {
  const words = new Int32Array(Math.min(2, source.size! >> 2));
  await source.read(0, new Uint8Array(words.buffer));
  const [major = 0, minor = 0] = words;
  const isVersion = major >= 0 && major <= MAX_VERSION && minor > 0 && minor <= MAX_VERSION;
  return {
    headers: isVersion ? [10 * major + minor < WIDE ? 16 : 20] : [16, 0],
    isTransposed: major > MAX_VERSION || minor > MAX_VERSION,
  };
}
