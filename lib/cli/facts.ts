/** What help and the manual say of the whole program. */

/** What it does. */
export const SUMMARY = "labels pictures with int8 VGG networks";

/** The variables that it reads, and what they are for. */
export const VARIABLES: readonly (readonly [names: string, about: string])[] = [
  [
    "VGG16_MODEL, VGG16_BACKEND, VGG16_PRECISION, VGG16_THREADS, VGG16_OFFLINE",
    "as --model, --backend, --precision, --threads and --offline",
  ],
  ["VGG16_CACHE_DIR", "pulled models (default: edge-vgg16 in the user's cache)"],
  ["NO_COLOR, FORCE_COLOR", "whether output is colored"],
];

/** What it exits with, and when. */
export const EXIT_CODES: readonly (readonly [code: string, about: string])[] = [
  ["0", "all done"],
  ["1", "something failed, the rest is done"],
  ["2", "wrong command line or setting, nothing done"],
  ["65", "of a part: more pictures failed than --max-errors permits"],
  ["75", "of a part: what may pass by itself, such as the network; run it again"],
  [
    "128 + the signal's number",
    "when stopped (130: Ctrl-C; 141: whoever reads standard output has left)",
  ],
];
