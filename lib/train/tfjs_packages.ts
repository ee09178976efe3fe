/** The packages that training needs, and nothing else does: see tfjs.ts. */

import "@tensorflow/tfjs-backend-cpu";
export * as tf from "@tensorflow/tfjs-core";
