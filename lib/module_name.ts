/** The modules of WebAssembly that classifying needs: decoders, and kernels with either kind of SIMD. */
export type ModuleName = "avif" | "gif" | "jpeg" | "webp" | "kernels_plain" | "kernels_relaxed";
