#include "tiles.h"
#include "mem.h"

#include <string.h>

enum {
    TILE_SIDE = 256, /* px, at most */
    TILE_BATCH = 16  /* tiles in one pass: the lanes of the engine */
};

/* One direction: tiles that start at most at extent - side, each responsible for `core` pixels. */
struct cut {
    ptrdiff_t extent, side, core, halo, count;
};

struct atm_tiles {
    const struct atm_model *model; /* borrowed */
    struct atm_model_size size;
    struct cut y, x;
    ptrdiff_t batch;
    struct atm_plan *plan;
    float *images, *latents;
};

static struct cut cut_extent(ptrdiff_t extent, ptrdiff_t cell, ptrdiff_t reach) {
    struct cut cut = {.extent = extent, .side = extent, .core = extent, .count = 1};
    cut.halo = (reach + cell - 1) / cell * cell;
    if (extent > TILE_SIDE && TILE_SIDE > 2 * cut.halo) {
        cut.side = TILE_SIDE / cell * cell;
        cut.core = cut.side - 2 * cut.halo;
        cut.count = (extent + cut.core - 1) / cut.core;
    }
    return cut;
}

/* First pixel of a tile: its core in the middle, but never beyond the frame's edges, where the
 * padding must be the frame's own. */
static ptrdiff_t tile_start(const struct cut *cut, ptrdiff_t index) {
    const ptrdiff_t start = index * cut->core - cut->halo, last = cut->extent - cut->side;
    return start < 0 ? 0 : start > last ? last : start;
}

enum atm_status atm_tiles_create(const struct atm_model *model, const struct atm_model_size *size,
                                 struct atm_tiles **tiles, struct atm_err *err) {
    struct atm_tiles *t = atm_mem_alloc(1, sizeof *t);
    if (!t)
        return atm_err_memory(err, "encoding");
    const ptrdiff_t reach = atm_net_reach(model->encoder);
    t->model = model;
    t->size = *size;
    t->y = cut_extent(size->height, model->cell, reach);
    t->x = cut_extent(size->width, model->cell, reach);
    const ptrdiff_t count = size->images * t->y.count * t->x.count;
    t->batch = count < TILE_BATCH ? count : TILE_BATCH;
    t->images = atm_mem_alloc((size_t)(t->batch * t->y.side * t->x.side), sizeof *t->images);
    t->latents =
        atm_mem_alloc((size_t)(size->images * size->blocks * model->latent), sizeof *t->latents);
    const struct atm_plan_size plan = {.items = t->batch,
                                       .height = t->y.side,
                                       .width = t->x.side,
                                       .per_cell = size->per_cell,
                                       .convolution =
                                           (enum atm_conv_choice)model->net_options.convolution};
    enum atm_status status = t->images && t->latents ? ATM_OK : atm_err_memory(err, "encoding");
    if (!status)
        status = atm_plan_create(model->encoder, &plan, &t->plan, err);
    if (status)
        atm_tiles_destroy(&t);
    *tiles = t;
    return status;
}

void atm_tiles_destroy(struct atm_tiles **tiles) {
    if (*tiles) {
        atm_plan_destroy(&(*tiles)->plan);
        atm_mem_free((*tiles)->images);
        atm_mem_free((*tiles)->latents);
    }
    atm_mem_free(*tiles);
    *tiles = NULL;
}

void atm_tiles_load(struct atm_tiles *tiles, const float *params) {
    atm_plan_load(tiles->plan, params);
}

/* A tile's place: frame, then row by row. */
struct place {
    ptrdiff_t image, row, column;
};

static struct place place_of(const struct atm_tiles *t, ptrdiff_t index) {
    return (struct place){index / t->x.count / t->y.count, index / t->x.count % t->y.count,
                          index % t->x.count};
}

static void take(const struct atm_tiles *t, ptrdiff_t index, const float *images, float *tile) {
    const struct place p = place_of(t, index);
    const float *from = images + p.image * t->y.extent * t->x.extent +
                        tile_start(&t->y, p.row) * t->x.extent + tile_start(&t->x, p.column);
    for (ptrdiff_t y = 0; y < t->y.side; y++)
        memcpy(tile + y * t->x.side, from + y * t->x.extent, (size_t)t->x.side * sizeof *tile);
}

/* Codes of the cells in a tile's core. */
static void give(const struct atm_tiles *t, ptrdiff_t index, const float *codes) {
    const ptrdiff_t cell = t->model->cell, numbers = t->size.per_cell * t->model->latent;
    const struct place p = place_of(t, index);
    const ptrdiff_t top = p.row * t->y.core / cell, left = p.column * t->x.core / cell;
    const ptrdiff_t tile_top = tile_start(&t->y, p.row) / cell,
                    tile_left = tile_start(&t->x, p.column) / cell;
    ptrdiff_t rows = t->y.core / cell, columns = t->x.core / cell;
    rows = top + rows > t->size.grid_y ? t->size.grid_y - top : rows;
    columns = left + columns > t->size.grid_x ? t->size.grid_x - left : columns;
    for (ptrdiff_t y = top; y < top + rows; y++)
        memcpy(t->latents + ((p.image * t->size.grid_y + y) * t->size.grid_x + left) * numbers,
               codes + ((y - tile_top) * (t->x.side / cell) + left - tile_left) * numbers,
               (size_t)(columns * numbers) * sizeof *codes);
}

const float *atm_tiles_encode(struct atm_tiles *t, const float *images) {
    const ptrdiff_t count = t->size.images * t->y.count * t->x.count;
    const ptrdiff_t pixels = t->y.side * t->x.side;
    const ptrdiff_t codes =
        pixels / (t->model->cell * t->model->cell) * t->size.per_cell * t->model->latent;
    for (ptrdiff_t first = 0; first < count; first += t->batch) {
        const ptrdiff_t n = count - first < t->batch ? count - first : t->batch;
        for (ptrdiff_t i = 0; i < n; i++)
            take(t, first + i, images, t->images + i * pixels);
        const float *made = atm_plan_forward(t->plan, t->images);
        for (ptrdiff_t i = 0; i < n; i++)
            give(t, first + i, made + i * codes);
    }
    return t->latents;
}
