/**
 * What this machine can do at best: a loop of nothing but dot products, in WebAssembly, on one
 * thread. `deno task bench:peak`
 *
 * @module
 */

import { compileAssemblyScript } from "../tools/build_kernels.ts";

const WORDS = 256;
/** One accumulating operation on `w`, `x` and `sum`, and how many products it holds. */
const OPERATIONS: Record<string, [expression: string, products: number]> = {
  "int8 x 7 bits, i32x4.relaxed_dot_i8x16_i7x16_add_s": [
    "i32x4.relaxed_dot_i8x16_i7x16_add_s(w, x, sum)",
    16,
  ],
  "int16 x int16, i32x4.dot_i16x8_s and i32x4.add": [
    "i32x4.add(sum, i32x4.dot_i16x8_s(w, sum))", // `x` would make it a constant of the loop
    8,
  ],
  "float32, f32x4.relaxed_madd": ["f32x4.relaxed_madd(w, x, sum)", 4],
};
const CHAINS = Array.from({ length: 10 }, (_, i) => i);

function source(operation: string): string {
  const step = (i: number): string => operation.replaceAll("sum", `s${i}`);
  return `export function run(count: i32, at: usize): void {
    let w = v128.load(at), x = v128.load(at, 16);
    ${CHAINS.map((i) => `let s${i} = i32x4.splat(${i});`).join(" ")}
    for (; count > 0; count--) { ${CHAINS.map((i) => `s${i} = ${step(i)};`).join(" ")} }
    ${CHAINS.map((i) => `v128.store(at, s${i}, ${32 + i * 16});`).join(" ")}
  }`;
}

async function compile(text: string): Promise<(count: number, at: number) => void> {
  const read = (name: string): string | null => name === "main.ts" ? text : null;
  const flags = "--enable simd,relaxed-simd --initialMemory 1";
  const binary = await compileAssemblyScript("main.ts", read, flags);
  const { instance } = await WebAssembly.instantiate(binary);
  return instance.exports.run as (count: number, at: number) => void;
}

for (const [name, [operation, products]] of Object.entries(OPERATIONS)) {
  const run = await compile(source(operation));
  let least = Infinity;
  for (let i = 0; i < 400; i++) {
    const start = performance.now();
    for (let j = 0; j < 40; j++) run(WORDS * 10, 1024);
    least = Math.min(least, performance.now() - start);
  }
  const operations = 2 * products * CHAINS.length * WORDS * 10 * 40;
  console.log(`${name}: ${(operations / least / 1e6).toFixed(0)} GOP/s`);
}
