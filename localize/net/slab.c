#include "slab.h"

/* The item of a lane, or -1 past the last image. */
static ptrdiff_t item_of(const struct slab *s, ptrdiff_t group, ptrdiff_t lane) {
    const ptrdiff_t image = group / s->blocks * ATM_LANES + lane;
    return image < s->images ? image * s->blocks + group % s->blocks : -1;
}

void slab_pack(const struct slab *s, const float *items, float *data) {
    const ptrdiff_t area = s->height * s->width, rows = slab_groups(s) * s->channels * s->height;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < rows; i++) {
        const ptrdiff_t plane = i / s->height, y = i % s->height;
        const ptrdiff_t group = plane / s->channels, c = plane % s->channels;
        for (ptrdiff_t lane = 0; lane < ATM_LANES; lane++) {
            const ptrdiff_t item = item_of(s, group, lane);
            float *to = data + slab_at(s, group, c, y, 0) + lane;
            const float *from = items + (item * s->channels + c) * area + y * s->width;
            for (ptrdiff_t x = 0; x < s->width; x++)
                to[x * ATM_LANES] = item < 0 ? 0.0F : from[x];
        }
    }
}

void slab_unpack(const struct slab *s, const float *data, float *items) {
    const ptrdiff_t area = s->height * s->width, rows = slab_groups(s) * s->channels * s->height;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < rows; i++) {
        const ptrdiff_t plane = i / s->height, y = i % s->height;
        const ptrdiff_t group = plane / s->channels, c = plane % s->channels;
        for (ptrdiff_t lane = 0; lane < ATM_LANES; lane++) {
            const ptrdiff_t item = item_of(s, group, lane);
            const float *from = data + slab_at(s, group, c, y, 0) + lane;
            float *to = items + (item * s->channels + c) * area + y * s->width;
            for (ptrdiff_t x = 0; item >= 0 && x < s->width; x++)
                to[x] = from[x * ATM_LANES];
        }
    }
}
