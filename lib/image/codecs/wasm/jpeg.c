/* JPEG by libjpeg-turbo: samples of 8 bits and Huffman codes, by the exact DCT and smooth upsampling. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder.h"
#include "jpeglib.h"
#include "jerror.h"

/* Why decoding ended, and whether the library had to fill in for damaged or missing pixels. */
static char text[JMSG_LENGTH_MAX];
static int warned;

uint32_t version(void) { return UPSTREAM_VERSION; }

void *allocate(size_t size) { return malloc(size); }

const char *message(void) { return text; }

EXPORT(has_warned) int has_warned(void) { return warned; }

#define JCOPYRIGHT_SHORT ""
#define JVERSION ""
#define JMESSAGE(code, string) string,
static const char *const messages[] = {
#include "jerror.h"
};

/* Writes a number and gives where it ends: printf would bring 20 kB. */
static char *number(char *to, unsigned value, unsigned base) {
  if (value >= base) to = number(to, value / base, base);
  *to = "0123456789abcdef"[value % base];
  return to + 1;
}

/* The message with its numbers in it. Those of errors are `%d`, `%u` and `%x`, perhaps `%02x`. */
static void format(const struct jpeg_error_mgr *error) {
  const int *value = error->msg_parm.i;
  char *to = text;
  for (const char *from = messages[error->msg_code]; *from != '\0'; from++) {
    if (*from != '%') {
      *to++ = *from;
      continue;
    }
    from += strcspn(from, "dux");
    if (*from == '\0') break;
    if (*from == 'd' && *value < 0) *to++ = '-';
    to = number(to, *from == 'd' ? abs(*value) : *value, *from == 'x' ? 16 : 10);
    value++;
  }
  *to = '\0';
}

/* The library expects not to come back. There is no longjmp: the instance ends here, with a trap. */
static void error_exit(j_common_ptr info) {
  format(info->err);
  __builtin_trap();
}

/* Bytes that it passed over, and an end without a marker, cost no pixel. */
static void emit_message(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_JPEG_EOF) warned = 1;
}

static void output_message(j_common_ptr info) {}
static void format_message(j_common_ptr info, char *buffer) {}
static void reset_error_mgr(j_common_ptr info) {}

/*
 * RGB, or CMYK as it is stored, of `width` times `height` pixels: the file's own sides divided by
 * `reduction`, 1, 2, 4 or 8.
 */
EXPORT(decode)
uint8_t *decode(const uint8_t *file, size_t size, uint32_t width, uint32_t height,
                int reduction, int is_cmyk) {
  struct jpeg_error_mgr error = { error_exit, emit_message, output_message, format_message,
                                  reset_error_mgr };
  struct jpeg_decompress_struct info;
  info.err = &error;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, file, size);
  jpeg_read_header(&info, TRUE);
  info.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  info.scale_denom = reduction;
  jpeg_start_decompress(&info);
  const uint64_t row = (uint64_t)width * info.output_components;
  if (info.output_width != width || info.output_height != height) ERREXIT(&info, JERR_BAD_LENGTH);
  if (row * height > SIZE_MAX) ERREXIT1(&info, JERR_OUT_OF_MEMORY, 0);
  uint8_t *const pixels = malloc(row * height);
  if (pixels == NULL) ERREXIT1(&info, JERR_OUT_OF_MEMORY, 0);
  while (info.output_scanline < height) {
    JSAMPROW to = pixels + info.output_scanline * row;
    jpeg_read_scanlines(&info, &to, 1);
  }
  return pixels; /* What follows the last row is not looked at. */
}
