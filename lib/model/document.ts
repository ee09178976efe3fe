/** The JSON document in the header of a model file: everything about a model but its numbers. */

import { CheckpointFormatError } from "../errors.ts";
import { publicText } from "../public_url.ts";
import { type Architecture, classCount, CONFIGURATIONS, layersOf } from "./architecture.ts";
import { TEMPERATURES } from "../options.ts";
import { isRecord, jsonText } from "./json.ts";
import type { Model, Provenance } from "./model.ts";
import { checkReadout, type ReadoutDescription, readoutTensors } from "./readout.ts";

/** Of a plain VGG, and of those that a reader of the ones before would misread: raised where one would. */
const VERSIONS = { plain: 1, more: 2, readout: 3 } as const;

/** The version that the document of a model has. */
export function versionOf(model: Omit<ModelDocument, "version" | "integrity">): number {
  const { architecture: { pooling = "flatten", head = "softmax" }, temperature = 1 } = model;
  if (model.readout !== undefined) return VERSIONS.readout;
  const isPlain = pooling === "flatten" && head === "softmax" && temperature === 1 &&
    model.sureScore === undefined;
  return isPlain ? VERSIONS.plain : VERSIONS.more;
}

/** Everything about a model but the numbers of its layers. */
export type ModelDescription = Omit<Model, "parameters" | "weightBytes" | "weights">;

/** What a model file says about itself. */
export interface ModelDocument extends Omit<ModelDescription, "readout"> {
  readonly version: number;
  readonly readout?: ReadoutDescription | undefined;
  readonly integrity: {
    /** The data section is hashed in chunks of this many bytes. */
    readonly chunkBytes: number;
    /** SHA-256 of each chunk, in hex. */
    readonly sha256: readonly string[];
  };
}

/**
 * A provenance without what may be secret in the URL of its source. Whoever writes a file asks for it, and
 * whoever reads one, as others may have written it.
 */
export function publicProvenance(provenance: Provenance): Provenance {
  const { source } = provenance;
  return typeof source === "string" ? { ...provenance, source: publicText(source) } : provenance;
}

/** The number of a model's classes, 0 without a head. */
function countClasses({ architecture, readout, labels }: ModelDocument): number {
  return readout === undefined ? classCount(architecture) : labels.length;
}

/**
 * The tensors of a model file in the order in which they lie: scales and biases, those of a readout, then
 * weights.
 */
export function modelTensors(
  { architecture, readout, labels }: Pick<ModelDocument, "architecture" | "readout" | "labels">,
): { name: string; dtype: "F32" | "I8"; shape: number[] }[] {
  const layers = layersOf(architecture);
  const head = readout && readoutTensors(readout, architecture, labels.length);
  return [
    ...layers.flatMap(({ name, outChannels }) => [
      { name: `${name}.scale`, dtype: "F32" as const, shape: [outChannels] },
      { name: `${name}.bias`, dtype: "F32" as const, shape: [outChannels] },
    ]),
    ...head?.map((tensor) => ({ ...tensor, dtype: "F32" as const })) ?? [],
    ...layers.map(({ name, filterSize, inChannels, outChannels }) => ({
      name: `${name}.weight`,
      dtype: "I8" as const,
      shape: [outChannels, ...filterSize, inChannels],
    })),
  ];
}

/**
 * Parses and checks a document.
 *
 * @throws {CheckpointFormatError} Naming the first field that is not as it must be.
 */
export function parseModelDocument(json: string, file: string): ModelDocument {
  const fail = (message: string): never => {
    throw new CheckpointFormatError(`The model document of ${file} is not valid: ${message}`, {
      file,
      offset: 8,
    });
  };
  let document: Partial<ModelDocument>;
  try {
    document = JSON.parse(json);
  } catch (cause) {
    return fail(`not JSON (${(cause as Error).message})`);
  }
  if (typeof document !== "object" || document === null) return fail("not an object");
  if (!Object.values<unknown>(VERSIONS).includes(document.version)) {
    return fail(
      `expected a version from ${VERSIONS.plain} to ${VERSIONS.readout}, found ${
        jsonText(document.version)
      }. Convert the checkpoint again, or take a newer package`,
    );
  }
  const problem = checkDocument(document as Record<keyof ModelDocument, unknown>);
  return problem === undefined ? document as ModelDocument : fail(problem);
}

/** Returns what is wrong, in words; `undefined` if nothing is. */
function checkDocument(document: Record<keyof ModelDocument, unknown>): string | undefined {
  const { id, labels, ids, readout, provenance, integrity } = document;
  if (typeof id !== "string" || id === "") return "id must be a string";
  const architecture = checkArchitecture(document.architecture);
  if (architecture !== undefined) return architecture;
  const known = document.architecture as Architecture;
  const preprocessing = checkPreprocessing(document.preprocessing, known.input);
  if (preprocessing !== undefined) return preprocessing;
  if (!isArrayOf(labels, "string")) return "labels must be strings";
  const head = readout === undefined ? undefined : checkHead(readout, known, labels);
  if (head !== undefined) return head;
  const count = countClasses(document as unknown as ModelDocument); // What it asks for was checked.
  if (labels.length !== count) return `labels must be ${count} strings`;
  if (ids !== undefined && !(isArrayOf(ids, "string") && ids.length === labels.length)) {
    return `ids must be ${labels.length} strings, or be left out`;
  }
  if (ids !== undefined && new Set(ids).size < ids.length) return "ids must differ";
  const scoring = checkScoring(document);
  if (scoring !== undefined) return scoring;
  const least = versionOf(document as unknown as ModelDocument); // What it asks for was checked.
  if (document.version as number < least) {
    return `version must be ${least} for what it says of pooling, head, readout, temperature and sureScore: found ${document.version}`;
  }
  if (!isRecord(provenance)) return "provenance must be an object";
  const { chunkBytes, sha256 } = isRecord(integrity) ? integrity : {};
  const areHashes = isArrayOf(sha256, "string") && sha256.every((s) => /^[0-9a-f]{64}$/.test(s));
  if (areHashes && isPositive(chunkBytes, 1 << 26)) return undefined;
  return "integrity must have chunkBytes and the sha256 of each chunk";
}

