import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Classifier, classifierOn, loadClassifier } from "../../lib/classifier.ts";
import { classifierFrom } from "../../lib/compose/classifier_from.ts";
import { fuse } from "../../lib/compose/fuse.ts";
import { BackendUnavailableError, DisposedError, OfflineError } from "../../lib/errors.ts";
import { evaluate } from "../../lib/evaluate/evaluate.ts";
import type { Engine } from "../../lib/engine/engine.ts";
import type { RawPixels } from "../../lib/image/image.ts";
import { floatEngine } from "../support/float_engine.ts";
import { randomModel } from "../support/random_model.ts";
import { sigmoidVgg, smallVgg } from "../support/small_vgg.ts";
import { CIFAR10 } from "../support/cifar10.ts";

const CAT = new URL("../data/photos/cat.png", import.meta.url);
const { model, weights } = await smallVgg();
const other = randomModel(model.architecture, 3);
const make = (engine?: Partial<Engine>): Classifier =>
  classifierOn(model, { ...floatEngine(model, weights), ...engine });
const makeOther = (): Classifier =>
  classifierOn({ ...other.model, labels: model.labels }, floatEngine(other.model, other.weights));

Deno.test("a fused classifier averages the models' probabilities, for one image and many", async () => {
  await using a = make();
  await using b = makeOther();
  const fused = fuse([a, b]);
  for (const views of [{}, { crops: "ten", scales: [40] }] as const) {
    const [pa, pb] = [await a.scores(CAT, views), await b.scores(CAT, views)];
    const scores = await fused.scores(CAT, views);
    scores.forEach((score, c) => assertAlmostEquals(score, (pa[c]! + pb[c]!) / 2, 1e-12));
    const [best] = await fused.classify(CAT, views);
    assertEquals(best.score, Math.max(...scores));
    assertEquals(await fused.scores([CAT, CAT], views), [scores, scores]);
  }
  assertEquals(fused.info.model, "small-vgg + " + b.info.model);
  assertEquals(fused.info.classes, a.info.classes);
});

Deno.test("models of other labels, and none at all, are not fused", async () => {
  await using a = make();
  await using c = classifierOn(other.model, floatEngine(other.model, other.weights));
  assertThrows(() => fuse([a, c]), RangeError, "same labels");
  assertThrows(() => fuse([]), TypeError, "at least one classifier");
});

Deno.test("models whose labels have their own scores are fused with their like alone", async () => {
  const own = await sigmoidVgg(3);
  const each = (): Classifier => classifierOn(own.model, floatEngine(own.model, own.weights));
  await using a = each();
  await using b = each();
  const fused = fuse([a, b]);
  assertEquals(fused.info.multiLabel, true);
  assertEquals(await fused.scores(CAT), await a.scores(CAT));
  const { labels } = own.model;
  const scores = () => [Float64Array.of(0.5, 0.25, 0.25)];
  const exclusive = classifierFrom({ labels, scores, model: "other" });
  for (const both of [[a, exclusive], [exclusive, a]]) {
    const message = "each label of sigmoid-vgg-3 has its own, those of other exclude each other";
    assertThrows(() => fuse(both), RangeError, message);
  }
  const alike = classifierFrom({ labels, scores, multiLabel: true });
  const [own0] = await a.scores(CAT);
  assertAlmostEquals((await fuse([a, alike]).scores(CAT))[0]!, (own0! + 0.5) / 2, 1e-12);
});

Deno.test("one logit for two labels is fused with a soft-max of the two", async () => {
  const own = await sigmoidVgg(1);
  await using a = classifierOn(own.model, floatEngine(own.model, own.weights));
  const b = classifierFrom({ labels: own.model.labels, scores: () => [[0.75, 0.25]] });
  const fused = fuse([a, b]);
  const [no, yes] = await fused.scores(CAT);
  const [, own1] = await a.scores(CAT);
  assertAlmostEquals(yes!, (own1! + 0.25) / 2, 1e-12);
  assertAlmostEquals(no! + yes!, 1, 1e-12);
  assertEquals(fused.info.multiLabel, false);
});

