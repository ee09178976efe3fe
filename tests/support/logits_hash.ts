/**
 * One number for "the same bits": the hash of what an int8 model's last layer says of ten pictures.
 *
 * It asks nothing of its runtime, so that Deno, Node, Bun, browsers and Workers run it as it is.
 *
 * @module
 */

/** Ten pictures, of every format that is decoded; their paths begin at the project's folder. */
export const PICTURES: readonly string[] = [
  "tests/data/photos/boats.jpg",
  "tests/data/photos/cat.png",
  "tests/data/photos/coffee.png",
  "tests/data/photos/rocket.jpg",
  "tests/fixtures/images/photos/astronaut.jpg",
  "tests/fixtures/images/photos/brick.webp",
  "tests/fixtures/images/photos/grass.gif",
  "tests/fixtures/images/files/444.avif",
  "tests/fixtures/images/files/24bit.bmp",
  "tests/fixtures/images/files/lzw.tif",
];

/** What the models of the project give, by their ids, and the first label of each picture. */
export const EXPECTED: Readonly<Record<string, Hashed>> = {
  "vgg16-imagenet200": {
    hash: "997d68c441eea883777161d97130636d54b415fe2e3605065f2160f73add19a7",
    labels: [
      ...["gondola", "tabby cat", "espresso", "obelisk", "dumbbell"],
      ...["computer keyboard", "stick insect", "metal nail", "cliff dwelling", "cliff dwelling"],
    ],
  },
  "vgg16-cifar10": {
    hash: "de16a3211088c5e181e1b9e722e03eeaa9ece2c29efdc3b509331d09294adeea",
    labels: [
      ...["ship", "cat", "automobile", "ship", "dog"],
      ...["cat", "bird", "cat", "cat", "cat"],
    ],
  },
};

/** The hash, and what was recognized. */
export interface Hashed {
  /** SHA-256 in hexadecimal, of the logits as float32, low byte first, one picture after the other. */
  readonly hash: string;
  readonly labels: readonly string[];
}

/** What of a classifier is asked. */
interface Asked {
  classify(image: Uint8Array): Promise<readonly { readonly label: string }[]>;
  embed(image: Uint8Array, options: { layer: "fc8" }): Promise<{ readonly data: Float32Array }>;
}

/** @param read Brings a picture by its path. */
export async function hashLogits(
  classifier: Asked,
  read: (path: string) => Promise<Uint8Array>,
): Promise<Hashed> {
  const labels: string[] = [], logits: number[] = [];
  for (const path of PICTURES) {
    const picture = await read(path);
    const [best] = await classifier.classify(picture);
    labels.push(best!.label);
    logits.push(...(await classifier.embed(picture, { layer: "fc8" })).data);
  }
  const view = new DataView(new ArrayBuffer(4 * logits.length));
  logits.forEach((logit, i) => view.setFloat32(4 * i, logit, true));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", view));
  const hash = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { hash, labels };
}
