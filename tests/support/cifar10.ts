/**
 * CIFAR-10's model, which tests use that need some model: it is loaded and asked in milliseconds.
 *
 * @module
 */

/** Its id in the catalog. */
export const CIFAR10 = "vgg16-cifar10";

/** Its file. */
export const CIFAR10_FILE: URL = new URL(
  "../../weights/cifar10/vgg16-cifar10.safetensors",
  import.meta.url,
);
