/**
 * Makes one of the catalog's own models of its checkpoint:
 *
 *     deno run --allow-read --allow-write=weights weights/make_model.ts ID CHECKPOINT [HEAD]
 *
 * What the checkpoint does not say stands in a JSON file beside the model. HEAD is a safetensors file
 * whose tensors replace the checkpoint's of the same names.
 *
 * @module
 */

import { convert, type ConvertOptions } from "../lib/convert/convert.ts";
import { findModel } from "../lib/model/catalog.ts";
import tinyImagenet from "./tiny_imagenet_classes.json" with { type: "json" };

/** Where a model of the catalog is. */
export function modelFile(id: string): URL {
  const file = findModel(id)?.file;
  if (file === undefined) throw new RangeError(`The catalog has no model ${id} of its own`);
  return new URL(file, import.meta.url);
}

/** Converts a checkpoint to the file of a model of the catalog. */
export async function makeModel(
  id: string,
  checkpoint: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const description = modelFile(id).href.replace(/safetensors$/, "json");
  const described: ConvertOptions = JSON.parse(await Deno.readTextFile(new URL(description)));
  const classes = { labels: Object.values(tinyImagenet), ids: Object.keys(tinyImagenet) };
  const own = described.labels === undefined ? classes : {};
  return (await convert(checkpoint, { ...own, ...described, id, out: undefined })).bytes;
}

interface Header {
  [tensor: string]: { dtype: string; shape: number[]; data_offsets: [number, number] };
}

/** A checkpoint with the tensors of another one for its own of the same names. */
export function withHead(
  checkpoint: Uint8Array<ArrayBuffer>,
  head: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const files = [readTensors(head), readTensors(checkpoint)];
  const header: Header = {}, parts: Uint8Array<ArrayBuffer>[] = [];
  let end = 0;
  for (const name of Object.keys(files[1]!.header).filter((name) => name !== "__metadata__")) {
    const { header: of, data } = files.find(({ header }) => Object.hasOwn(header, name))!;
    const { dtype, shape, data_offsets } = of[name]!;
    parts.push(data.subarray(...data_offsets));
    header[name] = { dtype, shape, data_offsets: [end, end += data_offsets[1] - data_offsets[0]] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  let at = 8;
  for (const part of [json, ...parts]) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function readTensors(bytes: Uint8Array<ArrayBuffer>): {
  header: Header;
  data: Uint8Array<ArrayBuffer>;
} {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  return { header, data: bytes.subarray(8 + length) };
}

if (import.meta.main) {
  const [id, checkpoint, head] = Deno.args;
  if (id === undefined || checkpoint === undefined) throw new TypeError("Expected ID CHECKPOINT");
  const whole = await Deno.readFile(checkpoint);
  const bytes = head === undefined ? whole : withHead(whole, await Deno.readFile(head));
  await Deno.writeFile(modelFile(id), await makeModel(id, bytes));
}
