#include "psf_file.h"
#include "h5.h"
#include "mem.h"
#include "movie.h"
#include "outfile.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static const char DATA[] = "/psf", OVERSAMPLING[] = "oversampling", PROVENANCE[] = "provenance";
enum { SIZE_MOST = 2048 }; /* before anything is allocated for a file's word */

static bool ends(const char *path, const char *ending) {
    size_t length = strlen(path), tail = strlen(ending);
    return length >= tail && !strcasecmp(path + length - tail, ending);
}

static bool is_tiff(const char *path) { return ends(path, ".tif") || ends(path, ".tiff"); }

enum atm_status atm_psf_check_name(const char *path, struct atm_err *err) {
    bool ome = ends(path, ".ome.tif") || ends(path, ".ome.tiff");
    if ((is_tiff(path) && !ome) || ends(path, ".h5") || ends(path, ".hdf5"))
        return ATM_OK;
    return atm_err_set(err, ATM_USAGE, "%s: a PSF is written as .tif or .h5", path);
}

/* Memory for an image whose extents a file gave. */
static enum atm_status allocate(const char *path, ptrdiff_t rows, ptrdiff_t columns,
                                double oversampling, struct atm_psf_image *image,
                                struct atm_err *err) {
    if (rows != columns || rows < 1 || rows > SIZE_MOST)
        return atm_err_set(err, ATM_FAIL,
                           "%s: the PSF is %td x %td, not square and at most %d samples a side",
                           path, columns, rows, SIZE_MOST);
    if (!(oversampling >= 1 && oversampling <= 64 && trunc(oversampling) == oversampling))
        return atm_err_set(err, ATM_FAIL,
                           "%s: does not say how many samples a pixel the PSF has, from 1 to 64: "
                           "psf_oversampling=N in a TIFF's description, the attribute "
                           "'oversampling' of HDF5's /psf",
                           path);
    image->size = rows, image->oversampling = (ptrdiff_t)oversampling;
    image->samples = atm_mem_alloc((size_t)(rows * rows), sizeof *image->samples);
    return image->samples ? ATM_OK : atm_err_memory(err, path);
}

static enum atm_status read_tiff(const char *path, struct atm_psf_image *image,
                                 struct atm_err *err) {
    struct atm_movie *movie = NULL;
    enum atm_status status = atm_movie_open(path, NULL, &movie, err);
    if (status)
        return status;
    const struct atm_movie_info *info = atm_movie_info(movie);
    if (info->frames != 1)
        status = atm_err_set(err, ATM_FAIL, "%s: %td images; a PSF is one", path, info->frames);
    if (!status)
        status = allocate(path, info->height, info->width, info->oversampling, image, err);
    if (!status)
        status = atm_movie_read(movie, 0, 1, image->samples, err);
    atm_movie_close(&movie);
    return status;
}

static enum atm_status read_h5(const char *path, struct atm_psf_image *image, struct atm_err *err) {
    struct atm_h5 *file = NULL;
    int rank = 0;
    ptrdiff_t dims[ATM_H5_MAX_RANK] = {0};
    double oversampling = NAN;
    enum atm_status status = atm_h5_open(path, &file, err);
    if (!status && !atm_h5_exists(file, DATA))
        status = atm_err_set(err, ATM_FAIL, "%s: holds no PSF: no data set %s", path, DATA);
    if (!status)
        status = atm_h5_shape(file, DATA, &rank, dims, err);
    if (!status)
        status = atm_h5_read_number(file, DATA, OVERSAMPLING, &oversampling, err);
    if (!status)
        status = allocate(path, rank == 2 ? dims[0] : 0, dims[1], oversampling, image, err);
    if (!status)
        status = atm_h5_read(file, DATA, ATM_H5_F32, dims[0] * dims[1], image->samples, err);
    atm_h5_close(&file, NULL);
    return status;
}

enum atm_status atm_psf_read_image(const char *path, struct atm_psf_image *image,
                                   struct atm_err *err) {
    *image = (struct atm_psf_image){0};
    enum atm_status status =
        is_tiff(path) ? read_tiff(path, image, err) : read_h5(path, image, err);
    if (status)
        atm_psf_image_free(image);
    return status;
}

enum atm_status atm_psf_read(const char *path, struct atm_spline **spline, struct atm_err *err) {
    struct atm_psf_image image;
    *spline = NULL;
    enum atm_status status = atm_psf_read_image(path, &image, err);
    if (!status)
        status = atm_spline_create(image.samples, image.size, image.oversampling, spline, err);
    atm_psf_image_free(&image);
    return status;
}

static enum atm_status write_tiff(const char *path, const struct atm_psf_image *image,
                                  double pixel_size_nm, const char *provenance,
                                  struct atm_err *err) {
    const double q = (double)image->oversampling;
    struct atm_movie_layout layout = {.frames = 1,
                                      .height = image->size,
                                      .width = image->size,
                                      .sample = ATM_MOVIE_F32,
                                      .camera = atm_movie_unknown_camera(),
                                      .provenance = provenance,
                                      .oversampling = q};
    struct atm_movie_writer *writer = NULL;
    layout.camera.pixel_size_nm = pixel_size_nm / q;
    enum atm_status status = atm_movie_create(path, &layout, &writer, err);
    if (!status)
        status = atm_movie_append(writer, 1, image->samples, err);
    if (!status)
        return atm_movie_finish(&writer, err);
    atm_movie_discard(&writer);
    return status;
}

static enum atm_status write_h5(const char *path, const struct atm_psf_image *image,
                                double pixel_size_nm, const char *provenance, struct atm_err *err) {
    struct atm_outfile out = {0};
    struct atm_h5 *file = NULL;
    const ptrdiff_t dims[2] = {image->size, image->size};
    enum atm_status status = atm_outfile_begin(&out, path, err);
    if (!status)
        status = atm_h5_create(out.temporary, &file, err);
    if (!status)
        status = atm_h5_write(file, DATA, ATM_H5_F32, 2, dims, image->samples, err);
    if (!status)
        status = atm_h5_write_number(file, DATA, OVERSAMPLING, (double)image->oversampling, err);
    if (!status && isfinite(pixel_size_nm))
        status = atm_h5_write_number(file, DATA, "pixel_size_nm", pixel_size_nm, err);
    if (!status && provenance)
        status = atm_h5_write_text(file, "/", PROVENANCE, provenance, err);
    enum atm_status closed = atm_h5_close(&file, status ? NULL : err);
    status = status ? status : closed;
    if (!status)
        status = atm_outfile_commit(&out, err);
    atm_outfile_discard(&out);
    return status;
}

enum atm_status atm_psf_write(const char *path, const struct atm_psf_image *image,
                              double pixel_size_nm, const char *provenance, struct atm_err *err) {
    return is_tiff(path) ? write_tiff(path, image, pixel_size_nm, provenance, err)
                         : write_h5(path, image, pixel_size_nm, provenance, err);
}
