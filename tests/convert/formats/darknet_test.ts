import { assert, assertEquals, assertRejects } from "@std/assert";
import { convert } from "../../../lib/convert/convert.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { mutate, seededRandom } from "../../fuzz/checkpoints.ts";
import { checkpointLogits, CHECKPOINTS } from "../../support/checkpoint_logits.ts";

const FOLDER = new URL("darknet/", CHECKPOINTS);
const EXPECTED: Record<string, number[]> = JSON.parse(
  await Deno.readTextFile(new URL("expected.json", FOLDER)),
);
/** Both sides compute in float64. */
const TOLERANCE = 1e-6;

for (const [file, expected] of Object.entries(EXPECTED)) {
  Deno.test(`${file} gives the logits of Darknet's network`, async () => {
    const { logits, chosen, network } = await checkpointLogits(new URL(file, FOLDER));
    for (const [i, logit] of logits.entries()) {
      assert(
        Math.abs(logit - expected[i]!) < TOLERANCE,
        `logit ${i}: ${logit}, not ${expected[i]}`,
      );
    }
    assertEquals(network.architecture.input, { height: 64, width: 64, channels: 3 });
    // A [crop] says what images are for; Darknet itself makes 0…1 of bytes.
    assertEquals(chosen.from, file.includes("crop") ? "read" : "assumed");
  });
}

/** Converts weights with a description beside them. */
async function convertWith(
  description: string,
  weights: Uint8Array,
  names = ["net.cfg", "net.weights"],
): Promise<unknown> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/${names[0]}`, description);
    await Deno.writeFile(`${folder}/${names[1]}`, weights);
    return await convert(`${folder}/${names[1]}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const PLAIN = await Deno.readTextFile(new URL("v2.cfg", FOLDER));
const WEIGHTS = await Deno.readFile(new URL("v2.weights", FOLDER));
/** Has more or fewer weights than the file. */
const REFUSED: readonly (readonly [what: string, description: string, ...said: string[]])[] = [
  ["another activation", PLAIN.replace("=relu", "=leaky"), "leaky", "conv", "no VGG has"],
  [
    "an activation of a name that objects have",
    PLAIN.replace("=relu", "=constructor"),
    ...["constructor", "no VGG has"],
  ],
  [
    "no activation said, which is the logistic one",
    PLAIN.replace("activation=relu\n", ""),
    "sigmoid",
  ],
  ["a route", PLAIN.replace("[softmax]", "[route]\nlayers=-1\n\n[softmax]"), "[route]"],
  ["another number of filters", PLAIN.replace("filters=6", "filters=7"), "bytes of weights"],
  ["two groups", PLAIN.replace("size=3", "size=3\ngroups=3"), "bytes of weights"],
  ["dilation", PLAIN.replace("size=3", "size=3\ndilation=2"), "dilation=2"],
  ["a stride", PLAIN.replace("stride=1", "stride=2"), "bytes of weights"],
  ["a size that is none", PLAIN.replace("filters=6", "filters=-6"), "sizes", "[-6]"],
  ["a pool that pads", PLAIN.replace("size=2", "size=2\npadding=2"), "bytes of weights"],
  ["something else than sections", `${PLAIN}hello`, "keys and values", "hello"],
  ["no [net]", PLAIN.replace("[net]", "[yolo]"), "[net]", "[yolo]"],
];

for (const [what, description, ...said] of REFUSED) {
  Deno.test(`a network of Darknet with ${what} is refused`, async () => {
    const error = await assertRejects(
      () => convertWith(description, WEIGHTS),
      CheckpointFormatError,
    );
    for (const words of said) {
      assert(error.message.includes(words), `"${words}" is not in: ${error.message}`);
    }
  });
}

Deno.test("a damaged .cfg gives a model or a named error", async () => {
  const text = new TextEncoder().encode(PLAIN);
  let refused = 0;
  for (let seed = 0; seed < 200; seed++) {
    const description = new TextDecoder().decode(mutate(text, seededRandom(seed)));
    try {
      await convertWith(description, WEIGHTS);
    } catch (error) {
      assert(error instanceof CheckpointFormatError, `seed ${seed}: ${error}`);
      refused++;
    }
  }
  assert(refused > 50, `only ${refused} of 200 were refused`);
});

Deno.test("weights of Darknet that are cut short are refused, and those without a .cfg", async () => {
  // By numbers, by a whole header, and by the difference of two kinds of headers.
  for (const bytes of [1000, 20, 4, 1]) {
    const short = WEIGHTS.subarray(0, WEIGHTS.length - bytes);
    await assertRejects(() => convertWith(PLAIN, short), CheckpointFormatError, "bytes of weights");
  }
  await assertRejects(
    () => convertWith(PLAIN, WEIGHTS, ["other.cfg", "net.weights"]),
    CheckpointFormatError,
    "net.cfg beside it",
  );
});

Deno.test("weights that Darknet writes while it trains go with the network's own .cfg", async () => {
  for (const name of ["vgg_final.weights", "vgg_20000.weights", "vgg.weights"]) {
    await convertWith(PLAIN, WEIGHTS, ["vgg.cfg", name]);
  }
});
