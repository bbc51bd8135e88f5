#include "camera.h"

#include <stdio.h>
#include <string.h>

/* A name in the camera's file is meant from its folder; an absolute one stays. */
static enum atm_status take_map(const char *file, const char *from, char *to, struct atm_err *err) {
    const char *slash = strrchr(file, '/');
    if (to[0] || !from[0])
        return ATM_OK;
    int folder = from[0] != '/' && slash ? (int)(slash + 1 - file) : 0;
    int length = snprintf(to, ATM_KEY_TEXT_SIZE, "%.*s%s", folder, file, from);
    return length < ATM_KEY_TEXT_SIZE
               ? ATM_OK
               : atm_err_set(err, ATM_FAIL, "%s: the name of %s is too long", file, from);
}

enum atm_status atm_camera_read_file(struct atm_camera *camera, struct atm_err *err) {
    struct atm_camera base;
    const struct atm_binding binding = {&atm_camera_section, &base};
    if (!camera->file[0])
        return ATM_OK;
    atm_ini_defaults(&binding, 1);
    enum atm_status status = atm_ini_read(camera->file, &binding, 1, err);
    if (!status && base.file[0])
        status = atm_err_set(err, ATM_FAIL, "%s: names another camera.file; put the values here",
                             camera->file);
    struct atm_camera merged = atm_camera_merge(&base, camera);
    memcpy(merged.file, camera->file, sizeof merged.file);
    const struct {
        const char *from;
        char *to;
    } maps[] = {{base.maps.offset, merged.maps.offset},
                {base.maps.gain, merged.maps.gain},
                {base.maps.variance, merged.maps.variance}};
    for (size_t i = 0; i < sizeof maps / sizeof *maps && !status; i++)
        status = take_map(camera->file, maps[i].from, maps[i].to, err);
    if (!status)
        *camera = merged;
    return status;
}
