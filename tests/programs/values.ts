/** Results, labels and options, as the compiler knows them. */

import {
  classify,
  type ClassifyOptions,
  type DefaultLabel,
  type Embedding,
  type EmbedOptions,
  type ImageInput,
  type Images,
  type Input,
  loadClassifier,
  type Predictions,
  type ServiceOptions,
} from "@edge/vgg16";
import { convert, openModel } from "@edge/vgg16/convert";
import { evaluate } from "@edge/vgg16/evaluate";
import { fit, listSamples } from "@edge/vgg16/train";

const photo = "tests/data/photos/cat.png";
await using classifier = await loadClassifier({ backend: "wasm" });

// One prediction at least, of the labels that the embedded model has.
const [best] = await classifier.classify(photo);
const label: DefaultLabel = best.label;
for (const [first] of await classifier.classify([photo])) console.log(first.label);

// With a threshold there may be none.
const sure = await classifier.classify(photo, { scoreThreshold: 0.99 });
// @ts-expect-error So that no first one is promised.
const promised: Predictions = sure;
const options: ClassifyOptions = { topK: Infinity };
// @ts-expect-error These options may have a threshold.
const all: Predictions = await classifier.classify(photo, options);

// One or many, whichever a program holds.
const rows = async (images: Input | Images) => await classifier.scores(images);
const bytes = async (image: ImageInput) => (await classifier.embed(image)).data;
await classifier.classify(new Set([photo, () => Deno.readFile(photo)]));
const found = async (images: Input | readonly Input[], options?: ClassifyOptions) =>
  (await classifier.classify(images, options)).length;
const listed = async (images: Input[], options: EmbedOptions) =>
  await classifier.embed(images, options);

// The error of one image of many is thrown, or is what the program asks for: an error in its place.
for (const one of await classifier.classify([photo, "no.png"], { onError: "return" })) {
  const shown: string = one instanceof Error ? `${one.index} ${one.image}` : one[0].label;
  console.log(shown);
}
const onError = (images: Input[], onError: "throw" | "return" | undefined) =>
  classifier.embed(images, { onError });
// @ts-expect-error So that not all are embeddings.
const embeddings = async (): Promise<Embedding[]> => await onError([photo], "return");
// @ts-expect-error One image has no other's place.
const alone = () => classifier.scores(new Uint8Array(1), { onError: "return" });
for await (const { index, predictions, error } of classifier.stream(new Set([photo, "no.png"]))) {
  if (error) console.log(index, error.image);
  else console.log(index, predictions[0].label);
}

// Prepared images were looked at already.
const prepared = await classifier.prepare(photo, { crops: "ten" });
const { model, views, byteLength } = prepared;
await classifier.classify(prepared, { topK: 1, signal: AbortSignal.timeout(60_000) });
await classify(prepared, { topK: 1 });
// @ts-expect-error Their views are made.
const refused = () => classifier.classify(prepared, { crops: "ten" });
// @ts-expect-error Nobody else makes one.
const forged: Input = { model, views, byteLength };

// Layers have the paper's names.
const { data } = await classifier.embed(photo, { layer: "pool5", pooling: "avg" });
// @ts-expect-error There is no block 6.
const block6: EmbedOptions = { layer: "conv6_1" };

// Whether there is a file to write to may be known later, and what is listed is evaluated.
const converted = async (input: string, out: string | undefined) => await convert(input, { out });
const report = async (folder: string) => await evaluate(classifier, await listSamples(folder));
const trained = async (folder: string, out: string | undefined) =>
  await fit(await listSamples(folder), { out });

// Other models have the labels that a program says they have.
const file = new URL("../../weights/cifar10/vgg16-cifar10.safetensors", import.meta.url);
await using pets = await loadClassifier<"cat" | "dog">({ model: await openModel(file) });
const [pet] = await pets.classify(photo, { allow: [3, "dog"] });
const isCat: boolean = pet.label === "cat";
// @ts-expect-error There are no birds.
const isBird = pet.label === "bird";

// Whatever may be left out may be undefined.
await classifier.classify(photo, {
  ...{ topK: undefined, scoreThreshold: undefined, allow: undefined, deny: undefined },
  ...{ crops: undefined, scales: undefined, flip: undefined },
  ...{ maxPixels: undefined, maxBytes: undefined, background: undefined, signal: undefined },
});
const service: ServiceOptions = { classifier, maxPixels: undefined, logLevel: undefined };
const undecided: { label: string | undefined; scale: number | undefined } = {
  label: undefined,
  scale: undefined,
};
await classifier.explain(photo, undecided);

console.log(
  label,
  promised.length,
  all.length,
  isCat,
  data.length,
  (await bytes(photo)).length > 0,
);
console.log((await rows([photo])).length, await found(photo, { topK: 2 }), service.logLevel);
console.log(
  [alone, embeddings].length,
  [refused, forged, block6, isBird, converted, report, trained, listed].length,
);
