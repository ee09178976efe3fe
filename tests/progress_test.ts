import { assert, assertEquals, assertRejects } from "@std/assert";
import { loadClassifier } from "../lib/classifier.ts";
import { convert } from "../lib/convert/convert.ts";
import { pullModel } from "../lib/convert/pull/pull.ts";
import { evaluate } from "../lib/evaluate/evaluate.ts";
import { type Progress, ProgressTeller } from "../lib/progress.ts";
import { fit } from "../lib/train/fit.ts";
import { fitFromScratch } from "../lib/train/fit_from_scratch.ts";
import { type FlakyServer, honest, serveFlaky } from "./support/flaky_server.ts";
import { CIFAR10, CIFAR10_FILE } from "./support/cifar10.ts";

const MODEL = CIFAR10_FILE;
const CHECKPOINT = new URL("fixtures/checkpoints/timm_e.safetensors", import.meta.url);
const model = await Deno.readFile(MODEL);
const checkpoint = await Deno.readFile(CHECKPOINT);

/** Pictures of two classes, of noise; nobody has to learn anything from them. */
const samples = Array.from({ length: 8 }, (_, n) => ({
  file: `${n}`,
  label: n % 2,
  image: {
    data: Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * 31 + n * 77) % 256),
    width: 32,
    height: 32,
  },
}));
const data = { samples, labels: ["even", "odd"] };

type Work = (onProgress: (progress: Progress) => void, signal?: AbortSignal) => Promise<unknown>;

function serve(file: Uint8Array, cutAfter?: number): FlakyServer {
  return serveFlaky((request) => ({ ...honest(file, request), cutAfter }));
}

async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Every call that tells how far it is, and the stages that it goes through. */
const CALLS: Readonly<Record<string, readonly [stages: string, work: Work]>> = {
  "a file is loaded": ["load", async (onProgress, signal) => {
    await using _ = await loadClassifier({ model: MODEL, backend: "wasm", onProgress, signal });
  }],
  "a URL is loaded, over connections that are cut": ["load", async (onProgress, signal) => {
    await using server = serve(model, 600_000);
    await using _ = await loadClassifier({
      model: server.url,
      backend: "wasm",
      onProgress,
      signal,
    });
  }],
  "pullModel()": ["pull, convert", async (onProgress, signal) => {
    await using server = serve(checkpoint, 9001);
    await withFolder(async (cacheDir) => {
      const entry = {
        id: "small",
        title: "a small VGG",
        url: `${server.url}/small`,
        format: "safetensors",
        sha256: new Uint8Array(await crypto.subtle.digest("SHA-256", checkpoint)).toHex(),
        preprocessing: "torch",
        labels: null,
        license: "MIT",
      } as const;
      await pullModel("small", { entry, cacheDir, onProgress, signal });
    });
  }],
  "convert() of a file": [
    "convert",
    (onProgress, signal) => convert(CHECKPOINT, { onProgress, signal }),
  ],
  "convert() of a URL": ["pull, convert", async (onProgress, signal) => {
    await using server = serve(checkpoint, 9001);
    await convert(`${server.url}/small`, { onProgress, signal });
  }],
  "fit()": [
    "load, features, train",
    (onProgress, signal) => fit(data, { model: CIFAR10, backend: "wasm", onProgress, signal }),
  ],
  "fit() with a hidden layer": [
    "load, features, train",
    (onProgress, signal) =>
      fit(data, { model: CIFAR10, backend: "wasm", hidden: 4, epochs: 3, onProgress, signal }),
  ],
  "fit() that stops early": [
    "load, features, train",
    (onProgress, signal) =>
      fit(data, {
        ...{ model: CIFAR10, backend: "wasm", hidden: 4, patience: 1, learningRate: 1 },
        ...{ onProgress, signal },
      }),
  ],
  "fitFromScratch()": ["features, train, evaluate", (onProgress, signal) =>
    fitFromScratch(data, {
      ...{ configuration: "A", width: 1 / 16, epochs: 2, backend: "wasm" },
      ...{ onProgress, signal },
    })],
  "evaluate()": ["evaluate", async (onProgress, signal) => {
    await using classifier = await loadClassifier({ model: CIFAR10, backend: "wasm" });
    await evaluate(classifier, samples, { onProgress, signal });
  }],
  "evaluate() of a picture that cannot be read, and of known ones": [
    "evaluate",
    async (onProgress, signal) => {
      await using classifier = await loadClassifier({ model: CIFAR10, backend: "wasm" });
      const { records: known } = await evaluate(classifier, samples.slice(0, 2));
      const all = [...samples, { file: "none", label: 0, image: new Uint8Array(1) }];
      await evaluate(classifier, all, { known, onError: () => {}, onProgress, signal });
    },
  ],
};

for (const [name, [stages, work]] of Object.entries(CALLS)) {
  Deno.test(`${name}: progress never goes back, and ends with all`, async () => {
    const told: Progress[] = [];
    await work((progress) => void told.push(progress));
    const byStage = Map.groupBy(told, ({ stage }) => stage);
    assertEquals([...byStage.keys()].join(", "), stages);
    for (const [stage, steps] of byStage) {
      const first = steps[0]!, last = steps.at(-1)!;
      assert(steps.length > 1 || stage === "convert" || stage === "features", stage);
      assertEquals(last.done, last.total, stage);
      steps.reduce((before, step) => {
        assert(step.done >= before.done, `${stage} went from ${before.done} to ${step.done}`);
        assertEquals([step.unit, step.file], [first.unit, first.file]);
        return step;
      });
    }
  });

  Deno.test(`${name}: what the callback throws ends it`, async () => {
    // Of each kind of error that something on the way could take for its own.
    for (const error of [new TypeError("mine"), new RangeError("mine"), new Error("mine")]) {
      for (const stage of stages.split(", ")) {
        let calls = 0;
        const thrown = await assertRejects(() =>
          work((progress) => {
            if (progress.stage !== stage) return;
            calls++;
            throw error;
          })
        );
        assertEquals([thrown, calls], [error, 1]);
      }
    }
  });

  Deno.test(`${name}: an abort at each stage ends it with its reason`, async () => {
    for (const stage of stages.split(", ")) {
      const abort = new AbortController();
      const reason = new Error("mine");
      let after = 0;
      const thrown = await assertRejects(() =>
        work((progress) => {
          if (abort.signal.aborted) after++;
          if (progress.stage === stage) abort.abort(reason);
        }, abort.signal)
      );
      assertEquals(thrown, reason);
      assert(after <= 1, `${after} more steps were made`);
    }
  });
}

Deno.test("a stage that is begun again tells nothing until it is further than before", () => {
  const told: [number, number | undefined][] = [];
  const onProgress = ({ done, total }: Progress) => void told.push([done, total]);
  const teller = new ProgressTeller({ onProgress }, { stage: "pull", unit: "bytes" });
  for (const done of [0, 10, 0, 5, 10, 12]) teller.reach(done);
  teller.end();
  teller.end();
  assertEquals(told, [[0, undefined], [10, undefined], [12, undefined], [12, 12]]);
});
