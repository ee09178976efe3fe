/** What a worker answers: lines on its standard output, and embeddings between them. */

import { toBase64 } from "../../encoding.ts";
import { concat } from "@std/bytes/concat";
import type { Embedding } from "../../output/embedding.ts";
import { visibleJson } from "../../report/visible.ts";
import { errorOf } from "../run.ts";
import { type Id, ProtocolError } from "./requests.ts";

/** Bytes of answers that wait to be written, above which none is taken. */
const MANY = 2 ** 16;

/** Writes answers one after the other: what comes while others are being written goes together. */
export class Answers implements AsyncDisposable {
  readonly #send: (bytes: Uint8Array) => Promise<void>;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #writing: Promise<void> | undefined;

  /** @param send Resolves once bytes are written, or never can be. */
  constructor(send: (bytes: Uint8Array) => Promise<void>) {
    this.#send = send;
  }

  /** Takes an answer. Waits only where much is unwritten. */
  async add(answer: Uint8Array): Promise<void> {
    this.#waiting.push(answer);
    this.#bytes += answer.length;
    this.#writing ??= this.#write();
    if (this.#bytes >= MANY) await this.#writing;
  }

  /** Waits until all are written. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const answers = this.#waiting;
      this.#waiting = [];
      this.#bytes = 0;
      await this.#send(answers.length === 1 ? answers[0]! : concat(answers));
    }
    this.#writing = undefined;
  }
}

const encoder = new TextEncoder();

/** A line of JSON. */
export function lineOf(value: object): Uint8Array {
  return encoder.encode(visibleJson(value) + "\n");
}

/** Why there is no result, as a line. */
export function errorLine(id: Id | null, error: unknown): Uint8Array {
  const { message } = error as Error;
  return lineOf({
    id,
    error: error instanceof ProtocolError
      ? { code: "PROTOCOL", retryable: false, message }
      : errorOf(error),
  });
}

/** An embedding: a line, and its values as float32, little-endian; or all in one line. */
export function embeddingAnswer(
  id: Id | null,
  { shape, data }: Embedding,
  isLine: boolean,
): Uint8Array {
  const bytes = littleEndian(data);
  if (!isLine) return concat([lineOf({ id, shape, bytes: bytes.length }), bytes]);
  const start = visibleJson({ id, shape }).slice(0, -1);
  return encoder.encode(`${start},"embedding":"${toBase64(bytes)}"}\n`);
}

function littleEndian(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(4 * values.length), view = new DataView(bytes.buffer);
  values.forEach((value, n) => view.setFloat32(4 * n, value, true));
  return bytes;
}
