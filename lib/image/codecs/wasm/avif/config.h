/* dav1d's configuration, which Meson writes elsewhere: both depths in plain C, on one thread. */

#define CONFIG_8BPC 1
#define CONFIG_16BPC 1
#define HAVE_ALIGNED_ALLOC 1
#define HAVE_C11_GENERIC 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_UNISTD_H 1
