/** The model in use, and how long it takes for a picture. */

import { isPackaged } from "../../io/open_source.ts";
import type { PackagedFile } from "../../io/wrapped_file.ts";
import { fromFileUrl } from "@std/path";
import { type Classifier, loadClassifier } from "../../classifier.ts";
import type { RawPixels } from "../../image/image.ts";
import { findModel } from "../../model/catalog.ts";
import type { Model } from "../../model/model.ts";
import { modelFile, resolveModel } from "../../open_model.ts";
import type { Values } from "../../options.ts";
import { isGranted, NotCapable } from "../../platform.ts";
import { publicText, publicUrl } from "../../public_url.ts";
import { asUrl, isWebUrl } from "../../urls.ts";
import { pulling } from "../known_models.ts";
import type { CLASSIFIER_FLAGS } from "../run.ts";

/** A model, or why it cannot be used. */
export interface ModelInUse {
  readonly id: string | null;
  /** Of the file's header, which has the hashes of all else. */
  readonly sha256: string | null;
  /** Its path, or its URL without secrets. */
  readonly file: string | null;
  /** Whether it comes with the program. */
  readonly isEmbedded: boolean;
  readonly problem: string | null;
}

/** What became of a small picture. */
export interface TimedPicture {
  /** The fastest run. */
  readonly ms: number | null;
  readonly width: number;
  readonly height: number;
  readonly backend: string | null;
  /** An adapter's name, or the variant of the kernels. */
  readonly device: string | null;
  readonly precision: string | null;
  /** Threads that compute once they have started, at most. */
  readonly threads: number | null;
  readonly problem: string | null;
}

/** On a command line a model is a text. */
type Options = Omit<Values<typeof CLASSIFIER_FLAGS>, "model"> & { readonly model?: string };

/** Opens the model, where that needs no download. */
export async function openModelInUse(
  { model, offline }: Options,
  cacheDir: string | null,
  signal: AbortSignal,
): Promise<[ModelInUse, Model | undefined]> {
  const none = { id: model ?? null, sha256: null, file: null, isEmbedded: model === undefined };
  try {
    const place = await permittedFile(model, cacheDir);
    const isRemote = !isPackaged(place) && isWebUrl(String(place));
    const opened = await resolveModel(place, { offline: offline || !isRemote, signal });
    const { id, sha256 = null } = opened;
    return [{ ...none, id, sha256, file: shownFile(place), problem: null }, opened];
  } catch (error) {
    signal.throwIfAborted();
    return [{ ...none, problem: textOf(error) }, undefined];
  }
}

/** @throws {NotCapable} If it may not be looked for, or not be read: nobody is asked. */
async function permittedFile(
  model: string | undefined,
  cacheDir: string | null,
): Promise<string | URL | PackagedFile> {
  const entry = model === undefined ? undefined : findModel(model);
  if (entry?.url !== undefined) {
    if (cacheDir === null) throw new NotCapable("cannot be looked for: its folder is not known");
    expectToRead(cacheDir);
  }
  if (model !== undefined && entry === undefined) expectToRead(model);
  const place = await modelFile(model, cacheDir ?? undefined);
  if (place === undefined) throw new Error(`is not here: ${pulling(model!)}`);
  if (!isPackaged(place)) expectToRead(place);
  return place;
}

/** @throws {NotCapable} If a file may not be read. A URL of the web is no file. */
function expectToRead(place: string | URL): void {
  const url = asUrl(place);
  if (url !== undefined && url.protocol !== "file:") return;
  const path = url === undefined ? String(place) : fromFileUrl(url);
  if (isGranted({ name: "read", path })) return;
  throw new NotCapable(`may not be read: no --allow-read=${path}`);
}

/** Where a file is; nowhere if it comes with code alone. */
function shownFile(place: string | URL | PackagedFile): string | null {
  if (isPackaged(place)) return place.url === undefined ? null : shownFile(place.url);
  const url = asUrl(place);
  if (url === undefined) return String(place);
  return url.protocol === "file:" ? fromFileUrl(url) : publicUrl(url);
}

const SIDE = 256;
/** The first also compiles. */
const RUNS = 4;

/** Classifies a small picture several times. */
export async function timePicture(
  model: Model,
  { backend, precision, threads }: Options,
  cacheDir: string | null,
  signal: AbortSignal,
): Promise<TimedPicture> {
  const size = { width: SIDE, height: SIDE };
  try {
    const options = { model, backend, precision, threads, cacheDir: cacheDir ?? undefined, signal };
    await using classifier = await loadClassifier(options);
    const { info } = classifier;
    let ms = Infinity;
    for (let run = 0; run < RUNS; run++) {
      const start = performance.now();
      await lookAt(classifier, signal);
      ms = Math.min(ms, performance.now() - start);
    }
    const { device } = info;
    return {
      ...{ ms, ...size, backend: info.backend, device, precision: info.precision },
      ...{ threads: info.threads, problem: null },
    };
  } catch (error) {
    signal.throwIfAborted();
    const none = { backend: null, device: null, precision: null, threads: null };
    return { ms: null, ...size, ...none, problem: textOf(error) };
  }
}

/** A model without classes has only features. */
async function lookAt(classifier: Classifier, signal: AbortSignal): Promise<void> {
  if (classifier.info.classes.length > 0) await classifier.classify(gradient(), { signal });
  else await classifier.embed(gradient(), { signal });
}

/** A picture that is nowhere the same. */
function gradient(): RawPixels {
  const data = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => i * 7 + (i >> 8) * 13);
  return { data, width: SIDE, height: SIDE };
}

function textOf(error: unknown): string {
  return publicText(error instanceof Error ? error.message : String(error));
}
