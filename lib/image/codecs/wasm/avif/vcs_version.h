/* Nothing asks dav1d for it. */
#define DAV1D_VERSION ""
