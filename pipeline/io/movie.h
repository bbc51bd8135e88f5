/* Movies of any format behind one reader: frames of raw camera values (ADU) as float.
 * Formats are rows of one table (movie.c): TIFF, HDF5 stack, PNG, IDX, NumPy, UNIPEN. */
#ifndef ATM_MOVIE_H
#define ATM_MOVIE_H

#include "err.h"
#include "ini.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of cameras whose pixels differ: files of one image each, as large as the frames; "": none. */
struct atm_camera_maps {
    char offset[ATM_KEY_TEXT_SIZE], gain[ATM_KEY_TEXT_SIZE], variance[ATM_KEY_TEXT_SIZE];
};

/* photons = (ADU - offset) * gain / (em_gain * qe). Unknown values are NAN. */
struct atm_camera {
    double pixel_size_nm;
    double offset;     /* ADU */
    double gain;       /* e- per ADU */
    double em_gain;    /* 1: none */
    double qe;         /* quantum efficiency, 0..1 */
    double read_noise; /* e-, before EM gain */
    double saturation; /* ADU; pixels from this value on tell nothing */
    double exposure_ms;
    char name[ATM_KEY_TEXT_SIZE]; /* "": not known */
    char file[ATM_KEY_TEXT_SIZE]; /* INI file with values for what is not set here; "": none */
    struct atm_camera_maps maps;
};

/* A part of the field; width 0: all of it. */
struct atm_movie_roi {
    ptrdiff_t x, y, width, height;
};
/* "x, y, width, height" in px, or "" for all. key is for the message. */
enum atm_status atm_movie_roi_parse(const char *text, const char *key, struct atm_movie_roi *roi,
                                    struct atm_err *err);

/* Pictures made fit for a network, before anything else is done with them. */
struct atm_movie_picture_options {
    ptrdiff_t size_px; /* the longer side, by area averaging; 0: as it is */
    bool invert;       /* white on black from black on white */
    double pen_px;     /* width of drawn pen trajectories; 0: 7/128 of the image */
};

struct atm_movie_options {
    bool allow_truncated; /* give the whole frames of a file that was cut off */
    struct atm_movie_picture_options picture;
    /* File of labels (IDX or .npy); "": in the file, or beside it. */
    char labels[ATM_KEY_TEXT_SIZE];
    struct atm_movie_roi roi; /* frames are this part of those in the file */
};

/* All NAN. */
struct atm_camera atm_movie_unknown_camera(void);

struct atm_movie_info {
    ptrdiff_t frames, height, width;
    struct atm_movie_roi field; /* where the frames lie: x, y in, and size of, those of the file */
    char format[32];            /* "TIFF", "BigTIFF", "HDF5 stack" */
    char sample[16];            /* "uint16", "float32", ... */
    struct atm_camera camera;   /* what the file itself says */
    ptrdiff_t missing_frames;   /* > 0: truncated, and opened by allow_truncated */
    ptrdiff_t channels;  /* > 1: the file says that frames of so many colours or planes alternate */
    uint64_t hash;       /* XXH3 of the file's bytes; 0 until atm_movie_hash */
    bool has_truth;      /* HDF5 stack with /truth: read it by atm_table_read */
    bool has_strokes;    /* the same with pen strokes: atm_movie_strokes */
    bool has_labels;     /* of its images: atm_movie_labels */
    double oversampling; /* of a PSF: samples a camera pixel; 0: the file does not say */
};

struct atm_movie;

/* path: a file; the first of a recording that goes on in other files; a folder of numbered images;
 * or a pattern of names. options NULL: defaults. One message with the file and page for: missing,
 * empty, truncated, not an image, a page of another size, unsupported samples. Pages are indexed
 * here, so read rarely fails. */
enum atm_status atm_movie_open(const char *path, const struct atm_movie_options *options,
                               struct atm_movie **movie, struct atm_err *err);
