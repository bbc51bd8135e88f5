#include "mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

/* Bytes of count * size rounded up to the alignment; 0 when that does not fit. */
static size_t padded_bytes(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
        return 0;
    bytes = bytes ? bytes : 1;
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void *atm_mem_alloc(size_t count, size_t size) {
    size_t bytes = padded_bytes(count, size);
    void *block = bytes ? aligned_alloc(ALIGNMENT, bytes) : NULL;
    return block ? memset(block, 0, bytes) : NULL;
}

void *atm_mem_grow(void *block, size_t old_count, size_t count, size_t size) {
    void *grown = atm_mem_alloc(count, size);
    if (!grown)
        return NULL;
    if (block)
        memcpy(grown, block, (old_count < count ? old_count : count) * size);
    free(block);
    return grown;
}

void atm_mem_free(void *block) { free(block); }

size_t atm_arena_reserve(struct atm_arena *arena, size_t count, size_t size) {
    size_t bytes = padded_bytes(count, size), offset = arena->size;
    if (!bytes || __builtin_add_overflow(offset, bytes, &arena->size))
        arena->size = SIZE_MAX; /* sticks: every later add overflows too */
    return offset;
}

enum atm_status atm_arena_alloc(struct atm_arena *arena, const char *what, struct atm_err *err) {
    arena->base = atm_mem_alloc(arena->size, 1);
    return arena->base ? ATM_OK : atm_err_memory(err, what);
}

void *atm_arena_at(const struct atm_arena *arena, size_t offset) { return arena->base + offset; }

void atm_arena_free(struct atm_arena *arena) {
    atm_mem_free(arena->base);
    *arena = (struct atm_arena){0};
}
