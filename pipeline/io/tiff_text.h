/* What stands in the ImageDescription of a TIFF file: ImageJ's `key=value` lines, OME-XML, and our
 * own camera keys, which ride behind ImageJ's (it ignores keys that it does not know). */
#ifndef ATM_TIFF_TEXT_H
#define ATM_TIFF_TEXT_H

#include "movie.h"

/* Frames that the text announces where directories may be missing: ImageJ's images=N, and
 * tifffile's
 * {"truncated": true, "shape": [N, height, width]}. 0 where it does not say. */
ptrdiff_t atm_tiff_text_images(const char *description);
/* Colours that frames alternate between: ImageJ's channels=N, OME's SizeC; 1 where it does not say.
 */
ptrdiff_t atm_tiff_text_channels(const char *description);
/* Fill what the text says, leave the rest. x_resolution: pixels per unit as in the XResolution tag.
 */
void atm_tiff_text_camera(const char *description, double x_resolution, struct atm_camera *camera);
/* The same from the JSON text that Micro-Manager keeps with each page (tag 51123). */
void atm_tiff_text_micromanager(const char *json, struct atm_camera *camera);
/* Samples a camera pixel where the image is a PSF that says so; 0 otherwise. */
double atm_tiff_text_oversampling(const char *description);
/* Text for writing, owned by the caller (atm_mem_free); NULL if out of memory. ome: OME-XML, which
 * needs the number of frames. */
char *atm_tiff_text_format(const struct atm_movie_layout *layout, bool ome);

#endif
