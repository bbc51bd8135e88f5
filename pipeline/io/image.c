#include "image.h"

#include "outfile.h"
#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

static void keep_error(png_structp png, png_const_charp message) {
    struct atm_err *err = png_get_error_ptr(png);
    atm_err_set(err, ATM_FAIL, "PNG: %s", message);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

/* libpng's own writer says "Write Error" of a full disk. */
static void put_bytes(png_structp png, png_bytep bytes, size_t size) {
    if (fwrite(bytes, 1, size, png_get_io_ptr(png)) != size)
        png_error(png, strerror(errno));
}

static void flush_nothing(png_structp png) { (void)png; } /* fclose does, and is checked */

/* Rows as libpng takes them: 8-bit RGB, or 16-bit grey of this machine's (little-endian) order. */
struct pixels {
    ptrdiff_t height, width;
    const uint8_t *rows;
    size_t row_bytes;
    int depth, color;
};

/* All calls that may jump, in a function of their own: no local changes behind setjmp. */
static enum atm_status put_png(png_structp png, png_infop info, FILE *out,
                               const struct pixels *pixels) {
    if (setjmp(png_jmpbuf(png)))
        return ATM_FAIL;
    png_set_write_fn(png, out, put_bytes, flush_nothing);
    png_set_IHDR(png, info, (png_uint_32)pixels->width, (png_uint_32)pixels->height, pixels->depth,
                 pixels->color, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    if (pixels->depth == 16)
        png_set_swap(png); /* the file has the high byte first */
    for (ptrdiff_t y = 0; y < pixels->height; y++)
        png_write_row(png, pixels->rows + pixels->row_bytes * (size_t)y);
    png_write_end(png, info);
    return ATM_OK;
}

static enum atm_status write_file(const char *temporary, const struct pixels *pixels,
                                  struct atm_err *err) {
    struct atm_err ours = {0}; /* libpng needs somewhere to put its message even if err is NULL */
    enum atm_status status = ATM_FAIL;
    png_infop info = NULL;
    FILE *out = fopen(temporary, "wbe");
    if (!out)
        return atm_err_errno(err, temporary, "write");
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, &ours, keep_error, ignore_warning);
    if (png)
        info = png_create_info_struct(png);
    if (!info)
        atm_err_memory(&ours, "a picture");
    else
        status = put_png(png, info, out, pixels);
    png_destroy_write_struct(&png, &info);
    if (fclose(out) != 0 && status == ATM_OK)
        status = atm_err_errno(&ours, temporary, "write");
    if (status != ATM_OK)
        atm_err_set(err, ATM_FAIL, "%s: %s", temporary, ours.text);
    return status;
}

static enum atm_status write_png(const char *path, const struct pixels *pixels,
                                 struct atm_err *err) {
    enum { LARGEST = 1000000 }; /* libpng's own limit for width and height */
    struct atm_outfile file = {0};
    if (pixels->height < 1 || pixels->width < 1 || pixels->height > LARGEST ||
        pixels->width > LARGEST)
        return atm_err_set(err, ATM_FAIL, "%s: a picture of %td x %td pixels cannot be written",
                           path, pixels->width, pixels->height);
    enum atm_status status = atm_outfile_begin(&file, path, err);
    if (status == ATM_OK)
        status = write_file(file.temporary, pixels, err);
    if (status == ATM_OK)
        status = atm_outfile_commit(&file, err);
    atm_outfile_discard(&file);
    return status;
}

enum atm_status atm_image_write_png(const char *path, ptrdiff_t height, ptrdiff_t width,
                                    const uint8_t *rgb, struct atm_err *err) {
    const struct pixels pixels = {height, width, rgb, 3 * (size_t)width, 8, PNG_COLOR_TYPE_RGB};
    return write_png(path, &pixels, err);
}

enum atm_status atm_image_write_png16(const char *path, ptrdiff_t height, ptrdiff_t width,
                                      const uint16_t *gray, struct atm_err *err) {
    const struct pixels pixels = {
        height, width, (const uint8_t *)gray, 2 * (size_t)width, 16, PNG_COLOR_TYPE_GRAY};
    return write_png(path, &pixels, err);
}
