#include "provenance.h"

#include "mem.h"
#include "versions.h"
#include <cblas.h>
#include <fftw3.h>
#include <gsl/gsl_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static const char inputs_start[] = "# inputs:";
static const char calibrate_start[] = "\n[calibrate]";

/* OpenBLAS adds the processor to its version and FFTW its instruction sets: not wanted here. */
static void print_libraries(FILE *text) {
    const char *blas = openblas_get_config(), *fftw = fftwf_version;
    blas += strcspn(blas, "0123456789");
    fftw += strcspn(fftw, "0123456789");
    fprintf(text, "# libraries: FFTW %.*s, GSL %s, HDF5 %s, libtiff %s, OpenBLAS %.*s\n",
            (int)strspn(fftw, "0123456789."), fftw, gsl_version, atm_h5_library_version(),
            atm_tiff_library_version(), (int)strspn(blas, "0123456789."), blas);
}

/* What does not change the result must not change its provenance. */
static struct atm_config without_places(const struct atm_config *config) {
    struct atm_config clean, copy = *config;
    atm_config_defaults(&clean);
    clean.run.seed = config->run.seed;
    copy.run = clean.run;
    memcpy(copy.input.path, clean.input.path, sizeof copy.input.path);
    copy.input.follow_s = clean.input.follow_s; /* when it ends the movie says */
    memcpy(copy.input.labels, clean.input.labels, sizeof copy.input.labels);
    memcpy(copy.train.from, clean.train.from, sizeof copy.train.from); /* its hash is, too */
    copy.camera.maps = clean.camera.maps; /* their hash is among the inputs */
    memcpy(copy.camera.file, clean.camera.file, sizeof copy.camera.file); /* it has been read */
    return copy;
}

char *atm_provenance_create(const struct atm_config *config, unsigned sections,
                            const struct atm_provenance_input *inputs, int count) {
    char *result = NULL;
    size_t size;
    struct atm_config clean = without_places(config);
    char *resolved = atm_config_resolved(&clean, sections | ATM_SECTION_RUN);
    FILE *text = open_memstream(&result, &size);
    if (text) {
        fputs("# atomloc " ATM_VERSION "\n", text);
        print_libraries(text);
        fputs(inputs_start, text);
        for (int i = 0; i < count; i++)
            fprintf(text, "%s %s xxh3 %016llx", i ? "," : "", inputs[i].what,
                    (unsigned long long)inputs[i].hash);
        fprintf(text, "%s\n\n%s", count ? "" : " none", resolved ? resolved : "");
        if (fclose(text) || !resolved) {
            free(result);
            result = NULL;
        }
    }
    atm_mem_free(resolved);
    return result;
}

const char *atm_provenance_identity(const char *text) {
    const char *start = strstr(text, inputs_start);
    return start ? start : text;
}

bool atm_provenance_same_movie(const char *a, const char *b) {
    static const char start[] = " movie xxh3 ";
    enum { WHOLE = sizeof start - 1 + 16 };
    a = a ? strstr(a, start) : NULL, b = b ? strstr(b, start) : NULL;
    return a && b && !strncmp(a, b, WHOLE);
}

static size_t training_length(const char *text) {
    const char *end = strstr(text, calibrate_start);
    return end ? (size_t)(end + 1 - text) : strlen(text);
}

char *atm_provenance_calibrated(const char *old, const struct atm_config *config) {
    char *result = NULL;
    char *calibrate = atm_config_resolved(config, ATM_SECTION_CALIBRATE);
    const char *training = old ? old : "";
    if (!calibrate ||
        asprintf(&result, "%.*s%s", (int)training_length(training), training, calibrate) < 0)
        result = NULL;
    atm_mem_free(calibrate);
    return result;
}

bool atm_provenance_same_training(const char *a, const char *b) {
    if (!a || !b)
        return false;
    a = atm_provenance_identity(a);
    b = atm_provenance_identity(b);
    size_t length = training_length(a);
    return length == training_length(b) && !memcmp(a, b, length);
}

struct atm_provenance_input atm_provenance_camera(const struct atm_camera *camera) {
    const double values[] = {camera->offset, camera->gain, camera->read_noise};
    return (struct atm_provenance_input){"estimated camera", XXH3_64bits(values, sizeof values)};
}

uint64_t atm_provenance_model_hash(const struct atm_model *model) {
    const struct atm_calibration *calibration = &model->calibration;
    size_t d0 = (size_t)model->latent * sizeof(double);
    const struct {
        const void *data;
        size_t bytes;
    } parts[] = {
        {model->params, (size_t)model->param_count * sizeof *model->params},
        {&model->image_scale, sizeof model->image_scale},
        {calibration->coefficients,
         calibration->coefficients ? 3 * (size_t)calibration->terms * sizeof(double) : 0},
        {calibration->mean, d0},
        {calibration->scale, d0},
        {calibration->low, d0},
        {calibration->high, d0},
        {&calibration->sigma_px, sizeof calibration->sigma_px},
    };
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        hash = XXH3_64bits_withSeed(parts[i].data, parts[i].bytes, hash);
    return hash;
}
