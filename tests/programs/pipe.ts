/** A script in a pipe: `curl … | deno run pipe.ts | sort`. */

import { classify } from "@edge/vgg16";

const [best] = await classify(Deno.stdin.readable);
console.log(best.label);
