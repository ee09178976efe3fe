/* WebP by libwebp: the decoder alone, without animations. */

#include <stdlib.h>

#include "decoder.h"
#include "webp/decode.h"

uint32_t version(void) { return WebPGetDecoderVersion(); }

void *allocate(size_t size) { return malloc(size); }

const char *message(void) { return ""; }

/* RGBA, not premultiplied, or NULL. */
EXPORT(decode) uint8_t *decode(const uint8_t *file, size_t size) {
  return WebPDecodeRGBA(file, size, NULL, NULL);
}
