/* OME-XML as far as a movie needs it: where its frames are, and what the camera is. Read by looking
 * for attributes: the text of a long recording has a hundred bytes for each frame. */
#ifndef ATM_OME_TEXT_H
#define ATM_OME_TEXT_H

#include "movie.h"
#include "movie_files.h"

bool atm_ome_is(const char *description);
/* Frames that the whole recording has, in all its files; 0 where it does not say. */
ptrdiff_t atm_ome_frames(const char *description);
ptrdiff_t atm_ome_channels(const char *description);
/* Files that the planes are in, each once, by the first time point in it; beside `path`. Names with
 * folders in them are left out. None where the text names no files. */
enum atm_status atm_ome_files(const char *description, const char *path, struct atm_files *files,
                              struct atm_err *err);
/* Fills what the text says, leaves the rest. */
void atm_ome_camera(const char *description, struct atm_camera *camera);

#endif
