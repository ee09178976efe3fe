/**
 * Every public error class, and the codes that they carry.
 *
 * Wrong arguments are a `TypeError` or a `RangeError`, an aborted call throws its signal's reason,
 * and a file that is not there or must not be read is the runtime's error, but for models. Whatever
 * else can go wrong is a {@linkcode VggError}, with what a program needs to react to it as properties.
 * Of the former, what is wrong with one image of many has these properties too.
 */

/** What a code means. */
export interface ErrorMeaning {
  /** What went wrong: one sentence. */
  readonly about: string;
  /**
   * Whether the same call may succeed when it is made again later, though nobody has changed
   * anything. `"depends"` where the error's own `retryable` says it.
   */
  readonly retryable: boolean | "depends";
  /** What to do: one sentence. */
  readonly advice: string;
}

/** Every code of an error. */
export const ERROR_CODES = {
  "image-damaged": {
    about: "The image file is damaged or cut short",
    retryable: false,
    advice: "Get the file again, or drop it",
  },
  "image-format": {
    about: "The bytes are no image, or one of a format or a kind that is not decoded",
    retryable: false,
    advice: "Convert it to JPEG or PNG, or drop it",
  },
  "image-pixels": {
    about: "The image has more pixels than allowed",
    retryable: false,
    advice: "Scale it down, or raise `maxPixels`",
  },
  "image-bytes": {
    about: "The image file has more bytes than allowed",
    retryable: false,
    advice: "Compress it, or raise `maxBytes`",
  },
  "image-fetch": {
    about:
      "The image could not be fetched from its URL, or is named in a way that is not read or that " +
      "`sources` excludes",
    retryable: "depends",
    advice: "Retry after a network's trouble or a status 408, 425, 429 or 5xx; otherwise drop it",
  },
  "image-not-found": {
    about: "There is no such image file",
    retryable: false,
    advice: "Correct the name, or drop it",
  },
  "model-not-found": {
    about: "There is no such model: no id of the catalog, no file, or nothing at its URL",
    retryable: false,
    advice: "Correct the name",
  },
  "model-format": {
    about: "The file is no model file of this library, or is cut short",
    retryable: false,
    advice: "Copy it again, or convert the checkpoint",
  },
  "model-integrity": {
    about: "The model's hash is not the expected one",
    retryable: false,
    advice: "Copy, download or convert it again",
  },
  "model-fetch": {
    about: "The model could not be downloaded",
    retryable: "depends",
    advice:
      "Retry after a network's trouble or a status 408, 425, 429 or 5xx: the download goes on",
  },
  "offline": {
    about: "The model or the image is on the network, which `offline` forbids",
    retryable: false,
    advice: "Pull the model first, or name a file",
  },
  "disk-full": {
    about: "The disk has no space left",
    retryable: false,
    advice: "Free some, or choose another folder",
  },
  "backend-missing": {
    about: "The backend cannot run here",
    retryable: false,
    advice: 'Install its driver, or use the backend "auto" or "wasm"',
  },
  "backend-lost": {
    about: "The backend ran, and stopped: its device was lost, or a thread failed",
    retryable: "depends",
    advice: "Retry if `retryable` says so, otherwise load the model again",
  },
  "backend-capacity": {
    about: "The model or the image is too large for the device",
    retryable: false,
    advice: 'Use a smaller one, or the backend "wasm"',
  },
  "disposed": {
    about: "The classifier, engine or service was used after it was closed",
    retryable: false,
    advice: "Load another one",
  },
  "checkpoint-format": {
    about: "The checkpoint is damaged, cut short, or does not follow its format",
    retryable: false,
    advice: "Copy or download it again",
  },
  "checkpoint-unsupported": {
    about: "The checkpoint is sound, but of a format or a network that is not converted",
    retryable: false,
    advice: "Export it as the message says",
  },
  "checkpoint-ambiguous": {
    about: "The checkpoint can be read in more than one way",
    retryable: false,
    advice: "Say which is meant, as the message says",
  },
  "budget": {
    about: "The file needs more memory or time to be read than any sound one",
    retryable: false,
    advice: "Drop it, or export it in another format",
  },
  "index-format": {
    about: "The file is no index of pictures",
    retryable: false,
    advice: "Name another file",
  },
  "index-damaged": {
    about: "The index of pictures is damaged, or cut short",
    retryable: false,
    advice: "Have it rebuilt, or copy it again",
  },
  "index-other": {
    about: "The index was made with another model, for another use or by another version",
    retryable: false,
    advice: "Name another file, or have it rebuilt",
  },
  "scores-not-finite": {
    about: "The scores are not finite numbers, so nothing can be said about the image",
    retryable: false,
    advice: "Convert the model again: its weights are not sound",
  },
} as const satisfies Readonly<Record<string, ErrorMeaning>>;

