/* WebP by libwebp: the decoder alone, without animations. */

#include <stdlib.h>

#include "decoder.h"
#include "webp/decode.h"

uint32_t version(void) { return WebPGetDecoderVersion(); }

void *allocate(size_t size) { return malloc(size); }

const char *message(void) { return ""; }

/* RGBA, not premultiplied, or RGB; NULL if the image has another size. */
EXPORT(decode)
uint8_t *decode(const uint8_t *file, size_t size, int width, int height, int with_alpha) {
  int w, h;
  uint8_t *pixels = with_alpha ? WebPDecodeRGBA(file, size, &w, &h) : WebPDecodeRGB(file, size, &w, &h);
  return pixels != NULL && w == width && h == height ? pixels : NULL;
}
