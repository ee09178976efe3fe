/**
 * Every error that a client can see, and its HTTP status. The only file that chooses one.
 *
 * @module
 */

import { ImageDecodeError, ImageTooLargeError } from "../errors.ts";

/** A kind of problem: a short name for logs and metrics, a title and a status. */
export interface ProblemKind {
  readonly status: number;
  readonly title: string;
}

/** The kinds of problem, by name. */
export const PROBLEMS = {
  "bad-request": { status: 400, title: "The request is malformed" },
  "not-found": { status: 404, title: "There is nothing here" },
  "method-not-allowed": { status: 405, title: "This method is not served here" },
  "body-too-large": { status: 413, title: "The body is too large" },
  "image-too-large": { status: 413, title: "The image has too many pixels" },
  "unsupported-type": { status: 415, title: "This media type is not read" },
  "bad-image": { status: 422, title: "The image cannot be decoded" },
  "bad-option": { status: 422, title: "An option is out of range" },
  "internal": { status: 500, title: "The server failed" },
} as const satisfies Readonly<Record<string, ProblemKind>>;

/** Name of a kind of problem. */
export type ProblemName = keyof typeof PROBLEMS;

/** An error that a handler throws on purpose. */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly problem: ProblemName;
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
}

/** Any error as a problem. What is not the client's doing is told to the log, not to the client. */
export function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof ImageTooLargeError) {
    return new HttpProblem("image-too-large", error.message, { cause: error });
  }
  if (error instanceof ImageDecodeError) {
    return new HttpProblem("bad-image", error.message, { cause: error });
  }
  return new HttpProblem("internal", "The error is in the server's log", { cause: error });
}

/**
 * A problem as a response: RFC 9457, with the `error` member that the clients of Hugging Face and of the Open
 * Inference Protocol read.
 */
export function problemResponse(problem: HttpProblem): Response {
  const { status, title } = PROBLEMS[problem.problem];
  const body = {
    type: "about:blank",
    title,
    status,
    detail: problem.message,
    code: problem.problem,
    error: problem.message,
  };
  return new Response(JSON.stringify(body) + "\n", {
    status,
    headers: { "content-type": "application/problem+json", ...problem.headers },
  });
}
