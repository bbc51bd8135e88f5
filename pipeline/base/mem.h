/* The one allocator: 64-byte aligned, zeroed, overflow-checked; and an arena on top of it. */
#ifndef ATM_MEM_H
#define ATM_MEM_H

#include "err.h"
#include <stddef.h>

/* count * size zeroed bytes aligned to 64, or NULL (too large, or no memory). Thread-safe. */
void *atm_mem_alloc(size_t count, size_t size);

/* Grow to count * size bytes; the first old_count * size bytes are kept and the rest is zero. On
 * NULL the old block is still owned by the caller. */
void *atm_mem_grow(void *block, size_t old_count, size_t count, size_t size);

/* Release a block of the two above. NULL is fine. */
void atm_mem_free(void *block);

/* Arena: lay it out once (reserve every tensor), allocate once, then point. Offsets are stable, so
 * the same layout serves parameters, gradients and optimizer moments. */
struct atm_arena {
    char *base;  /* owned; NULL until atm_arena_alloc */
    size_t size; /* bytes reserved so far */
};

/* Reserve count * size bytes; returns their offset, a multiple of 64. SIZE_MAX on overflow, which
 * atm_arena_alloc then reports. */
size_t atm_arena_reserve(struct atm_arena *arena, size_t count, size_t size);
enum atm_status atm_arena_alloc(struct atm_arena *arena, const char *what, struct atm_err *err);
void *atm_arena_at(const struct atm_arena *arena, size_t offset);
void atm_arena_free(struct atm_arena *arena);

#endif