/** What went wrong, for a program. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What else an error may say. */
export interface VggErrorOptions extends ErrorOptions {
  /** Whether the same call may succeed later. Default: what {@linkcode ERROR_CODES} says. */
  readonly retryable?: boolean | undefined;
  /** What was fetched, without secrets. */
  readonly url?: string | undefined;
  /** The HTTP status, where there was an answer. */
  readonly status?: number | undefined;
  /** Milliseconds after which the server wants to be asked again. */
  readonly retryAfterMs?: number | undefined;
}

/** Marks the errors of every copy of this package in a process. */
const BRAND = Symbol.for("@edge/vgg16/error");

/**
 * What can go wrong, but for wrong arguments. Tell it with `isVggError()`, which knows those of
 * another copy of the package too.
 */
export abstract class VggError<Code extends ErrorCode = ErrorCode> extends Error {
  /** What went wrong, for a program. */
  readonly code: Code;
  /** Whether the same call may succeed when it is made again later. */
  readonly retryable: boolean;
  /** What was fetched, without secrets. */
  readonly url: string | undefined;
  /** The HTTP status, where there was an answer. */
  readonly status: number | undefined;
  /** Milliseconds after which the server wants to be asked again, where it says so. */
  readonly retryAfterMs: number | undefined;

  /** Creates the error; the message says what was expected, what was found and what to do. */
  constructor(code: Code, message: string, options: VggErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.url = options.url;
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
    const { retryable } = ERROR_CODES[code];
    const { status } = options;
    this.retryable = options.retryable ??
      (retryable === "depends" ? status === undefined || isPassing(status) : retryable);
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/**
 * Whether something is an error of this library, and of one code if one is given. It knows the errors of
 * every copy of the package in the process, which `instanceof` does not.
 *
 * @example
 * ```ts
 * import { classify, isVggError } from "@edge/vgg16";
 *
 * try {
 *   await classify(new TextEncoder().encode("no picture"));
 * } catch (error) {
 *   if (!isVggError(error, "image-format")) throw error;
 *   console.log(error.retryable); // false
 * }
 * ```
 */
export function isVggError<Code extends ErrorCode = ErrorCode>(
  value: unknown,
  code?: Code,
): value is VggError<Code> {
  if (typeof value !== "object" || value === null || !(BRAND in value)) return false;
  return code === undefined || "code" in value && value.code === code;
}

/**
 * Gives an error of a class that programs know of the runtime, such as `NotFound`, what a
 * {@linkcode VggError} has: `isVggError()` tells it, and so does `instanceof` its own class. It is not
 * retryable.
 */
export function withCode<Given extends Error>(
  error: Given,
  code: ErrorCode,
): Given {
  const unknown = { url: undefined, status: undefined, retryAfterMs: undefined };
  Object.defineProperty(error, BRAND, { value: true });
  return Object.assign(error, { ...unknown, code, retryable: false });
}

/** Whether an HTTP status says that another attempt may succeed. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

/** What an answer's `Retry-After` says, in seconds or as a date; `undefined` if it has none. */
export function retryAfterMs(response: Response | undefined): number | undefined {
  const text = response?.headers.get("retry-after")?.trim();
  if (!text) return undefined;
  const ms = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** An image that cannot be fetched, is damaged, too long, or of a format that is not read. */
export class ImageDecodeError
  extends VggError<"image-damaged" | "image-format" | "image-bytes" | "image-fetch"> {
  /** `"ImageDecodeError"`. */
  override readonly name = "ImageDecodeError";
  /** The format told from the first bytes, such as `"jpeg"`, where it could be told. */
  readonly format: string | undefined;
  /** Creates the error. Default of the code: `"image-damaged"`. */
  constructor(
    message: string,
    options: VggErrorOptions & {
      code?: "image-damaged" | "image-format" | "image-bytes" | "image-fetch" | undefined;
      format?: string | undefined;
    } = {},
  ) {
    super(options.code ?? "image-damaged", message, options);
    this.format = options.format;
  }
}

/** An image whose header claims more pixels than the limit. Thrown before they are allocated. */
export class ImageTooLargeError extends VggError<"image-pixels"> {
  /** `"ImageTooLargeError"`. */
  override readonly name = "ImageTooLargeError";
  /** Width in pixels, as the header has it. */
  readonly width: number;
  /** Height in pixels, as the header has it. */
  readonly height: number;
  /** Creates the error; the message says what was expected, what was found and what to do. */
  constructor(message: string, size: { width: number; height: number }) {
    super("image-pixels", message);
    this.width = size.width;
    this.height = size.height;
  }
}

/** The codes of a {@linkcode CheckpointFormatError}. */
export type FormatCode =
  | "checkpoint-format"
  | "checkpoint-unsupported"
  | "checkpoint-ambiguous"
  | "model-format"
  | "budget";

/** A checkpoint or model file that does not follow its format, or is of none that is read. */
export class CheckpointFormatError extends VggError<FormatCode> {
  /** `"CheckpointFormatError"`. */
  override readonly name = "CheckpointFormatError";
  /** The file, or what stands for it. */
  readonly file: string;
  /** Byte offset of what is wrong, where there is one. */
  readonly offset: number | undefined;
  /** Creates the error. Default of the code: `"checkpoint-format"`. */
  constructor(
    message: string,
    options: ErrorOptions & {
      code?: FormatCode | undefined;
      file: string;
      offset?: number | undefined;
    },
  ) {
    super(options.code ?? "checkpoint-format", message, options);
    this.file = options.file;
    this.offset = options.offset;
  }
}

/** A model that is not in the catalog, nor a file. */
export class ModelNotFoundError extends VggError<"model-not-found"> {
  /** `"ModelNotFoundError"`. */
  override readonly name = "ModelNotFoundError";
  /** Creates the error; the message says what was expected, what was found and what to do. */
  constructor(message: string, options?: ErrorOptions) {
    super("model-not-found", message, options);
  }
}

/** Weights whose hash is not the expected one. */
export class WeightsIntegrityError extends VggError<"model-integrity"> {
  /** `"WeightsIntegrityError"`. */
  override readonly name = "WeightsIntegrityError";
  /** The hash that was expected, in hex. */
  readonly expected: string;
  /** The hash that was found, in hex. */
  readonly actual: string;
  /** Creates the error; the message says what was expected, what was found and what to do. */
  constructor(message: string, hashes: { expected: string; actual: string }) {
    super("model-integrity", message);
    this.expected = hashes.expected;
    this.actual = hashes.actual;
  }
}

/** Weights that could not be downloaded. */
export class WeightsDownloadError extends VggError<"model-fetch" | "model-not-found"> {
  /** `"WeightsDownloadError"`. */
  override readonly name = "WeightsDownloadError";
  /** Where they were asked for, without secrets. */
  declare readonly url: string;
  /** Creates the error. The code is `"model-not-found"` for the status 404 or 410. */
  constructor(message: string, options: VggErrorOptions & { url: string }) {
    const isGone = options.status === 404 || options.status === 410;
    super(isGone ? "model-not-found" : "model-fetch", message, options);
  }
}

/** Something on the network, which offline mode does not touch. */
export class OfflineError extends VggError<"offline"> {
  /** `"OfflineError"`. */
  override readonly name = "OfflineError";
  /** Where it is, without secrets. */
  declare readonly url: string;
  /** Creates the error; the message says what is there, such as a model's name. */
  constructor(what: string, url: string = what) {
    super(
      "offline",
      `${what} is on the network, which offline mode does not touch. Pull it first, or use a path`,
      { url },
    );
  }
}

/** A file for which the disk has no space. */
export class DiskFullError extends VggError<"disk-full"> {
  /** `"DiskFullError"`. */
  override readonly name = "DiskFullError";
  /** Creates the error; the message says what was written and what to do. */
  constructor(message: string, options?: ErrorOptions) {
    super("disk-full", message, options);
  }
}

/** An engine, a classifier or a service that was used after it was closed. */
export class DisposedError extends VggError<"disposed"> {
  /** `"DisposedError"`. */
  override readonly name = "DisposedError";
  /** Creates the error; the message says what was disposed, such as `"engine"`. */
  constructor(what: string) {
    super("disposed", `This ${what} was disposed: load another one`);
  }
}

/** A backend that was asked for and cannot run here, stopped running, or is too small. */
export class BackendUnavailableError
  extends VggError<"backend-missing" | "backend-lost" | "backend-capacity"> {
  /** `"BackendUnavailableError"`. */
  override readonly name = "BackendUnavailableError";
  /** `"webgpu"`, `"wasm"`, or `"decoding"` for a thread that decodes images. */
  readonly backend: string;
  /** Why, in words. */
  readonly reason: string;
  /** Creates the error; the message is made of backend and reason. */
  constructor(
    code: "backend-missing" | "backend-lost" | "backend-capacity",
    backend: string,
    reason: string,
    options: VggErrorOptions = {},
  ) {
    super(code, `The ${backend} backend is not available: ${reason}`, options);
    this.backend = backend;
    this.reason = reason;
  }
}

/** An index of pictures that cannot be used. */
export class SearchIndexError extends VggError<"index-format" | "index-damaged" | "index-other"> {
  /** `"SearchIndexError"`. */
  override readonly name = "SearchIndexError";
  /** The index. */
  readonly file: string;
  /** Creates the error. Default of the code: `"index-format"`. */
  constructor(
    message: string,
    options: ErrorOptions & {
      code?: "index-format" | "index-damaged" | "index-other" | undefined;
      file: string;
    },
  ) {
    super(options.code ?? "index-format", message, options);
    this.file = options.file;
  }
}

/** Scores that are not finite numbers: nothing can be said about the image. */
export class ScoresNotFiniteError extends VggError<"scores-not-finite"> {
  /** `"ScoresNotFiniteError"`. */
  override readonly name = "ScoresNotFiniteError";
  /** Creates the error; the message says which class has which score. */
  constructor(index: number, score: number) {
    super("scores-not-finite", `The scores must be finite: found ${score} for class ${index}`);
  }
}
