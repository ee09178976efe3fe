/* Arm's Neon by WebAssembly's SIMD. Floats of 16 bits, which that lacks, are emulated. */

#define SIMDE_ENABLE_NATIVE_ALIASES
#define SIMDE_FLOAT16_API 1 /* SIMDE_FLOAT16_API_PORTABLE, which is defined further down */
#include <simde/arm/neon.h>
