/**
 * Writes VGG16 at full size with random weights as a model file: `make_model.ts OUT.safetensors`
 *
 * @module
 */

import type { ByteSink } from "../lib/io/atomic_file.ts";
import { ModelWriter } from "../lib/model/writer.ts";
import { randomVgg16 } from "./vgg16.ts";

const [out] = Deno.args;
const file = await Deno.open(out, { create: true, truncate: true, read: true, write: true });
const sink: ByteSink = {
  write(offset, bytes) {
    file.seekSync(offset, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  },
  read(offset, into) {
    file.seekSync(offset, Deno.SeekMode.Start);
    for (let at = 0; at < into.length;) at += file.readSync(into.subarray(at)) ?? into.length;
  },
};
const model = randomVgg16();
const writer = new ModelWriter(sink, model);
for (const { name, scale, bias } of model.parameters) writer.setParameters(name, scale, bias);
for await (const { layer, first, data } of model.weights()) writer.setWeights(layer, first, data);
await writer.finish(model.provenance);
file.close();
