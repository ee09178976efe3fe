/** Every error that a client can see, and its HTTP status. The only file that chooses one. */

import { type ErrorCode, isPassing, isVggError } from "../../errors.ts";

type Problem = readonly [status: number, title: string];

/** Of the library's errors. What has status 500 is not the client's doing. */
const PROBLEMS_OF_CODES = {
  "image-damaged": [422, "The image is damaged"],
  "image-format": [415, "The image is of no format that is taken"],
  "image-pixels": [413, "The image has too many pixels"],
  "image-bytes": [413, "The image has too many bytes"],
  "image-fetch": [422, "The URL cannot be read"],
  "image-not-found": [422, "There is no such image"],
  "model-not-found": [500, "The model was not found"],
  "model-format": [500, "The model cannot be read"],
  "model-integrity": [500, "The model is damaged"],
  "model-fetch": [500, "The model cannot be downloaded"],
  "offline": [500, "The model must not be downloaded"],
  "disk-full": [500, "The server's disk is full"],
  "backend-missing": [500, "The backend cannot run"],
  "backend-lost": [500, "The backend failed"],
  "backend-capacity": [500, "The backend has not enough memory"],
  "disposed": [500, "The model was closed"],
  "checkpoint-format": [500, "The model cannot be converted"],
  "checkpoint-unsupported": [500, "The model cannot be converted"],
  "checkpoint-ambiguous": [500, "The model cannot be converted"],
  "budget": [500, "The model cannot be converted"],
  "index-format": [500, "The index cannot be used"],
  "index-damaged": [500, "The index cannot be used"],
  "index-other": [500, "The index cannot be used"],
  "scores-not-finite": [500, "The model's scores are not finite"],
} as const satisfies Readonly<Record<ErrorCode, Problem>>;

/**
 * The kinds of problem, by name, with status and title: the service's own, and the library's.
 *
 * There is no 503 here, but for the health endpoints: Hugging Face's JavaScript client repeats a
 * 503 at once and without bound. Overload is a 429 with Retry-After, and requests wait while a
 * model loads.
 */
export const PROBLEMS = {
  "bad-request": [400, "The request is malformed"],
  "unauthorized": [401, "An access key is needed"],
  "url-input-off": [403, "Fetching URLs is switched off"],
  "wrong-host": [403, "The service is not called by this name"],
  "wrong-origin": [403, "Pages of this origin may not call"],
  "not-found": [404, "There is nothing here"],
  "method-not-allowed": [405, "This method is not served here"],
  "body-timeout": [408, "The body took too long to arrive"],
  "body-too-large": [413, "The body is too large"],
  "too-many-images": [413, "There are too many images in the request"],
  "too-many-views": [413, "There is too much to look at in the request"],
  "unsupported-type": [415, "This media type is not read"],
  "bad-option": [422, "An option is wrong"],
  "bad-url": [422, "What should be a URL is none"],
  "overloaded": [429, "The service is busy"],
  "headers-too-large": [431, "The headers are too large"],
  "client-gone": [499, "The client closed the connection"],
  "internal": [500, "The server failed"],
  "not-supported": [501, "The model cannot do this"],
  "timeout": [504, "The request took too long"],
  ...PROBLEMS_OF_CODES,
} as const satisfies Readonly<Record<string, Problem>>;

/** Statuses that are no problem. */
export const STATUS = { ok: 200, noContent: 204, notModified: 304, notReady: 503 } as const;

export type ProblemName = keyof typeof PROBLEMS;

/** An error that the service gives on purpose. */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly problem: ProblemName;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** Headers for the response, such as Retry-After. */
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    problem: ProblemName,
    detail: string,
    options: ErrorOptions & {
      headers?: Readonly<Record<string, string>>;
      retryable?: boolean;
    } = {},
  ) {
    super(detail, options);
    this.problem = problem;
    const { cause } = options;
    this.retryable = options.retryable ??
      (isVggError(cause) ? cause.retryable : isPassing(this.status) && this.status !== 501);
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return PROBLEMS[this.problem][0];
  }
}

/** A request that cannot be understood. */
export function badRequest(detail: string, cause?: unknown): HttpProblem {
  return new HttpProblem("bad-request", detail, { cause });
}

/** Any error as a problem. What is not the client's doing is told to the log, not to the client. */
export function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  // Another copy of the package may know codes that this one does not.
  const isKnown = isVggError(error) && Object.hasOwn(PROBLEMS, error.code);
  const problem = isKnown ? error.code : "internal";
  const isClients = isKnown && PROBLEMS[error.code][0] < 500;
  const detail = isClients
    ? error.message
    : "The server's log says more, under this request's x-request-id";
  return new HttpProblem(problem, detail, { cause: error });
}

/**
 * Runs a check of options, whose errors are the client's.
 *
 * @throws {HttpProblem} `bad-option` for a RangeError or a TypeError
 */
export function checkingOptions<Value>(check: () => Value): Value {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    throw new HttpProblem("bad-option", error.message, { cause: error });
  }
}

/** Characters of a problem's words: they repeat what was sent, which may be as long as a body. */
const MAX_DETAIL = 1000;

/** A problem as JSON (RFC 9457), with the `error` that Hugging Face's and KServe's clients read. */
export function problemBody(
  { problem, status, retryable, message }: HttpProblem,
): Record<string, unknown> {
  const detail = message.length <= MAX_DETAIL ? message : `${message.slice(0, MAX_DETAIL)}…`;
  return {
    type: "about:blank",
    title: PROBLEMS[problem][1],
    status,
    detail,
    code: problem,
    retryable,
    error: detail,
  };
}

export function problemResponse(problem: HttpProblem): Response {
  const headers = { "content-type": "application/problem+json", ...problem.headers };
  return Response.json(problemBody(problem), { status: problem.status, headers });
}
