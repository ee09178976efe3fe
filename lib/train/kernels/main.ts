// Float arithmetic for training: ../calls.ts says what each kernel does. Threads share the memory:
// each takes images or blocks one by one, and none writes where another does, so that results do not
// depend on their number.

export { activate, combine, deactivate } from "./activate";
export { convolve } from "./convolve";
export { filterGradient } from "./filter_gradient";
export { multiply } from "./multiply";
