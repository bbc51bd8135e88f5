/* Frames decoded before they are asked for: who reads a movie from its beginning to its end finds
 * the next frames ready. One thread of its own; a chunk of memory as large as what is asked for. */
#ifndef ATM_MOVIE_AHEAD_H
#define ATM_MOVIE_AHEAD_H

#include "err.h"
#include <stddef.h>

struct atm_movie;
struct atm_movie_ahead;

/* As the format's read. movie->reading_ahead is made at the first call that follows another. */
enum atm_status atm_movie_ahead_read(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                     float *adu, struct atm_err *err);
/* Waits for the thread. NULL is fine. */
void atm_movie_ahead_free(struct atm_movie_ahead **ahead);

#endif
