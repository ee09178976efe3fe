/* What every decoder exports to decoder.ts. Besides its memory a module imports nothing. */

#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name)))

/* Upstream's version, as the library itself tells it: 0xMMmmrr. */
EXPORT(version) uint32_t version(void);

/* Bytes for the file, or NULL if the memory's maximum leaves none. */
EXPORT(allocate) void *allocate(size_t size);

/* Why decode() gave nothing, in UTF-8, or an empty string. Readable after a trap, too. */
EXPORT(message) const char *message(void);
