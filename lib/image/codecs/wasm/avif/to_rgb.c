/*
 * In place of libavif's way to libyuv, which gives other bits: samples of 8 bits with half the chroma
 * in each direction, as nearly all photos have. libavif's own way, which takes all there is, looks at
 * each pixel by itself; here loops go along rows, for the compiler's SIMD, by the same operations on
 * floats in the same order.
 */

#include <stdlib.h>

#include "avif/internal.h"

/* How bytes become parts of 1, and these RGB. */
typedef struct Space {
  avifYUVColorSpaceInfo yuv;
  uint32_t width;
  uint32_t chroma_width;
} Space;

/* A row of chroma, with its ends once more. */
static void widen(const Space *space, const uint8_t *from, float *to) {
  const float bias = space->yuv.biasUV, range = space->yuv.rangeUV;
  const uint32_t count = space->chroma_width;
  for (uint32_t i = 0; i < count; i++) to[i] = (from[i] - bias) / range;
  to[-1] = to[0];
  to[count] = to[count - 1];
}

/* A row of pixels' chroma, of the nearest two rows. */
static void upsample(const Space *space, const float *near, const float *far, float *to) {
  const float w9 = 9.0f / 16.0f, w3 = 3.0f / 16.0f, w1 = 1.0f / 16.0f;
  for (int32_t i = 0; i < (int32_t)space->chroma_width; i++) {
    to[2 * i] = near[i] * w9 + near[i - 1] * w3 + far[i] * w3 + far[i - 1] * w1;
    to[2 * i + 1] = near[i] * w9 + near[i + 1] * w3 + far[i] * w3 + far[i + 1] * w1;
  }
}

static uint8_t to_byte(float part) { return 0.5f + AVIF_CLAMP(part, 0.0f, 1.0f) * 255.0f; }

/* Red, green and blue go to rows of their own first: stores side by side are SIMD's. */
static void to_rgb(const Space *space, const uint8_t *luma, const float *cb, const float *cr,
                   uint8_t *colors, uint8_t *to, uint32_t channels) {
  const float bias = space->yuv.biasY, range = space->yuv.rangeY;
  const float kr = space->yuv.kr, kg = space->yuv.kg, kb = space->yuv.kb;
  const uint32_t width = space->width;
  uint8_t *const red = colors, *const green = red + width, *const blue = green + width;
  for (uint32_t i = 0; i < width; i++) {
    const float y = (luma[i] - bias) / range;
    red[i] = to_byte(y + (2 * (1 - kr)) * cr[i]);
    green[i] = to_byte(y - ((2 * ((kr * (1 - kr) * cr[i]) + (kb * (1 - kb) * cb[i]))) / kg));
    blue[i] = to_byte(y + (2 * (1 - kb)) * cb[i]);
  }
  for (uint32_t i = 0; i < width; i++, to += channels) {
    to[0] = red[i];
    to[1] = green[i];
    to[2] = blue[i];
  }
}

avifResult avifImageYUVToRGBLibYUV(const avifImage *image, avifRGBImage *rgb, avifBool wants_alpha,
                                   avifBool *did_alpha) {
  const avifMatrixCoefficients matrix = image->matrixCoefficients;
  Space space = { .width = image->width, .chroma_width = (image->width + 1) / 2 };
  *did_alpha = AVIF_FALSE;
  if (image->depth != 8 || image->yuvFormat != AVIF_PIXEL_FORMAT_YUV420 ||
      image->alphaPremultiplied || matrix == AVIF_MATRIX_COEFFICIENTS_YCGCO ||
      matrix >= AVIF_MATRIX_COEFFICIENTS_YCGCO_RE ||
      !avifGetYUVColorSpaceInfo(image, &space.yuv)) {
    return AVIF_RESULT_NOT_IMPLEMENTED;
  }
  const uint32_t row = space.chroma_width + 2;
  float *const floats = malloc(6 * row * sizeof(float) + 3 * space.width);
  if (floats == NULL) return AVIF_RESULT_OUT_OF_MEMORY;
  float *const near = floats + 1, *const far = near + row;
  float *const up[] = { far + row, far + 3 * row };
  uint8_t *const colors = (uint8_t *)(floats + 6 * row);
  for (uint32_t y = 0; y < image->height; y++) {
    const uint32_t at = y / 2;
    const int is_edge = y == 0 || (y == image->height - 1 && y % 2 != 0);
    const uint32_t other = is_edge ? at : y % 2 != 0 ? at + 1 : at - 1;
    for (int plane = 0; plane < 2; plane++) {
      const uint8_t *const samples = image->yuvPlanes[AVIF_CHAN_U + plane];
      const size_t stride = image->yuvRowBytes[AVIF_CHAN_U + plane];
      widen(&space, samples + at * stride, near);
      widen(&space, samples + other * stride, far);
      upsample(&space, near, far, up[plane]);
    }
    const uint8_t *const luma =
        image->yuvPlanes[AVIF_CHAN_Y] + (size_t)y * image->yuvRowBytes[AVIF_CHAN_Y];
    to_rgb(&space, luma, up[0], up[1], colors, rgb->pixels + (size_t)y * rgb->rowBytes,
           avifRGBFormatChannelCount(rgb->format));
  }
  free(floats);
  return AVIF_RESULT_OK;
}

/* The other ways to libyuv lead nowhere: libavif goes its own. */
avifResult avifRGBImagePremultiplyAlphaLibYUV(avifRGBImage *rgb) {
  return AVIF_RESULT_NOT_IMPLEMENTED;
}
avifResult avifRGBImageUnpremultiplyAlphaLibYUV(avifRGBImage *rgb) {
  return AVIF_RESULT_NOT_IMPLEMENTED;
}
avifResult avifRGBImageToF16LibYUV(avifRGBImage *rgb) { return AVIF_RESULT_NOT_IMPLEMENTED; }