Deno.test("an ensemble is evaluated as one classifier, of networks of any kind", async () => {
  await using a = make();
  const labels = a.info.classes.map(({ label }) => label);
  const second = labels.map((_, n) => Number(n === 1));
  const sure = classifierFrom({ labels, scores: (images) => images.map(() => second) });
  const samples = [{ file: "cat", image: CAT, label: 1 }];
  const { records } = await evaluate(fuse([a, sure]), samples);
  const scores = await a.scores(CAT);
  assertAlmostEquals(records[0]!.score, (scores[1]! + 1) / 2, 1e-12);
  // What one of them cannot do, the ensemble cannot.
  await assertRejects(() => fuse([a, sure]).scores(CAT, { crops: "ten" }), RangeError, "crops");
});

Deno.test("an ensemble that is closed closes none of its classifiers", async () => {
  await using a = make();
  const fused = fuse([a]);
  await fused.close();
  assertEquals([fused.closed, a.closed], [true, false]);
  await assertRejects(() => fused.classify(CAT), DisposedError);
  assertEquals((await a.classify(CAT)).length, 5);
});

Deno.test("an ensemble is lost with the first of its classifiers, and closed with it", async () => {
  const error = new BackendUnavailableError("backend-lost", "webgpu", "gone", { retryable: false });
  await using a = make();
  await using b = make({ lost: Promise.resolve(error) });
  assertEquals(await fuse([a, b]).lost, error);
  const fused = fuse([a, b]);
  await b.close();
  assertEquals(fused.closed, true);
  await assertRejects(() => fused.classify(CAT), DisposedError);
});

Deno.test("who is loaded offline fetches no image in an ensemble or an evaluation either", async () => {
  await using a = await loadClassifier({
    model: CIFAR10,
    backend: "wasm",
    threads: 1,
    offline: true,
  });
  const image = new URL("http://127.0.0.1:9/cat.png");
  await assertRejects(() => fuse([a]).classify(image), OfflineError);
  await assertRejects(() => evaluate(a, [{ file: "cat", image, label: 0 }]), OfflineError);
});

Deno.test("an array that is given again and again, with other pixels in it, is as many pictures", async () => {
  const size = { width: 32, height: 32 }, length = 32 * 32 * 3;
  const grays = [250, 0, 120];
  async function* frames(): AsyncGenerator<RawPixels> {
    const data = new Uint8Array(length);
    for (const gray of grays) yield { ...size, data: data.fill(gray) };
  }
  const pictures = grays.map((gray) => ({ ...size, data: new Uint8Array(length).fill(gray) }));
  await using classifier = await loadClassifier({ model: CIFAR10, backend: "wasm", threads: 1 });
  const fused = fuse([classifier]);
  assertEquals(await fused.scores(frames()), await fused.scores(pictures));
  assertEquals(await classifier.scores(frames()), await classifier.scores(pictures));
  const explanations = await classifier.explain(frames(), { scale: 32 });
  assertEquals(explanations.map(({ image }) => image.data[0]), grays);
});

Deno.test("an ensemble is sure from its members' highest score on, if each of them has one", async () => {
  const labels = ["a", "b"];
  const member = (score: number, sureScore?: number) =>
    classifierFrom({ labels, scores: () => [[score, 1 - score]], sureScore });
  const best = async (...members: ReturnType<typeof member>[]) => {
    const fused = fuse(members), [{ sure }] = await fused.classify(CAT);
    assertEquals(Object.hasOwn(fused.info, "sureScore"), fused.info.sureScore !== undefined);
    return [fused.info.sureScore, sure];
  };
  assertEquals(await best(member(0.75, 0.5), member(0.75, 0.75)), [0.75, true]);
  // The mean is 0.75 in both: one member that is sure alone does not do.
  assertEquals(await best(member(0.5, 0.25), member(1, 0.875)), [0.875, false]);
  assertEquals(await best(member(1, 0.5), member(1)), [undefined, undefined]);
  assertEquals(await best(member(1), member(1)), [undefined, undefined]);
});