const struct atm_movie_info *atm_movie_info(const struct atm_movie *movie);
const char *atm_movie_path(const struct atm_movie *movie);
/* The files that it reads, one after the other; NULL after the last. */
const char *atm_movie_file(const struct atm_movie *movie, ptrdiff_t index);
/* Frames [first, first + count) as (count, H, W) row-major. Fails, naming the frame and pixel, on
 * NaN or infinite pixels. Bounded memory. Not thread-safe. */
enum atm_status atm_movie_read(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                               float *adu, struct atm_err *err);
/* XXH3 64 of the whole file, or of all the files one behind the other; stored in info. */
enum atm_status atm_movie_hash(struct atm_movie *movie, uint64_t *hash, struct atm_err *err);
/* One number per frame, where info has_labels; -1: none. */
enum atm_status atm_movie_labels(struct atm_movie *movie, int32_t *labels, struct atm_err *err);
/* A pen stroke of a synthetic image: a cubic Bezier curve; of degree 2 it is one that was raised to
 * 3. Pixels, centres at integers. */
struct atm_stroke {
    int64_t frame, id, degree;
    double x[4], y[4]; /* control points */
    double pen_px;     /* standard deviation of the pen */
};
/* All of a stack's, by frame; owned by the caller (atm_mem_free). */
enum atm_status atm_movie_strokes(const char *path, struct atm_stroke **strokes, ptrdiff_t *count,
                                  struct atm_err *err);
/* Bytes of all its files at this moment; 0 where one is not there. */
int64_t atm_movie_bytes(const struct atm_movie *movie);
/* Look again: a file that is being written may have more frames now. Where it cannot be read at the
 * moment, the movie stays as it is. Pointers to its info are void afterwards. */
void atm_movie_refresh(struct atm_movie **movie);
void atm_movie_close(struct atm_movie **movie);

/* Writers. By name: .tif/.tiff (BigTIFF from 4 GB on, ImageJ-readable description, pixel size as
 * resolution), .ome.tif (the same with OME-XML), .h5/.hdf5 (stack). Streaming; appears under its
 * name at close only. */
enum atm_movie_sample { ATM_MOVIE_U16, ATM_MOVIE_F32 };
struct atm_movie_writer;
/* frames may be -1 if unknown. provenance: text kept in the file (resolved INI etc.), may be NULL.
 */
struct atm_movie_layout {
    ptrdiff_t frames, height, width;
    enum atm_movie_sample sample;
    struct atm_camera camera;
    const char *provenance;
    double oversampling; /* TIFF of a PSF: samples a camera pixel, and camera.pixel_size_nm is that
                          * of a sample; 0: no PSF */
};
enum atm_status atm_movie_create(const char *path, const struct atm_movie_layout *layout,
                                 struct atm_movie_writer **writer, struct atm_err *err);
/* (count, H, W); U16 rounds to nearest and clips to 0..65535. */
enum atm_status atm_movie_append(struct atm_movie_writer *writer, ptrdiff_t count, const float *adu,
                                 struct atm_err *err);
struct atm_table;
/* HDF5 stacks only (an error for TIFF): put /truth beside the frames before finishing. */
enum atm_status atm_movie_add_truth(struct atm_movie_writer *writer, const struct atm_table *truth,
                                    struct atm_err *err);
/* HDF5 stacks only, too: pen strokes as /truth, and /labels (frames). */
enum atm_status atm_movie_add_strokes(struct atm_movie_writer *writer,
                                      const struct atm_stroke *strokes, ptrdiff_t count,
                                      struct atm_err *err);
enum atm_status atm_movie_add_labels(struct atm_movie_writer *writer, const int32_t *labels,
                                     struct atm_err *err);
/* Complete and rename. Releases the writer also on failure. */
enum atm_status atm_movie_finish(struct atm_movie_writer **writer, struct atm_err *err);
/* Drop: nothing is left. NULL is fine. */
void atm_movie_discard(struct atm_movie_writer **writer);

#endif
