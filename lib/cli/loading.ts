/** Opening models for a command, which says what takes long: a download, converting, trying kernels. */

import { type Classifier, type ClassifierOptions, loadClassifier } from "../classifier.ts";
import { defaultCacheDir, permittedCacheDir } from "../io/cache.ts";
import type { Model } from "../model/model.ts";
import { type ModelSource, resolveModel, type ResolveOptions } from "../open_model.ts";
import type { Progress, ProgressStage } from "../progress.ts";
import { publicText } from "../public_url.ts";
import { asUrl } from "../urls.ts";
import { megabytes, ProgressLine, type ProgressLineOptions, STANDARD_ERROR } from "./progress.ts";
import { tellMore, tellWarning } from "./terminal.ts";

/** Loads a classifier, and says what takes long. */
export async function openClassifier(options: ClassifierOptions): Promise<Classifier> {
  using loading = new Loading(options.model, options);
  const start = performance.now();
  const classifier = await loadClassifier({ ...options, ...loading.callbacks });
  const { model, backend, precision, device, threads } = classifier.info;
  tellMore(
    `${model}: ${backend} ${precision}, ${device}, ${threads} thread${
      threads > 1 ? "s" : ""
    }, loaded in ` +
      `${(performance.now() - start).toFixed(0)} ms`,
  );
  return classifier;
}

/** Opens a model, which `openClassifier` takes, and says what takes long. */
export async function openModel(
  model: ModelSource | undefined,
  options: ResolveOptions,
): Promise<Model> {
  using loading = new Loading(model, options);
  return await resolveModel(model, { ...options, ...loading.callbacks });
}

/** Bytes, or weights, from which on a stage has a line of its own, also where no bar is drawn. */
const MUCH = 10e6;
/** What loads faster shows nothing. */
const SOON_MS = 500;

/** Says how far the loading of a model is: a line where a stage begins that takes long, and a bar. */
export class Loading implements Disposable {
  readonly #name: string;
  readonly #cacheDir: string | undefined;
  readonly #options: ProgressLineOptions;
  readonly #said = new Set<string>();
  #stage: ProgressStage | undefined;
  #line: ProgressLine | undefined;

  /** What a call that loads takes. */
  readonly callbacks = {
    onProgress: (progress: Progress): void => this.show(progress),
    onWarning: tellWarning,
  };

  /** @param model What is loaded, as it was asked for. */
  constructor(
    model: ModelSource | undefined,
    { cacheDir }: ResolveOptions = {},
    options: ProgressLineOptions = {},
  ) {
    this.#name = typeof model === "string" ? publicText(model) : "the model";
    this.#cacheDir = cacheDir;
    this.#options = options;
  }

  /** Shows what a call of the library tells. Of other stages nothing: they are no loading. */
  show(progress: Progress): void {
    const { stage } = progress, label = LABELS[stage];
    if (label === undefined) return;
    if (stage !== this.#stage) {
      this.#line?.[Symbol.dispose]();
      const delayMs = stage === "load" ? SOON_MS : 0;
      this.#line = new ProgressLine(label(this.#name), { ...this.#options, delayMs });
      this.#stage = stage;
    }
    const line = this.#announcement(progress), key = `${stage} ${progress.file}`;
    if (line !== undefined && !this.#said.has(key)) {
      this.#said.add(key);
      (this.#options.screen ?? STANDARD_ERROR).tell(line);
    }
    this.#line?.show(progress);
  }

  #announcement({ stage, total, file = "" }: Progress): string | undefined {
    if (stage === "tune") {
      const folder = this.#cacheDir ?? permittedCacheDir();
      return `Trying kernels on this GPU, once${folder === undefined ? "" : `: kept in ${folder}`}`;
    }
    if (total !== undefined && total < MUCH) return undefined;
    if (stage === "convert") return `Converting ${this.#name}`;
    const host = asUrl(file)?.host;
    if (!host) return undefined;
    const size = total === undefined ? "" : `, ${megabytes(total)}`;
    const place = stage === "pull" ? `kept in ${this.#cacheDir ?? defaultCacheDir()}` : "not kept";
    return `Fetching ${this.#name} from ${host}${size}, ${place}`;
  }

  /** Removes the bar. */
  [Symbol.dispose](): void {
    this.#line?.[Symbol.dispose]();
  }
}

/** What is written before a bar. */
const LABELS: Partial<Record<ProgressStage, (name: string) => string>> = {
  pull: (name) => `Fetching ${name}`,
  convert: (name) => `Converting ${name}`,
  load: (name) => `Loading ${name}`,
  tune: () => "Trying kernels",
};
