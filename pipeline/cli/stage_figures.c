#include "stages.h"

#include "figures.h"
#include "paths.h"

enum atm_status atm_stage_figures(struct atm_source *source, const struct atm_model *model,
                                  const struct atm_table *truth, const struct atm_config *config,
                                  const char *folder, const struct atm_sink *sink,
                                  struct atm_err *err) {
    struct atm_figure_set set;
    enum atm_status status = atm_path_make_folder(folder, err);
    if (!status)
        status = atm_figure_set_init(&set, source, model, truth, config->eval.active, err);
    if (status)
        return status;
    status = atm_figures_write(&set, &config->figures, folder, sink, err);
    atm_figure_set_free(&set);
    return status;
}
