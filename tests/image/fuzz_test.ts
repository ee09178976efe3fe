import { assert } from "@std/assert";
import { FAILED_IMAGES } from "../fuzz/failed_seeds.ts";
import { fuzzImages } from "../fuzz/images.ts";

Deno.test("damaged pictures give an image or a named error, and leave the decoders as they were", async () => {
  // Others each time: what fails names its seed.
  const first = Math.floor(Math.random() * 2 ** 31);
  const fresh = Array.from({ length: 600 }, (_, i) => first + i);
  const tallies = await fuzzImages([...FAILED_IMAGES, ...fresh]);
  for (const [format, { decoded, refused }] of tallies) {
    assert(decoded + refused > 0, `no ${format} from seed ${first} on`);
  }
});
