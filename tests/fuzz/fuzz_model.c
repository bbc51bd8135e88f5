/* HDF5 models: no crash, nothing left open, and what is loaded can be applied. */
#include "fuzz.h"

#include "atoms.h"
#include "h5.h"
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct atm_err err = {0};
    struct atm_model *model = NULL;
    struct atm_fuzz_file file;
    if (!atm_fuzz_file_open(&file, data, size))
        return 0;
    enum atm_status status = atm_model_load(file.path, &model, &err);
    if (status != ATM_OK && (model || !err.text[0]))
        abort();
    if (model && model->calibration.done) {
        float z[ATM_LATENT_MAX] = {0};
        double mass, x, y;
        atm_calibration_apply(&model->calibration, model->latent, z, &mass, &x, &y);
    }
    atm_model_destroy(&model);
    if (atm_h5_open_objects() != 0)
        abort();
    atm_fuzz_file_close(&file);
    return 0;
}

/* A small model with everything that a file may hold: calibration, latent sample, curve. */
static bool fill(struct atm_model *model) {
    struct atm_calibration *map = &model->calibration;
    map->degree = 1;
    map->terms = atm_calibration_terms((int)model->latent, map->degree);
    map->coefficients = calloc((size_t)(3 * map->terms), sizeof *map->coefficients);
    for (ptrdiff_t i = 0; i < model->latent; i++)
        map->scale[i] = map->high[i] = 1;
    map->sigma_px = 1.25, map->samples = 3, map->done = true;
    model->latent_count = 3;
    model->latents = calloc((size_t)(3 * model->latent), sizeof *model->latents);
    model->curve_count = model->curve_capacity = 2;
    model->curve = calloc(2, sizeof *model->curve);
    return map->coefficients && model->latents && model->curve;
}

bool atm_fuzz_seed(int index, const char *path) {
    struct atm_model_options options = {
        .cell_px = 4, .blocks_per_cell = 1, .features = 1, .assembly_kernel = 3, .first_kernel = 3};
    const struct atm_net_options net = {0};
    struct atm_model *model = NULL;
    if (index < 0 || index > 1 || atm_model_create(&options, &net, 3, &model, NULL) != ATM_OK)
        return false;
    bool good =
        (index == 0 || fill(model)) && atm_model_save(model, path, index == 1, NULL) == ATM_OK;
    atm_model_destroy(&model);
    return good;
}
