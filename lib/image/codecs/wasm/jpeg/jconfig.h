/* libjpeg-turbo's configuration, which CMake would write: the interface of libjpeg 6.2, as Pillow's. */

#define JPEG_LIB_VERSION 62
#define MEM_SRCDST_SUPPORTED 1
#ifndef BITS_IN_JSAMPLE
#define BITS_IN_JSAMPLE 8
#endif
