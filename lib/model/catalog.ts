/** The models that are known by name: `weights/catalog.json`. */

import catalog from "../../weights/catalog.json" with { type: "json" };

/** One model. */
export interface CatalogEntry {
  /** What `loadClassifier({ model })` and `pull` take. */
  readonly id: string;
  /** What it is, in words. */
  readonly title: string;
  /** Where the checkpoint is; absent for a model that is at hand. */
  readonly url?: string | undefined;
  /** Where people get the checkpoint that no program can download; `convert` reads it then. */
  readonly page?: string | undefined;
  /** The model's file, by its path in `weights/`. */
  readonly file?: string | undefined;
  /** The package that brings this file, where it is another one: then only a checkout has it. */
  readonly package?: string | undefined;
  /** The checkpoint's format, in words. */
  readonly format: string;
  /** Bytes of the checkpoint, where they are published. A file of another size is refused. */
  readonly size?: number | undefined;
  /** Its SHA-256, in hex: 64 digits, lower case, as all hashes here. */
  readonly sha256?: string | undefined;
  /** The beginning of its SHA-256, 8 digits or more, which is what torchvision publishes. */
  readonly sha256Prefix?: string | undefined;
  /** Its MD5, which is what Keras and the paper's authors publish. */
  readonly md5?: string | undefined;
  /** What images it is for; `"mean"`: red, green, blue in 0…255 less the mean. */
  readonly preprocessing: "torch" | "caffe" | "mean" | "embedded";
  /** Which list of labels; `null` for features only. */
  readonly labels: "imagenet" | "tiny-imagenet" | "cifar10" | null;
  /** SPDX identifier of the weights' license. */
  readonly license: string;
  /** Published accuracy, 0…1. */
  readonly accuracy?: Readonly<Record<string, number>> | undefined;
  /** Facts that the publisher does not give. */
  readonly unknown?: readonly ("size" | "hash" | "accuracy")[] | undefined;
  /** Facts that are here, but not by the publisher's own word. */
  readonly unverified?: readonly ("url" | "license")[] | undefined;
}

/** All models that are known by name. */
export const CATALOG: readonly CatalogEntry[] = (catalog.models as unknown[]) as CatalogEntry[];

/** Finds a model by its id. */
export function findModel(id: string): CatalogEntry | undefined {
  return CATALOG.find((entry) => entry.id === id);
}
