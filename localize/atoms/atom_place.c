/* Atoms' images in their places in the frame. */
#include "atoms.h"

struct atm_atom_place atm_model_atom_place(const struct atm_model *model,
                                           const struct atm_model_size *size, ptrdiff_t block) {
    ptrdiff_t cell = block / size->per_cell;
    ptrdiff_t margin = model->cell ? (atm_model_atom_side(model) - model->cell) / 2 : 0;
    return (struct atm_atom_place){.x = cell % size->grid_x * model->cell - margin,
                                   .y = cell / size->grid_x * model->cell - margin};
}

void atm_model_add_atom(const struct atm_model *model, const struct atm_model_size *size,
                        ptrdiff_t block, const float *atom, double scale,
                        const struct atm_frame *frame) {
    struct atm_atom_place place = atm_model_atom_place(model, size, block);
    ptrdiff_t side = atm_model_atom_side(model);
    for (ptrdiff_t y = 0; y < side; y++)
        for (ptrdiff_t x = 0; x < side; x++) {
            ptrdiff_t fy = place.y + y, fx = place.x + x;
            if (fy >= 0 && fx >= 0 && fy < frame->height && fx < frame->width)
                frame->pixels[fy * frame->width + fx] +=
                    (float)(scale * (double)atom[y * side + x]);
        }
}
