/** The next image or block that nobody has taken. */
// @ts-ignore: a decorator of AssemblyScript.
@inline
export function take(counter: usize): i32 {
  return atomic.add<i32>(counter, 1);
}

// @ts-ignore: a decorator of AssemblyScript.
@inline
export function affine(v: v128, scale: usize, shift: usize): v128 {
  return f32x4.add(f32x4.mul(v, v128.load(scale)), v128.load(shift));
}

// @ts-ignore: a decorator of AssemblyScript.
@inline
export function store2(at: usize, low: v128, high: v128): void {
  v128.store(at, low);
  v128.store(at, high, 16);
}