function checkHead(
  readout: unknown,
  architecture: Architecture,
  labels: string[],
): string | undefined {
  if (labels.length === 0) return "labels of a readout must be at least one";
  if (architecture.head !== undefined) return "architecture.head must be left out beside a readout";
  return checkReadout(readout, architecture, labels.length);
}

function checkArchitecture(value: unknown): string | undefined {
  const { configuration, input, convolutions, dense, pooling, head } = isRecord(value) ? value : {};
  if (typeof configuration !== "string" || !Object.hasOwn(CONFIGURATIONS, configuration)) {
    return `architecture.configuration must be one of ${Object.keys(CONFIGURATIONS).join(", ")}`;
  }
  const { height, width, channels } = isRecord(input) ? input : {};
  if (!isPositive(height, 8192) || !isPositive(width, 8192) || (channels !== 1 && channels !== 3)) {
    return "architecture.input must be height, width and 1 or 3 channels";
  }
  if (!areSizes(convolutions) || !areSizes(dense)) {
    return "architecture.convolutions and .dense must be lists of sizes";
  }
  if (pooling !== undefined && pooling !== "flatten" && pooling !== "average") {
    return 'architecture.pooling must be "flatten" or "average", or be left out';
  }
  if (head !== undefined && head !== "softmax" && head !== "sigmoid") {
    return 'architecture.head must be "softmax" or "sigmoid", or be left out';
  }
  try {
    layersOf(value as Architecture);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Checks what a document says of scores.
 *
 * @returns What is wrong, in words; `undefined` if nothing is.
 */
export function checkScoring(
  { temperature, sureScore }: { readonly temperature?: unknown; readonly sureScore?: unknown },
): string | undefined {
  const isFinite = (value: unknown): value is number => Number.isFinite(value);
  const { min, max } = TEMPERATURES;
  if (
    temperature !== undefined &&
    !(isFinite(temperature) && min <= temperature && temperature <= max)
  ) {
    return `temperature must be a number from ${min} to ${max}, or be left out: found ${
      jsonText(temperature)
    }`;
  }
  if (sureScore !== undefined && !(isFinite(sureScore) && sureScore >= 0 && sureScore <= 1)) {
    return `sureScore must be a number from 0 to 1, or be left out: found ${jsonText(sureScore)}`;
  }
  return undefined;
}

/**
 * Checks a preprocessing for an input size.
 *
 * @returns What is wrong, in words; `undefined` if nothing is.
 */
export function checkPreprocessing(
  value: unknown,
  input: Architecture["input"],
): string | undefined {
  const { resize, size, filter, scale, mean, std, grayscale, standardize, whitening } =
    isRecord(value) ? value : {};
  if (resize !== "shorter-side" && resize !== "direct") {
    return 'preprocessing.resize must be "shorter-side" or "direct"';
  }
  if (!isPositive(size, 16384)) return "preprocessing.size must be a number of pixels";
  if (resize === "shorter-side" && size < Math.max(input.height, input.width)) {
    return `preprocessing.size must be at least the input size, ${input.height}x${input.width}: found ${size}`;
  }
  if (filter !== "bilinear" && filter !== "bicubic") {
    return 'preprocessing.filter must be "bilinear" or "bicubic"';
  }
  if (grayscale !== undefined && typeof grayscale !== "boolean") {
    return "preprocessing.grayscale must be true or false";
  }
  if (standardize !== undefined && standardize !== "image") {
    return 'preprocessing.standardize must be "image", or be left out';
  }
  if (whitening !== undefined && !isWhitening(whitening, input.channels)) {
    return "preprocessing.whitening must be zca, with an odd patch of at most 15 pixels, and the mean " +
      `and the filter of ${input.channels} channel(s), or be left out`;
  }
  if (typeof scale !== "number" || !(scale > 0)) return "preprocessing.scale must be above 0";
  if (!isArrayOf(mean, "number") || mean.length !== input.channels) {
    return `preprocessing.mean must be ${input.channels} numbers`;
  }
  if (!isArrayOf(std, "number") || std.length !== input.channels || !std.every((s) => s > 0)) {
    return `preprocessing.std must be ${input.channels} numbers above 0`;
  }
  return undefined;
}

function isWhitening(value: unknown, channels: number): boolean {
  const { kind, patch, mean, filter, variance } = isRecord(value) ? value : {};
  if (kind !== "zca" || !isPositive(patch, 15) || patch % 2 === 0) return false;
  const size = patch * patch * channels;
  return isArrayOf(mean, "number") && mean.length === channels &&
    isArrayOf(filter, "number") && filter.length === channels * size &&
    isArrayOf(variance, "number") && variance.length === size;
}

function isPositive(value: unknown, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= most;
}

function areSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => isPositive(size, 1 << 20));
}

function isArrayOf(value: unknown, type: "string"): value is string[];
function isArrayOf(value: unknown, type: "number"): value is number[];
function isArrayOf(value: unknown, type: string): boolean {
  return Array.isArray(value) &&
    value.every((item) => type === "number" ? Number.isFinite(item) : typeof item === type);
}
