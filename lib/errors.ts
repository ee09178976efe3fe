/**
 * Every public error class.
 *
 * Wrong arguments are a `TypeError` or a `RangeError`; whatever else can go wrong is one of these,
 * with what a program needs to react to it as properties.
 */

/** An image file that is not one, is damaged, or is of a format that is not read. */
export class ImageDecodeError extends Error {
  /** `"ImageDecodeError"`. */
  override readonly name = "ImageDecodeError";
  /** The format told from the first bytes, such as `"jpeg"`, where it could be told. */
  readonly format: string | undefined;
  /** Creates the error; the message says what was expected, what was found and what to do. */
  constructor(message: string, options: ErrorOptions & { format?: string } = {}) {
    super(message, options);
    this.format = options.format;
  }
}

/** An image whose header claims more pixels than the limit. Thrown before they are allocated. */
export class ImageTooLargeError extends Error {
  /** `"ImageTooLargeError"`. */
  override readonly name = "ImageTooLargeError";
  /** Width in pixels, as the header has it. */
  readonly width: number;
  /** Height in pixels, as the header has it. */
  readonly height: number;
  /** Creates the error; the message says what was expected, what was found and what to do. */
  constructor(message: string, size: { width: number; height: number }) {
    super(message);
    this.width = size.width;
    this.height = size.height;
  }
}

/** A checkpoint or model file that does not follow its format. */
export class CheckpointFormatError extends Error {
  /** `"CheckpointFormatError"`. */
  override readonly name = "CheckpointFormatError";
  /** The file, or what stands for it. */
  readonly file: string;
  /** Byte offset of what is wrong, where there is one. */
  readonly offset: number | undefined;
  /** Creates the error; the message says what was expected, what was found and what to do. */
  constructor(message: string, options: ErrorOptions & { file: string; offset?: number }) {
    super(message, options);
    this.file = options.file;
    this.offset = options.offset;
  }
}

/** Weights whose hash is not the expected one. */
export class WeightsIntegrityError extends Error {
  /** `"WeightsIntegrityError"`. */
  override readonly name = "WeightsIntegrityError";
  /** The hash that was expected, in hex. */
  readonly expected: string;
  /** The hash that was found, in hex. */
  readonly actual: string;
  /** Creates the error; the message says what was expected, what was found and what to do. */
  constructor(message: string, hashes: { expected: string; actual: string }) {
    super(message);
    this.expected = hashes.expected;
    this.actual = hashes.actual;
  }
}

/** Weights that could not be downloaded. */
export class WeightsDownloadError extends Error {
  /** `"WeightsDownloadError"`. */
  override readonly name = "WeightsDownloadError";
  /** Where they were asked for. */
  readonly url: string;
  /** The HTTP status, where there was an answer. */
  readonly status: number | undefined;
  /** Creates the error; the message says what was expected, what was found and what to do. */
  constructor(message: string, options: ErrorOptions & { url: string; status?: number }) {
    super(message, options);
    this.url = options.url;
    this.status = options.status;
  }
}

/** An engine or a classifier that was used after it was disposed. */
export class DisposedError extends Error {
  /** `"DisposedError"`. */
  override readonly name = "DisposedError";
  /** Creates the error; the message says what was disposed, such as `"engine"`. */
  constructor(what: string) {
    super(`This ${what} was disposed: load another one`);
  }
}

/** A backend that was asked for and cannot run here, or stopped running. */
export class BackendUnavailableError extends Error {
  /** `"BackendUnavailableError"`. */
  override readonly name = "BackendUnavailableError";
  /** `"webgpu"` or `"wasm"`. */
  readonly backend: string;
  /** Why, in words. */
  readonly reason: string;
  /** Whether its device was lost: it ran before. */
  readonly lost: boolean;
  /** Whether the same call may succeed when it is made again. */
  readonly retryable: boolean;
  /** Creates the error; the message is made of backend and reason. */
  constructor(
    backend: string,
    reason: string,
    options: ErrorOptions & { lost?: boolean; retryable?: boolean } = {},
  ) {
    super(`The ${backend} backend is not available: ${reason}`, options);
    this.backend = backend;
    this.reason = reason;
    this.lost = options.lost ?? false;
    this.retryable = options.retryable ?? false;
  }
}

/** Scores that are not finite numbers: nothing can be said about the image. */
export class ScoresNotFiniteError extends Error {
  /** `"ScoresNotFiniteError"`. */
  override readonly name = "ScoresNotFiniteError";
  /** Creates the error; the message says which class has which score. */
  constructor(index: number, score: number) {
    super(`The scores must be finite: found ${score} for class ${index}`);
  }
}
