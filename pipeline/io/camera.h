/* The camera: [camera] of a configuration on top of what the movie's file says. */
#ifndef ATM_CAMERA_H
#define ATM_CAMERA_H

#include "ini.h"
#include "movie.h"
#include <stdbool.h>

/* Fills a struct atm_camera; "auto" (NAN) means: as the file says. */
extern const struct atm_section atm_camera_section;

/* Values that `over` has (not NAN) replace those of `base`. */
struct atm_camera atm_camera_merge(const struct atm_camera *base, const struct atm_camera *over);

/* Values of the INI file that camera->file names ("": none) where camera has none; maps that it
 * names lie beside it. Files that name a file themselves are refused. */
enum atm_status atm_camera_read_file(struct atm_camera *camera, struct atm_err *err);

/* A map of a camera: the only image of a TIFF or HDF5 file, of the size of the movie's frames or
 * of the field that they are a region of, which is then cut out. (height, width), owned by the
 * caller (atm_mem_free). Values below least are refused. hash: the file's is mixed in. */
enum atm_status atm_camera_read_map(const char *path, const struct atm_movie_info *movie,
                                    double least, float **map, uint64_t *hash,
                                    struct atm_err *err);

/* True when gain (and so the photon scale) is known; *offset and *photons_per_adu then convert:
 * photons = (ADU - offset) * photons_per_adu. Unknown offset counts as 0, EM gain and QE as 1. When false
 * they are 0 and 1: images stay in ADU, "relative units". */
bool atm_camera_photons(const struct atm_camera *camera, double *offset, double *photons_per_adu);

#endif
