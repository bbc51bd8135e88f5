#include "psf_painter.h"
#include "joint_fit.h"
#include "mem.h"

#include <string.h>

enum atm_status atm_psf_painter_create(struct atm_psf_painter *p, const struct atm_psf *psf,
                                       ptrdiff_t height, ptrdiff_t width, struct atm_err *err) {
    *p = (struct atm_psf_painter){.psf = *psf, .height = height, .width = width};
    p->values =
        atm_mem_alloc((size_t)(ATM_SPOT_PARAMETERS * atm_psf_plane_size(psf)), sizeof *p->values);
    p->image = atm_mem_alloc((size_t)(height * width), sizeof *p->image);
    return p->values && p->image ? ATM_OK : atm_err_memory(err, "the PSF");
}

void atm_psf_painter_free(struct atm_psf_painter *p) {
    atm_mem_free(p->values);
    atm_mem_free(p->image);
}

void atm_psf_painter_clear(struct atm_psf_painter *p) {
    memset(p->image, 0, (size_t)(p->height * p->width) * sizeof *p->image);
}

void atm_psf_painter_add(struct atm_psf_painter *p, const struct atm_loc *row, double photons) {
    struct atm_spot spot = {.x = row->x, .y = row->y, .sx = p->psf.sigma_px, .sy = p->psf.sigma_px};
    struct atm_patch patch;
    atm_psf_place(&p->psf, &spot, p->height, p->width, p->values, &patch);
    atm_fit_render(&patch, photons, p->image, p->width);
}
