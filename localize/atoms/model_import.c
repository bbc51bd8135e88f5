/* The network that the authors published with their follow-up paper (Joundi, Traonmilin, Newson,
 * GRETSI 2025): its weights by their names in PyTorch, as data/reference/README.md has them. */
#include "atoms.h"
#include "h5.h"
#include "mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char PROVENANCE[] = "# imported: the network of Joundi, Traonmilin, Newson, GRETSI "
                                 "2025\n[input]\nbackground = none\nscale = 255\n";

static enum atm_status read_net(const struct atm_h5 *file, const struct atm_net *net, float *params,
                                struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (int i = 0; !status && i < atm_net_tensor_count(net); i++) {
        const struct atm_tensor *tensor = atm_net_tensor(net, i);
        char name[80];
        snprintf(name, sizeof name, "/weights/%s", tensor->name);
        status = atm_h5_read(file, name, ATM_H5_F32, tensor->count, params + tensor->offset, err);
        for (ptrdiff_t j = 0; !status && j < tensor->count; j++)
            if (!isfinite(params[tensor->offset + j]))
                status = atm_err_set(err, ATM_FAIL, "%s: %s has a weight that is not finite",
                                     atm_h5_path(file), name);
    }
    return status;
}

static enum atm_status import_from(const struct atm_h5 *file, struct atm_model **model,
                                   struct atm_err *err) {
    const struct atm_model_options options = {
        .kind = ATM_MODEL_FOLLOWUP, .features = 8, .assembly_kernel = 7, .first_kernel = 5};
    const struct atm_net_options net = {0};
    double ours = 0;
    enum atm_status status = atm_h5_read_number(file, "/", "atomloc_model", &ours, err);
    if (status)
        return status;
    if (ours > 0 || !atm_h5_exists(file, "/weights/mini_decoder.0.weight"))
        return atm_err_set(err, ATM_FAIL,
                           "%s: is a model of ours, or none that is known; the follow-up paper's "
                           "network can be imported",
                           atm_h5_path(file));
    status = atm_model_create(&options, &net, 0, model, err);
    if (!status)
        status = read_net(file, (*model)->encoder, (*model)->params, err);
    if (!status)
        status = read_net(file, (*model)->atom,
                          (*model)->params + atm_net_param_count((*model)->encoder), err);
    if (status)
        return status;
    (*model)->image_scale = 255; /* trained on 0..1; the files of digits have 0..255 */
    (*model)->provenance = atm_mem_alloc(sizeof PROVENANCE, 1);
    if (!(*model)->provenance)
        return atm_err_memory(err, "the provenance");
    memcpy((*model)->provenance, PROVENANCE, sizeof PROVENANCE);
    return ATM_OK;
}

enum atm_status atm_model_import(const char *path, struct atm_model **model, struct atm_err *err) {
    struct atm_h5 *file = NULL;
    *model = NULL;
    enum atm_status status = atm_h5_open(path, &file, err);
    if (!status)
        status = import_from(file, model, err);
    atm_h5_close(&file, NULL);
    if (status)
        atm_model_destroy(model);
    return status;
}
