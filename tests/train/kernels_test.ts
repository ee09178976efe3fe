import { assertEquals } from "@std/assert";
import { TrainingKernels } from "../../lib/train/kernels.ts";
import { random } from "../support/random_model.ts";

for (const threads of [1, 3]) {
  Deno.test(`multiply sums in float64 from the first value on, on ${threads} thread(s)`, async () => {
    const kernels = await TrainingKernels.start(threads), next = random(6);
    try {
      for (const [rows, inner, outputs] of [[1, 1, 2], [5, 7, 6], [39, 3, 12], [16, 40, 10]]) {
        kernels.reset();
        const x = kernels.place(Float32Array.from({ length: rows * inner }, () => next() - 0.5));
        const w = kernels.take64(inner * outputs), y = kernels.take64(rows * outputs);
        w.set(w.map(() => next() - 0.5));
        kernels.run("multiply", { x, w, y, rows, inner, outputs });
        const expected = y.map((_, at) => {
          const row = Math.floor(at / outputs) * inner, column = at % outputs;
          let sum = 0;
          for (let k = 0; k < inner; k++) sum += x[row + k] * w[k * outputs + column];
          return sum;
        });
        assertEquals(y, expected, `${rows} x ${inner} x ${outputs}`);
      }
    } finally {
      await kernels.end();
    }
  });
}
