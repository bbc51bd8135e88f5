#include "camera_maps.h"
#include "command.h"
#include "mem.h"
#include "outfile.h"
#include "paths.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_MOVIES = 256, MAPS = 3 };
static const char *const endings[MAPS] = {"_offset.tif", "_gain.tif", "_variance.tif"};

/* The darks and the flats among the arguments, told apart by their names. */
struct sorted {
    char *darks[MOST_MOVIES], *flats[MOST_MOVIES];
    int dark_count, flat_count;
};

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static enum atm_status sort(const struct atm_call *call, struct sorted *sorted,
                            struct atm_err *err) {
    for (int i = 0; i < call->arg_count; i++) {
        char *path = call->args[i];
        bool dark = strcasestr(base_name(path), "dark"), flat = strcasestr(base_name(path), "flat");
        if (dark == flat)
            return atm_err_set(err, ATM_USAGE,
                               "%s: is it dark, or a flat field? Its name must have \"dark\" or "
                               "\"flat\" in it",
                               path);
        if (dark)
            sorted->darks[sorted->dark_count++] = path;
        else
            sorted->flats[sorted->flat_count++] = path;
    }
    if (!sorted->dark_count)
        return atm_err_set(err, ATM_USAGE, "no dark frames: a movie with \"dark\" in its name");
    if (!sorted->flat_count && isnan(call->config.camera.gain))
        return atm_err_set(err, ATM_USAGE,
                           "no flat fields, so the gain must be given: --set camera.gain=...");
    return ATM_OK;
}

static enum atm_status write_map(const char *path, const struct atm_camera_measured *measured,
                                 const float *map, struct atm_err *err) {
    const struct atm_movie_layout layout = {.frames = 1,
                                            .height = measured->height,
                                            .width = measured->width,
                                            .sample = ATM_MOVIE_F32,
                                            .camera = atm_movie_unknown_camera()};
    struct atm_movie_writer *writer = NULL;
    enum atm_status status = atm_movie_create(path, &layout, &writer, err);
    if (!status)
        status = atm_movie_append(writer, 1, map, err);
    if (!status)
        return atm_movie_finish(&writer, err);
    atm_movie_discard(&writer);
    return status;
}

/* The INI file: what was measured, and what was said of the camera otherwise. */
static enum atm_status write_file(const struct atm_call *call, char *const maps[MAPS],
                                  const struct atm_camera_measured *measured, struct atm_err *err) {
    struct atm_config config = call->config;
    struct atm_camera *camera = &config.camera;
    camera->offset = measured->offset_median;
    camera->gain = measured->gain_median;
    camera->read_noise = measured->read_noise_median;
    camera->file[0] = '\0';
    char *const names[MAPS] = {camera->maps.offset, camera->maps.gain, camera->maps.variance};
    for (int i = 0; i < MAPS; i++)
        snprintf(names[i], ATM_KEY_TEXT_SIZE, "%s", base_name(maps[i]));
    char *text = atm_config_resolved(&config, ATM_SECTION_CAMERA), *whole = NULL;
    if (!text || asprintf(&whole,
                          "# A camera, measured on %td dark frames and %td frames of %d flat "
                          "fields; use it by\n# camera.file. The maps lie beside this file.\n%s",
                          measured->dark_frames, measured->flat_frames, measured->levels, text) < 0)
        whole = NULL;
    enum atm_status status = whole ? atm_outfile_write_text(call->output, whole, err)
                                   : atm_err_memory(err, call->output);
    free(whole);
    atm_mem_free(text);
    return status;
}

static void print_measured(const struct atm_camera_measured *measured) {
    printf("%-20s %td x %td\n", "pixels:", measured->width, measured->height);
    printf("%-20s %.2f ADU (median)\n", "offset:", measured->offset_median);
    printf("%-20s %.3f e- (median)\n", "read noise:", measured->read_noise_median);
    printf("%-20s %.4f e-/ADU (median)\n", "gain:", measured->gain_median);
    if (!measured->levels)
        return;
    printf("%-20s %.2f %% between pixels, each measured to %.2f %%\n", "",
           100 * measured->gain_spread, 100 * measured->gain_error);
    if (measured->strange)
        printf("%-20s %td pixels show none and have the median\n", "", measured->strange);
}

static enum atm_status write_all(const struct atm_call *call,
                                 const struct atm_camera_measured *measured, struct atm_err *err) {
    const float *values[MAPS] = {measured->offset, measured->gain, measured->variance};
    char *maps[MAPS] = {NULL};
    enum atm_status status = ATM_OK;
    for (int i = 0; i < MAPS && !status; i++) {
        maps[i] = atm_path_beside(call->output, endings[i]);
        status = maps[i] ? write_map(maps[i], measured, values[i], err)
                         : atm_err_memory(err, "a file name");
    }
    if (!status)
        status = write_file(call, maps, measured, err);
    for (int i = 0; i < MAPS; i++) {
        if (!status)
            atm_log(call->sink, ATM_LOG_INFO, "wrote %s", maps[i]);
        atm_mem_free(maps[i]);
    }
    return status;
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    struct sorted sorted = {0};
    struct atm_camera_measured measured = {0};
    enum atm_status status = sort(call, &sorted, err);
    if (!status && !atm_path_ends(call->output, ".ini"))
        status = atm_err_set(err, ATM_USAGE, "%s: a camera's file is an .ini", call->output);
    if (!status)
        status = atm_path_check_output(call->output, err);
    if (!status)
        status =
            atm_camera_measure(sorted.darks, sorted.dark_count, sorted.flats, sorted.flat_count,
                               call->config.camera.gain, call->sink, &measured, err);
    if (!status)
        status = write_all(call, &measured, err);
    if (!status) {
        print_measured(&measured);
        atm_log(call->sink, ATM_LOG_INFO, "wrote %s", call->output);
    }
    atm_camera_measured_free(&measured);
    return status;
}

const struct atm_command atm_command_camera = {
    .name = "camera",
    .arguments = "dark*.tif flat*.tif -o CAMERA.ini",
    .summary = "measure a camera's pixels: maps of offset, gain and read noise",
    .help =
        "Movies with \"dark\" in their names are without light; those with \"flat\" evenly lit, "
        "each at one\n"
        "level (one is enough; several hundred frames each). Writes CAMERA.ini and beside it "
        "CAMERA_offset.tif,\n"
        "CAMERA_gain.tif and CAMERA_variance.tif; --set camera.file=CAMERA.ini uses them "
        "everywhere. Without\n"
        "flats camera.gain must be given. Other keys of [camera] that are set go into the file "
        "too.",
    .min_args = 1,
    .max_args = MOST_MOVIES,
    .options = ATM_OPTION_OUTPUT_NEEDED,
    .sections = ATM_SECTION_CAMERA,
    .run = run,
};
