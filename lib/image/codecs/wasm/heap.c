/*
 * malloc for one image: the first free block that is large enough, of a list in the order of addresses
 * (Kernighan and Ritchie, The C Programming Language, 8.7). It takes what it is asked for, where the
 * compiler's own rounds up to powers of two, and gives NULL at the memory's maximum.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 65536

/* Lies before each block, and keeps what follows aligned to 16. */
typedef struct Block {
  size_t size; /* with this header */
  struct Block *next; /* only of a free one */
} __attribute__((aligned(16))) Block;

extern Block __heap_base; /* the linker's: where the heap begins */
static Block *first;
static char *end; /* of the heap; NULL before the first block */

void free(void *pointer) {
  if (pointer == NULL) return;
  Block *block = (Block *)pointer - 1, *before = NULL, *after = first;
  while (after != NULL && after < block) before = after, after = after->next;
  block->next = after;
  if ((char *)block + block->size == (char *)after) {
    block->size += after->size;
    block->next = after->next;
  }
  if (before == NULL) {
    first = block;
  } else if ((char *)before + before->size == (char *)block) {
    before->size += block->size;
    before->next = block->next;
  } else {
    before->next = block;
  }
}

/* Hands what lies between two addresses to the list. */
static void add(char *from, char *to) {
  if (from == to) return;
  ((Block *)from)->size = to - from;
  free(from + sizeof(Block));
}

/* Makes the last free block at least so large. */
static int grow(size_t size) {
  if (end == NULL) { /* what the linker left of the first pages */
    end = (char *)(__builtin_wasm_memory_size(0) * PAGE);
    add((char *)(((uintptr_t)&__heap_base + 15) & -16), end);
  }
  Block *last = first;
  while (last != NULL && last->next != NULL) last = last->next;
  size_t have = last != NULL && (char *)last + last->size == end ? last->size : 0;
  if (have >= size) return 1;
  size_t pages = (size - have + PAGE - 1) / PAGE;
  if (__builtin_wasm_memory_grow(0, pages) == SIZE_MAX) return 0;
  add(end, end + pages * PAGE);
  end += pages * PAGE;
  return 1;
}

void *malloc(size_t size) {
  if (size > SIZE_MAX / 2) return NULL;
  size = (size + sizeof(Block) + 15) & -16;
  for (;;) {
    for (Block **at = &first; *at != NULL; at = &(*at)->next) {
      Block *block = *at;
      if (block->size < size) continue;
      if (block->size == size) {
        *at = block->next;
      } else {
        Block *rest = (Block *)((char *)block + size);
        rest->size = block->size - size;
        rest->next = block->next;
        *at = rest;
        block->size = size;
      }
      return block + 1;
    }
    if (!grow(size)) return NULL;
  }
}

void *calloc(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
  void *pointer = malloc(bytes);
  return pointer == NULL ? NULL : memset(pointer, 0, bytes);
}

void *realloc(void *pointer, size_t size) {
  void *moved = malloc(size);
  if (pointer == NULL || moved == NULL) return moved;
  size_t had = ((Block *)pointer - 1)->size - sizeof(Block);
  memcpy(moved, pointer, had < size ? had : size);
  free(pointer);
  return moved;
}

/* `alignment` is a power of two. */
void *aligned_alloc(size_t alignment, size_t size) {
  if (size > SIZE_MAX / 4 || alignment > SIZE_MAX / 4) return NULL;
  char *pointer = malloc(size + alignment + sizeof(Block));
  if (pointer == NULL || ((uintptr_t)pointer & (alignment - 1)) == 0) return pointer;
  /* What lies before the aligned address becomes a block of its own, and free. */
  char *aligned = (char *)(((uintptr_t)pointer + sizeof(Block) + alignment - 1) & -alignment);
  Block *block = (Block *)aligned - 1, *before = (Block *)pointer - 1;
  block->size = before->size - ((char *)block - (char *)before);
  before->size -= block->size;
  free(pointer);
  return aligned;
}

int posix_memalign(void **pointer, size_t alignment, size_t size) {
  *pointer = aligned_alloc(alignment, size);
  return *pointer == NULL ? ENOMEM : 0;
}
