/**
 * Takes away from a thread everything that reaches out of it: all of the global object but the
 * language and what computes, and what makes code of text. Nothing that is loaded afterwards can get
 * them back by a name, nor by way of any object.
 *
 * Called in the thread by its text, so it uses nothing but globals.
 */
export function confine(): void {
  const kept = new Set(
    `globalThis undefined NaN Infinity isFinite isNaN parseFloat parseInt
    decodeURI decodeURIComponent encodeURI encodeURIComponent
    Object Boolean Symbol Number BigInt String RegExp Date Math JSON Intl Temporal
    Error AggregateError EvalError RangeError ReferenceError SuppressedError SyntaxError TypeError
    URIError Array Map Set WeakMap WeakSet WeakRef FinalizationRegistry Iterator Promise Proxy Reflect
    DisposableStack AsyncDisposableStack
    ArrayBuffer SharedArrayBuffer DataView Atomics Int8Array Uint8Array Uint8ClampedArray Int16Array
    Uint16Array Int32Array Uint32Array BigInt64Array BigUint64Array Float16Array Float32Array
    Float64Array WebAssembly
    DecompressionStream ReadableStream TextDecoder TextEncoder URL atob crypto performance
    queueMicrotask`.split(/\s+/),
  );
  const silent = {
    console: { error() {}, log() {}, warn() {} },
    navigator: { hardwareConcurrency: navigator.hardwareConcurrency },
  };
  // A browser's are the prototypes' in part. Those of all that hears of events stay.
  const last = [Object.prototype, globalThis.EventTarget?.prototype];
  for (let holder = globalThis; !last.includes(holder); holder = Object.getPrototypeOf(holder)) {
    for (const name of Object.getOwnPropertyNames(holder)) {
      if (!kept.has(name)) Reflect.deleteProperty(holder, name);
    }
  }
  Object.assign(globalThis, silent);
  // Every function leads to one of these, which would make code of text, with `import()` in it.
  for (const kind of [function () {}, async () => {}, function* () {}, async function* () {}]) {
    Object.defineProperty(Object.getPrototypeOf(kind), "constructor", { value: undefined });
  }
}
