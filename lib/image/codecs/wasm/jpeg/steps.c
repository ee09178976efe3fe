/* Hands the steps that libjpeg-turbo has for Neon to it. */

#define JPEG_INTERNALS
#include <stdio.h>

#include "jpeglib.h"
#include "jdct.h"
#include "jsimd.h"
#include "jsimddct.h"
#include "../simd/jsimd.h"

int jsimd_can_ycc_rgb(void) { return 1; }
int jsimd_can_h2v1_fancy_upsample(void) { return 1; }
int jsimd_can_h2v2_fancy_upsample(void) { return 1; }
int jsimd_can_idct_islow(void) { return 1; }
int jsimd_can_idct_4x4(void) { return 1; }
int jsimd_can_idct_2x2(void) { return 1; }

void jsimd_ycc_rgb_convert(j_decompress_ptr info, JSAMPIMAGE input, JDIMENSION row,
                           JSAMPARRAY output, int rows) {
  jsimd_ycc_extrgb_convert_neon(info->output_width, input, row, output, rows);
}

void jsimd_h2v1_fancy_upsample(j_decompress_ptr info, jpeg_component_info *component,
                               JSAMPARRAY input, JSAMPARRAY *output) {
  jsimd_h2v1_fancy_upsample_neon(info->max_v_samp_factor, component->downsampled_width, input,
                                 output);
}

void jsimd_h2v2_fancy_upsample(j_decompress_ptr info, jpeg_component_info *component,
                               JSAMPARRAY input, JSAMPARRAY *output) {
  jsimd_h2v2_fancy_upsample_neon(info->max_v_samp_factor, component->downsampled_width, input,
                                 output);
}

void jsimd_idct_islow(j_decompress_ptr info, jpeg_component_info *component, JCOEFPTR block,
                      JSAMPARRAY output, JDIMENSION column) {
  jsimd_idct_islow_neon(component->dct_table, block, output, column);
}

void jsimd_idct_4x4(j_decompress_ptr info, jpeg_component_info *component, JCOEFPTR block,
                    JSAMPARRAY output, JDIMENSION column) {
  jsimd_idct_4x4_neon(component->dct_table, block, output, column);
}

void jsimd_idct_2x2(j_decompress_ptr info, jpeg_component_info *component, JCOEFPTR block,
                    JSAMPARRAY output, JDIMENSION column) {
  jsimd_idct_2x2_neon(component->dct_table, block, output, column);
}

/* What is left to plain C, or never comes. */

int jsimd_can_ycc_rgb565(void) { return 0; }
int jsimd_can_h2v1_upsample(void) { return 0; }
int jsimd_can_h2v2_upsample(void) { return 0; }
int jsimd_can_idct_ifast(void) { return 0; }
int jsimd_can_idct_float(void) { return 0; }

void jsimd_ycc_rgb565_convert(j_decompress_ptr info, JSAMPIMAGE input, JDIMENSION row,
                              JSAMPARRAY output, int rows) {}
void jsimd_h2v1_upsample(j_decompress_ptr info, jpeg_component_info *component, JSAMPARRAY input,
                         JSAMPARRAY *output) {}
void jsimd_h2v2_upsample(j_decompress_ptr info, jpeg_component_info *component, JSAMPARRAY input,
                         JSAMPARRAY *output) {}
void jsimd_idct_ifast(j_decompress_ptr info, jpeg_component_info *component, JCOEFPTR block,
                      JSAMPARRAY output, JDIMENSION column) {}
void jsimd_idct_float(j_decompress_ptr info, jpeg_component_info *component, JCOEFPTR block,
                      JSAMPARRAY output, JDIMENSION column) {}
