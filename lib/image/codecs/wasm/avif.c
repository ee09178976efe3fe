/* AVIF by libavif, which reads the container and converts to RGB, and dav1d, which decodes AV1. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "avif/avif.h"
#include "dav1d/dav1d.h"
#include "decoder.h"

/*
 * Most frames of an item. An image has one, or one for each of its at most four layers; dav1d would
 * decode as many as are there, and a hundred bytes can say that a large one is as the one before.
 */
#define MAX_FRAMES 8

static avifDecoder *decoder;
static avifResult result;
static int has_too_many_frames;
static double pixels_left; /* that may be decoded of all items together */
static double frame_pixels; /* of the largest frames that an item announced, which others may have too */
static avifRGBImage rgb;
static avifCropRect crop;

uint32_t version(void) {
  return AVIF_VERSION_MAJOR << 16 | AVIF_VERSION_MINOR << 8 | AVIF_VERSION_PATCH;
}

/* Of what its sources say, in the same form. */
EXPORT(dav1d) uint32_t dav1d(void) { return UPSTREAM_VERSION; }

void *allocate(size_t size) { return malloc(size); }

const char *message(void) {
  if (result == AVIF_RESULT_OK) return "";
  if (has_too_many_frames) return "it has more than 8 frames where one image was expected";
  if (pixels_left < 0) return "its parts have more pixels than a picture of its size";
  if (result == AVIF_RESULT_REFORMAT_FAILED) return "its way from YUV to RGB is not supported";
  /* What the library says of a box, but not which of its functions failed. */
  const int is_explained = decoder != NULL && decoder->diag.error[0] != '\0' &&
                           result != AVIF_RESULT_DECODE_COLOR_FAILED &&
                           result != AVIF_RESULT_DECODE_ALPHA_FAILED;
  return is_explained ? decoder->diag.error : avifResultToString(result);
}

/*
 * Takes an item's frames (AV1 specification, 5.3) and their pixels off what is left. What is malformed
 * ends it, as it ends dav1d's decoding.
 */
static int count_frames(const uint8_t *at, size_t left) {
  int frames = 0;
  while (left > 0) {
    const int type = *at >> 3 & 15, has_extension = *at >> 2 & 1, has_size = *at >> 1 & 1;
    size_t header = 1 + has_extension;
    uint64_t size = 0;
    int shift = 0, more = has_size;
    for (; more && shift < 56 && header < left; shift += 7, header++) {
      size |= (uint64_t)(at[header] & 127) << shift;
      more = at[header] >> 7;
    }
    const int is_last = !has_size || more || size > left - header;
    const size_t unit = is_last ? left : header + size;
    if (type == DAV1D_OBU_SEQ_HDR) {
      Dav1dSequenceHeader sequence;
      if (dav1d_parse_sequence_header(&sequence, at, unit) < 0) return frames;
      const double pixels = (double)sequence.max_width * sequence.max_height;
      if (pixels > frame_pixels) frame_pixels = pixels;
    } else if (type == DAV1D_OBU_FRAME || type == DAV1D_OBU_FRAME_HDR ||
               type == DAV1D_OBU_REDUNDANT_FRAME_HDR) {
      frames++;
      pixels_left -= frame_pixels;
    }
    at += unit;
    left -= unit;
  }
  return frames;
}

/* What libavif calls for dav1d_send_data (build_codecs.ts), with a whole item. */
#undef dav1d_send_data
int dav1d_send_data(Dav1dContext *context, Dav1dData *data);
int send_item(Dav1dContext *context, Dav1dData *data) {
  has_too_many_frames = count_frames(data->data, data->sz) > MAX_FRAMES;
  const int is_refused = has_too_many_frames || pixels_left < 0;
  return is_refused ? DAV1D_ERR(EINVAL) : dav1d_send_data(context, data);
}

/* What decode() gave. */
EXPORT(width) uint32_t width(void) { return crop.width; }
EXPORT(height) uint32_t height(void) { return crop.height; }
EXPORT(channels) uint32_t channels(void) { return avifRGBFormatChannelCount(rgb.format); }

/* The clean aperture (ISO/IEC 14496-12, 12.1.4): a part that the file says is the picture. */
static void find_crop(const avifImage *image) {
  avifDiagnostics ignored;
  const int is_valid =
      (image->transformFlags & AVIF_TRANSFORM_CLAP) != 0 &&
      avifCropRectFromCleanApertureBox(&crop, &image->clap, image->width, image->height, &ignored);
  if (!is_valid) crop = (avifCropRect){ 0, 0, image->width, image->height };
}

/* Moves the rows of the crop together, to the beginning. */
static void apply_crop(void) {
  const size_t pixel = channels(), row = crop.width * pixel;
  const uint8_t *from = rgb.pixels + crop.y * rgb.rowBytes + crop.x * pixel;
  for (uint32_t y = 0; y < crop.height; y++, from += rgb.rowBytes) {
    memmove(rgb.pixels + y * row, from, row);
  }
}

static avifResult decode_to_rgb(const uint8_t *file, size_t size) {
  decoder = avifDecoderCreate();
  if (decoder == NULL) return AVIF_RESULT_OUT_OF_MEMORY;
  decoder->requestedSource = AVIF_DECODER_SOURCE_PRIMARY_ITEM; /* not an animation's track */
  decoder->strictFlags = AVIF_STRICT_DISABLED; /* what other tools leave out is not missed */
  decoder->ignoreExif = decoder->ignoreXMP = AVIF_TRUE;
  result = avifDecoderSetIOMemory(decoder, file, size);
  if (result == AVIF_RESULT_OK) result = avifDecoderParse(decoder);
  if (result == AVIF_RESULT_OK) result = avifDecoderNextImage(decoder);
  if (result != AVIF_RESULT_OK) return result;
  avifRGBImageSetDefaults(&rgb, decoder->image);
  rgb.format = decoder->image->alphaPlane == NULL ? AVIF_RGB_FORMAT_RGB : AVIF_RGB_FORMAT_RGBA;
  rgb.depth = 8;
  result = avifRGBImageAllocatePixels(&rgb);
  return result == AVIF_RESULT_OK ? avifImageYUVToRGB(decoder->image, &rgb) : result;
}

/*
 * RGB or, where there is alpha, RGBA that is not premultiplied; NULL if that fails. A part that is larger
 * than its place is scaled, so what is decoded says the file's frames: `most_pixels` of them.
 */
EXPORT(decode) uint8_t *decode(const uint8_t *file, size_t size, double most_pixels) {
  pixels_left = most_pixels;
  result = decode_to_rgb(file, size);
  if (result != AVIF_RESULT_OK) return NULL;
  find_crop(decoder->image);
  apply_crop();
  return rgb.pixels;
}
