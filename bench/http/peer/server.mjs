// The peer: Express, sharp and onnxruntime-node on the same model. server.mjs MODEL.onnx PORT

import process from "node:process";
import express from "express";
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";

const [model, port] = process.argv.slice(2);
const LABELS = "airplane automobile bird cat deer dog frog horse ship truck".split(" ");
const MEAN = [0.4914, 0.4822, 0.4465], STD = [0.247, 0.2435, 0.2616], SIDE = 32;
// One thread a run: the runs of several requests use the cores.
const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });

const app = express();
app.use(express.raw({ type: () => true, limit: "10mb" }));
app.post("/classify", async (request, response) => {
  const pixels = await sharp(request.body)
    .resize(SIDE, SIDE, { fit: "cover", kernel: "linear" })
    .removeAlpha().toColourspace("srgb").raw().toBuffer();
  const x = new Float32Array(3 * SIDE * SIDE);
  for (let p = 0; p < SIDE * SIDE; p++) {
    for (let c = 0; c < 3; c++) {
      x[c * SIDE * SIDE + p] = (pixels[p * 3 + c] / 255 - MEAN[c]) / STD[c];
    }
  }
  const { logits } = await session.run({ pixels: new Tensor("float32", x, [1, 3, SIDE, SIDE]) });
  const exp = Array.from(logits.data, (v) => Math.exp(v - Math.max(...logits.data)));
  const sum = exp.reduce((a, b) => a + b);
  response.json(
    exp.map((e, index) => ({ label: LABELS[index], score: e / sum, index }))
      .sort((a, b) => b.score - a.score).slice(0, 5),
  );
});
app.listen(Number(port), "127.0.0.1", () => console.log("ready"));
