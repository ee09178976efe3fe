/*
 * What jdmaster.c names and a file of 8-bit samples, decoded to RGB or CMYK, never comes to: 12 and 16
 * bits, lossless coding, palettes, and upsampling merged with color conversion.
 */

#define JPEG_INTERNALS
#include <stdio.h>

#include "jpeglib.h"

#define UNUSED(name) void name(j_decompress_ptr info) { __builtin_trap(); }
#define UNUSED_BUFFER(name) void name(j_decompress_ptr info, boolean full) { __builtin_trap(); }

UNUSED(jinit_1pass_quantizer)
UNUSED(jinit_2pass_quantizer)
UNUSED(jinit_merged_upsampler)
UNUSED(jinit_lossless_decompressor)
UNUSED(jinit_lhuff_decoder)
UNUSED_BUFFER(jinit_d_diff_controller)

UNUSED(j12init_1pass_quantizer)
UNUSED(j12init_2pass_quantizer)
UNUSED(j12init_merged_upsampler)
UNUSED(j12init_color_deconverter)
UNUSED(j12init_upsampler)
UNUSED(j12init_lossless_decompressor)
UNUSED(j12init_inverse_dct)
UNUSED_BUFFER(j12init_d_post_controller)
UNUSED_BUFFER(j12init_d_diff_controller)
UNUSED_BUFFER(j12init_d_coef_controller)
UNUSED_BUFFER(j12init_d_main_controller)

UNUSED(j16init_color_deconverter)
UNUSED(j16init_upsampler)
UNUSED(j16init_lossless_decompressor)
UNUSED_BUFFER(j16init_d_post_controller)
UNUSED_BUFFER(j16init_d_diff_controller)
UNUSED_BUFFER(j16init_d_main_controller)
