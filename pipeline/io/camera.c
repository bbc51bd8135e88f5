#include "camera.h"

#include <math.h>
#include <string.h>

#define MAP(field, help_)                                                                          \
    {                                                                                              \
        #field "_map", ATM_KEY_TEXT, offsetof(struct atm_camera, maps.field), "", 0, 0, NULL, "",  \
            help_                                                                                  \
    }

const struct atm_section atm_camera_section = {
    "camera",
    "photons = (ADU - offset) * gain / (em_gain * qe). auto: as the movie's file says.",
    (const struct atm_key[]){
        ATM_KEY_STRING(struct atm_camera, file, "",
                       "INI file whose [camera] says what is not said here, as `atomloc camera` "
                       "makes it"),
        ATM_KEY(struct atm_camera, pixel_size_nm, DOUBLE, "auto", 1, 1e5, "nm",
                "pixel size in the sample"),
        ATM_KEY(struct atm_camera, offset, DOUBLE, "auto", -1e6, 1e6, "ADU",
                "value of a pixel without light; 0 where nothing says"),
        ATM_KEY(struct atm_camera, gain, DOUBLE, "auto", 1e-6, 1e6, "e-/ADU",
                "photoelectrons per ADU; where nothing says, images stay in ADU"),
        ATM_KEY(struct atm_camera, em_gain, DOUBLE, "auto", 1, 1e5, "",
                "electron multiplication; 1 (none) where nothing says"),
        ATM_KEY(struct atm_camera, qe, DOUBLE, "auto", 0.01, 1, "",
                "quantum efficiency; 1 where nothing says: photons are then photoelectrons"),
        ATM_KEY(struct atm_camera, read_noise, DOUBLE, "auto", 0, 1e4, "e-",
                "standard deviation, before electron multiplication"),
        ATM_KEY(struct atm_camera, saturation, DOUBLE, "auto", 1e-6, 1e9, "ADU",
                "pixels from this value on are left out of the fit; auto: none"),
        ATM_KEY(struct atm_camera, exposure_ms, DOUBLE, "auto", 1e-3, 1e9, "ms",
                "time that light was collected for a frame; for the record"),
        ATM_KEY_STRING(struct atm_camera, name, "", "name of the camera; for the record"),
        MAP(offset, "file of one image: each pixel's offset in ADU, instead of `offset`"),
        MAP(gain, "file of one image: each pixel's gain in e-/ADU, instead of `gain`"),
        MAP(variance, "file of one image: each pixel's read noise, squared, in e-^2"),
    },
    13,
};

static double merged(double base, double over) { return isnan(over) ? base : over; }

struct atm_camera atm_camera_merge(const struct atm_camera *base, const struct atm_camera *over) {
    struct atm_camera camera = {
        .pixel_size_nm = merged(base->pixel_size_nm, over->pixel_size_nm),
        .offset = merged(base->offset, over->offset),
        .gain = merged(base->gain, over->gain),
        .em_gain = merged(base->em_gain, over->em_gain),
        .qe = merged(base->qe, over->qe),
        .read_noise = merged(base->read_noise, over->read_noise),
        .saturation = merged(base->saturation, over->saturation),
        .exposure_ms = merged(base->exposure_ms, over->exposure_ms),
        .maps = over->maps,
    };
    memcpy(camera.name, over->name[0] ? over->name : base->name, sizeof camera.name);
    return camera;
}

bool atm_camera_photons(const struct atm_camera *camera, double *offset, double *photons_per_adu) {
    *offset = 0;
    *photons_per_adu = 1;
    if (isnan(camera->gain))
        return false;
    *offset = merged(0, camera->offset);
    *photons_per_adu = camera->gain / (merged(1, camera->em_gain) * merged(1, camera->qe));
    return true;
}
