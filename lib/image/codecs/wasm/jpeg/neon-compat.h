/* What of Neon the compiler has, which CMake would find out: all of it. */

#define HAVE_VLD1_S16_X3
#define HAVE_VLD1_U16_X2
#define HAVE_VLD1Q_U8_X4
