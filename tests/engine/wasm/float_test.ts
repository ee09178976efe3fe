import { assert, assertEquals } from "@std/assert";
import type { Activations } from "../../../lib/engine/engine.ts";
import { compileProgram } from "../../../lib/engine/program.ts";
import { createWasmEngine, type WasmEngineOptions } from "../../../lib/engine/wasm/engine.ts";
import { type EngineCase, engineCases, layerNames } from "../../support/engine_cases.ts";
import { floatEngine } from "../../support/float_engine.ts";

/**
 * Relative to the layer's largest value. float32 has 6e-8; the errors of up to 19 layers of some
 * hundred sums each add up like a random walk.
 */
const DIRECT = 5e-6;
/** Winograd's transforms add up to 324 times what remains in the end, and so lose some bits more. */
const WINOGRAD = 2e-5;

const OPTIONS: Record<string, [options: WasmEngineOptions, tolerance: number]> = {
  "direct": [{ algorithm: "direct" }, DIRECT],
  "direct, plain SIMD, two threads": [
    { algorithm: "direct", variant: "plain", threads: 2, prepareFrom: 0 },
    DIRECT,
  ],
  "Winograd": [{ algorithm: "winograd" }, WINOGRAD],
  "Winograd, plain SIMD, two threads": [
    { algorithm: "winograd", variant: "plain", threads: 2, prepareFrom: 0 },
    WINOGRAD,
  ],
};

/** What is expected on every layer of a case: it is slow, and all engines are held to it. */
const expectations = new Map<EngineCase, readonly Activations[]>();

async function expected(testCase: EngineCase): Promise<readonly Activations[]> {
  const { model, weights, batch } = testCase;
  const known = expectations.get(testCase) ??
    await floatEngine(model, weights).runLayers(batch, layerNames(compileProgram(model)));
  expectations.set(testCase, known);
  return known;
}

for (const [how, [options, tolerance]] of Object.entries(OPTIONS)) {
  for (const testCase of engineCases()) {
    const { name, model, batch } = testCase;
    Deno.test(`WebAssembly in float, ${how}, is within ${tolerance} of float64: ${name}`, async () => {
      await using engine = await createWasmEngine(model, { ...options, precision: "float" });
      for (const want of await expected(testCase)) {
        const { layer } = want, actual = await engine.run(batch, { layer });
        assertEquals({ ...actual, data: 0 }, { ...want, data: 0 });
        assertEquals(actual.data.length, want.data.length);
        const values = Float64Array.from(want.data);
        const largest = values.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
        const error = values.reduce((max, v, i) => Math.max(max, Math.abs(v - actual.data[i])), 0);
        assert(error <= tolerance * largest, `${layer}: ${error} of ${largest}`);
      }
    });
  }
}
