/** Every error that a client can see, and its HTTP status. The only file that chooses one. */

import { BackendUnavailableError, ImageDecodeError, ImageTooLargeError } from "../../errors.ts";

/**
 * The kinds of problem, by name, with status and title.
 *
 * There is no 503 here, but for the health endpoints: Hugging Face's JavaScript client repeats a
 * 503 at once and without bound. Overload is a 429 with Retry-After, and requests wait while a
 * model loads.
 */
export const PROBLEMS = {
  "bad-request": [400, "The request is malformed"],
  "unauthorized": [401, "An access key is needed"],
  "url-input-off": [403, "Fetching URLs is switched off"],
  "not-found": [404, "There is nothing here"],
  "method-not-allowed": [405, "This method is not served here"],
  "body-timeout": [408, "The body took too long to arrive"],
  "body-too-large": [413, "The body is too large"],
  "image-too-large": [413, "The image has too many pixels"],
  "too-many-images": [413, "There are too many images in the request"],
  "unsupported-type": [415, "This media type is not read"],
  "bad-image": [422, "The image cannot be decoded"],
  "bad-option": [422, "An option is wrong"],
  "bad-url": [422, "The URL cannot be read"],
  "overloaded": [429, "The service is busy"],
  "headers-too-large": [431, "The headers are too large"],
  "client-gone": [499, "The client closed the connection"],
  "internal": [500, "The server failed"],
  "engine-failed": [500, "The backend failed"],
  "timeout": [504, "The request took too long"],
} as const satisfies Readonly<Record<string, readonly [status: number, title: string]>>;

/** Statuses that are no problem. */
export const STATUS = { ok: 200, noContent: 204, notModified: 304, notReady: 503 } as const;

export type ProblemName = keyof typeof PROBLEMS;

/** An error that the service gives on purpose. */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly problem: ProblemName;
  /** Headers for the response, such as Retry-After. */
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    problem: ProblemName,
    detail: string,
    options: ErrorOptions & { headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail, options);
    this.problem = problem;
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
  const because = (problem: ProblemName): HttpProblem =>
    new HttpProblem(problem, (error as Error).message, { cause: error });
  if (error instanceof HttpProblem) return error;
  if (error instanceof ImageTooLargeError) return because("image-too-large");
  if (error instanceof ImageDecodeError) return because("bad-image");
  const problem = error instanceof BackendUnavailableError ? "engine-failed" : "internal";
  return new HttpProblem(problem, "The server's log says more, under this request's x-request-id", {
    cause: error,
  });
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

/** A problem as JSON (RFC 9457), with the `error` that Hugging Face's and KServe's clients read. */
export function problemBody({ problem, status, message }: HttpProblem): Record<string, unknown> {
  return {
    type: "about:blank",
    title: PROBLEMS[problem][1],
    status,
    detail: message,
    code: problem,
    error: message,
  };
}

export function problemResponse(problem: HttpProblem): Response {
  const headers = { "content-type": "application/problem+json", ...problem.headers };
  return Response.json(problemBody(problem), { status: problem.status, headers });
}
