import { assertEquals } from "@std/assert";
import { decodeImage } from "../../../lib/image/decode.ts";

const WIDTH = 7, HEIGHT = 5, SAMPLES = 3;

/** Samples of 16 bits, whose low bytes carry when they are summed. */
const SOUND = Uint16Array.from(
  { length: WIDTH * HEIGHT * SAMPLES },
  (_, i) => Math.imul(i + 1, 40_503) & 0xffff,
);

/** A TIFF of 16-bit RGB, whose samples are stored less those to the left. */
function differences(little: boolean): Uint8Array {
  const tags: [tag: number, value: number][] = [
    ...[[256, WIDTH], [257, HEIGHT], [258, 16], [259, 1], [262, 2], [273, 8]] as const,
    ...[[277, SAMPLES], [278, HEIGHT], [279, 2 * SOUND.length], [317, 2]] as const,
  ].map(([tag, value]) => [tag, value]);
  const directory = 8 + 2 * SOUND.length;
  const bytes = new Uint8Array(directory + 2 + 12 * tags.length + 4);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(little ? "II" : "MM"));
  view.setUint16(2, 42, little);
  view.setUint32(4, directory, little);
  SOUND.forEach((sample, i) => {
    const isFirst = i % (WIDTH * SAMPLES) < SAMPLES;
    view.setUint16(8 + 2 * i, isFirst ? sample : sample - SOUND[i - SAMPLES]!, little);
  });
  view.setUint16(directory, tags.length, little);
  tags.forEach(([tag, value], n) => {
    const at = directory + 2 + 12 * n;
    view.setUint16(at, tag, little);
    view.setUint16(at + 2, 4, little); // LONG
    view.setUint32(at + 4, 1, little);
    view.setUint32(at + 8, value, little);
  });
  return bytes;
}

for (const little of [true, false]) {
  Deno.test(`differences of 16 bits are undone with the ${little ? "low" : "high"} byte first`, async () => {
    const { data } = await decodeImage(differences(little));
    assertEquals([...data], [...SOUND].map((sample) => sample >> 8));
  });
}
