import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { progressView, trainer } from "../../lib/cli/fit_trainer.ts";
import type { Progress } from "../../lib/progress.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { catsAndDogs } from "../support/fitted.ts";
import { printedBy } from "../support/printed.ts";

type Flags = Parameters<typeof trainer>[0];

Deno.test("--no-balance reaches the fit", async () => {
  const data = catsAndDogs(2), more = { backend: "wasm" } as never;
  const flags = { balance: false, head: "nearest", model: CIFAR10 } as unknown as Flags;
  // Which a head that learns nothing refuses.
  await assertRejects(
    async () => await trainer(flags)(data, more),
    RangeError,
    'classWeights has no effect on the head "nearest"',
  );
});

Deno.test("each stage of a fit is shown in its own line, and epochs in a table", async () => {
  const shown: string[] = [];
  const line = (name: string) =>
    ({ show: ({ stage }: Progress) => void shown.push(`${name}: ${stage}`) }) as never;
  const view = progressView(line("loading"), line("features"), line("learning"));
  const epoch = {
    ...{ epoch: 3, loss: 0.5, validationLoss: 0.25 },
    ...{ validationAccuracy: 0.5, validationBalancedAccuracy: 0.75 },
  };
  const { err } = await printedBy(() => {
    view({ stage: "load", done: 1, unit: "bytes" });
    view({ stage: "features", done: 1, unit: "images" });
    view({ stage: "train", done: 1, unit: "trials" });
    for (const done of [1, 2]) view({ stage: "train", done, unit: "epochs", epoch });
  });
  assertEquals(shown, [
    ...["loading: load", "loading: features", "features: features"],
    ...["loading: train", "learning: train", "loading: train", "loading: train"],
  ]);
  const [head, ...rows] = err.trimEnd().split("\n");
  assertEquals(head!.trim().split(/ {2,}/), [
    "epoch",
    "loss",
    "val. loss",
    "val. balanced accuracy",
  ]);
  assertEquals(rows.map((row) => row.trim().split(/ {2,}/)[0]), ["3", "3"]);
});

Deno.test("--no-balance lets frequent classes count for more, --balance does not", async () => {
  const { labels, samples } = catsAndDogs(8);
  // Three of one class to eight of the other.
  const [rare] = samples, few = samples.filter(({ label }) => label === rare!.label).slice(3);
  const data = { labels, samples: samples.filter((sample) => !few.includes(sample)) };
  const fitted = async (balance: boolean | undefined): Promise<Uint8Array> => {
    const flags = { model: CIFAR10, backend: "wasm", threads: 1, head: "linear", balance } as const;
    return (await trainer(flags)(data, {})).bytes;
  };
  const plain = await fitted(undefined);
  assertEquals(await fitted(true), plain);
  assertNotEquals(await fitted(false), plain);
});
