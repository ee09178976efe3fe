/* Intel's SSE2 by WebAssembly's SIMD. */

#define SIMDE_ENABLE_NATIVE_ALIASES
#define SIMDE_FLOAT16_API 1 /* SIMDE_FLOAT16_API_PORTABLE, which is defined further down */
#include <simde/x86/sse2.h>
