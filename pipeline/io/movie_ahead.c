#include "movie_ahead.h"

#include "mem.h"
#include "movie_format.h"
#include <pthread.h>
#include <string.h>

struct atm_movie_ahead {
    pthread_t thread;
    bool running;
    struct atm_movie *movie; /* borrowed */
    ptrdiff_t end;           /* of the last read */
    ptrdiff_t first, count;  /* what the thread reads */
    float *frames;           /* grown to the largest count */
    ptrdiff_t room;          /* frames */
    enum atm_status status;
    struct atm_err err;
};

static void *work(void *context) {
    struct atm_movie_ahead *ahead = context;
    ahead->status = ahead->movie->format->read(ahead->movie, ahead->first, ahead->count,
                                               ahead->frames, &ahead->err);
    return NULL;
}

/* Failing here costs speed only. */
static void start(struct atm_movie_ahead *ahead, ptrdiff_t first, ptrdiff_t count) {
    const struct atm_movie_info *info = &ahead->movie->info;
    const ptrdiff_t left = info->frames - first;
    ahead->first = first;
    ahead->count = count < left ? count : left;
    if (ahead->count <= 0)
        return;
    if (ahead->room < ahead->count) {
        atm_mem_free(ahead->frames);
        ahead->frames = atm_mem_alloc((size_t)ahead->count,
                                      (size_t)(info->height * info->width) * sizeof(float));
        ahead->room = ahead->frames ? ahead->count : 0;
    }
    ahead->err.text[0] = '\0';
    ahead->running = ahead->frames && !pthread_create(&ahead->thread, NULL, work, ahead);
}

static void wait_for(struct atm_movie_ahead *ahead) {
    if (ahead->running)
        pthread_join(ahead->thread, NULL);
    ahead->running = false;
}

/* The thread's frames, if they are those. */
static bool take(struct atm_movie_ahead *ahead, ptrdiff_t first, ptrdiff_t count, float *adu,
                 enum atm_status *status, struct atm_err *err) {
    const struct atm_movie_info *info = &ahead->movie->info;
    bool there = ahead->running;
    wait_for(ahead);
    if (!there || first != ahead->first || count != ahead->count)
        return false;
    *status = ahead->status;
    if (*status && err)
        *err = ahead->err;
    if (!*status)
        memcpy(adu, ahead->frames, (size_t)(count * info->height * info->width) * sizeof *adu);
    return true;
}

enum atm_status atm_movie_ahead_read(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                     float *adu, struct atm_err *err) {
    if (!movie->reading_ahead) {
        movie->reading_ahead = atm_mem_alloc(1, sizeof *movie->reading_ahead);
        if (!movie->reading_ahead)
            return atm_err_memory(err, movie->path);
        movie->reading_ahead->movie = movie;
        movie->reading_ahead->end = -1;
    }
    struct atm_movie_ahead *ahead = movie->reading_ahead;
    enum atm_status status;
    if (!take(ahead, first, count, adu, &status, err))
        status = movie->format->read(movie, first, count, adu, err);
    if (!status && first == ahead->end)
        start(ahead, first + count, count);
    ahead->end = first + count;
    return status;
}

void atm_movie_ahead_free(struct atm_movie_ahead **ahead) {
    if (!*ahead)
        return;
    wait_for(*ahead);
    atm_mem_free((*ahead)->frames);
    atm_mem_free(*ahead);
    *ahead = NULL;
}
