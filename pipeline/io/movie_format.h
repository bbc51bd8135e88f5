/* What movie.c and the movie formats share; nobody else includes this. */
#ifndef ATM_MOVIE_FORMAT_H
#define ATM_MOVIE_FORMAT_H

#include "movie.h"
#include "movie_files.h"

struct atm_movie {
    const struct atm_movie_format *format;
    char *path;             /* owned */
    struct atm_files files; /* those that the frames are in, and that are hashed, in order */
    bool in_parts;          /* set by a file's open: it is one of several, which `files` lists */
    ptrdiff_t announced;    /* frames in all of them, as it says */
    char *labels;           /* owned: path of the labels, where they stand in another file */
    struct atm_movie_options options;
    struct atm_movie_info info;  /* filled by open: the file's frames */
    struct atm_movie_info shown; /* the same for those who read: of the region of interest */
    float *whole;                /* frames of the file where it is a part of them */
    void *state; /* the format's own; released by its close, also after a failed open */
    bool ahead;  /* set by open: reading costs time, and a thread of its own may do it */
    struct atm_movie_ahead *reading_ahead; /* owned; NULL: not yet */
};

struct atm_movie_format {
    const char *name;
    /* Is it ours, by its first bytes or its name? NULL: not a format of files. */
    bool (*probe)(const char *path, const unsigned char *head, size_t size);
    enum atm_status (*open)(struct atm_movie *movie, struct atm_err *err);
    /* The range is checked by the caller, and so are the pixels. */
    enum atm_status (*read)(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count, float *adu,
                            struct atm_err *err);
    /* (frames), where info.has_labels was set by open. */
    enum atm_status (*read_labels)(struct atm_movie *movie, int32_t *labels, struct atm_err *err);
    void (*close)(struct atm_movie *movie);
};

extern const struct atm_movie_format atm_movie_tiff, atm_movie_hdf5, atm_movie_raw, atm_movie_idx,
    atm_movie_npy, atm_movie_unipen, atm_movie_png, atm_movie_joined, atm_movie_picture;
/* The state of atm_movie_picture in front of inner, which it then owns. */
enum atm_status atm_movie_picture_state(struct atm_movie *inner, void **state,
                                        struct atm_err *err);

/* One file by itself, whatever it says of others; those stand in movie->files afterwards. */
enum atm_status atm_movie_open_file(const char *path, const struct atm_movie_options *options,
                                    struct atm_movie **movie, struct atm_err *err);

/* Where labels are that stand in another file: as the options name it, or beside an IDX file of
 * images. Sets info.has_labels. */
enum atm_status atm_movie_find_labels(struct atm_movie *movie, struct atm_err *err);

/* Refuses empty images and those that nobody can mean: sizes come from headers. what: "page 7". */
enum atm_status atm_movie_check_size(const char *path, const char *what, uint64_t height,
                                     uint64_t width, struct atm_err *err);

#endif
