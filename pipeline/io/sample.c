#include "sample.h"

#include <stdint.h>
#include <string.h>

#define SAME(bits) (bits)
#define SWAP16(bits) __builtin_bswap16(bits)
#define SWAP32(bits) __builtin_bswap32(bits)
#define SWAP64(bits) __builtin_bswap64(bits)

#define CONVERT(name, type, word, order)                                                           \
    static void name(const void *from, ptrdiff_t count, float *restrict to) {                      \
        const unsigned char *bytes = from;                                                         \
        for (ptrdiff_t i = 0; i < count; i++) {                                                    \
            word bits;                                                                             \
            type value;                                                                            \
            memcpy(&bits, bytes + i * (ptrdiff_t)sizeof bits, sizeof bits);                        \
            bits = order(bits);                                                                    \
            memcpy(&value, &bits, sizeof value);                                                   \
            to[i] = (float)value;                                                                  \
        }                                                                                          \
    }
CONVERT(u8, uint8_t, uint8_t, SAME)
CONVERT(i8, int8_t, uint8_t, SAME)
CONVERT(u16, uint16_t, uint16_t, SAME)
CONVERT(i16, int16_t, uint16_t, SAME)
CONVERT(u32, uint32_t, uint32_t, SAME)
CONVERT(i32, int32_t, uint32_t, SAME)
CONVERT(f32, float, uint32_t, SAME)
CONVERT(f64, double, uint64_t, SAME)
CONVERT(swapped_u16, uint16_t, uint16_t, SWAP16)
CONVERT(swapped_i16, int16_t, uint16_t, SWAP16)
CONVERT(swapped_u32, uint32_t, uint32_t, SWAP32)
CONVERT(swapped_i32, int32_t, uint32_t, SWAP32)
CONVERT(swapped_f32, float, uint32_t, SWAP32)
CONVERT(swapped_f64, double, uint64_t, SWAP64)

static const struct atm_sample SAMPLES[] = {
    {"uint8", ATM_SAMPLE_UINT, 8, u8, u8},
    {"uint16", ATM_SAMPLE_UINT, 16, u16, swapped_u16},
    {"uint32", ATM_SAMPLE_UINT, 32, u32, swapped_u32},
    {"int8", ATM_SAMPLE_INT, 8, i8, i8},
    {"int16", ATM_SAMPLE_INT, 16, i16, swapped_i16},
    {"int32", ATM_SAMPLE_INT, 32, i32, swapped_i32},
    {"float32", ATM_SAMPLE_FLOAT, 32, f32, swapped_f32},
    {"float64", ATM_SAMPLE_FLOAT, 64, f64, swapped_f64},
};
enum { SAMPLE_COUNT = sizeof SAMPLES / sizeof *SAMPLES };

const struct atm_sample *atm_sample_find(enum atm_sample_kind kind, int bits) {
    for (int i = 0; i < SAMPLE_COUNT; i++)
        if (SAMPLES[i].kind == kind && SAMPLES[i].bits == bits)
            return &SAMPLES[i];
    return NULL;
}

const struct atm_sample *atm_sample_named(const char *name) {
    for (int i = 0; i < SAMPLE_COUNT; i++)
        if (!strcmp(SAMPLES[i].name, name))
            return &SAMPLES[i];
    return NULL;
}
