/* A PNG picture as a movie of one frame; folders of them are joined like TIFF's. Colour becomes
 * grey, transparency is left out. */
#include "movie_format.h"

#include "mem.h"
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

struct picture {
    FILE *in;
    png_structp png;
    png_infop info;
    struct atm_err err; /* of libpng */
    uint16_t *pixels;   /* (height, width); bytes of 8-bit pictures stand at its start */
    png_bytep *rows;    /* (height) */
    int depth;
};

static bool probe(const char *path, const unsigned char *head, size_t size) {
    (void)path;
    return size >= 8 && png_sig_cmp(head, 0, 8) == 0;
}

static void keep_error(png_structp png, png_const_charp message) {
    struct atm_err *err = png_get_error_ptr(png);
    atm_err_set(err, ATM_FAIL, "%s", message);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static enum atm_status failed(const struct atm_movie *movie, struct atm_err *err) {
    const struct picture *picture = movie->state;
    return atm_err_set(err, ATM_FAIL, "%s: is no whole PNG picture (%s); copy it again",
                       movie->path, picture->err.text);
}

/* Calls that may jump, in functions of their own: no local changes behind setjmp. */
static bool read_header(struct picture *picture) {
    if (setjmp(png_jmpbuf(picture->png)))
        return false;
    png_init_io(picture->png, picture->in);
    png_set_user_limits(picture->png, 65536, 65536);
    png_read_info(picture->png, picture->info);
    return true;
}

static bool read_pixels(struct picture *picture) {
    const int color = png_get_color_type(picture->png, picture->info);
    if (setjmp(png_jmpbuf(picture->png)))
        return false;
    if (color == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(picture->png);
    else if (png_get_bit_depth(picture->png, picture->info) < 8)
        png_set_expand_gray_1_2_4_to_8(picture->png);
    if (color & PNG_COLOR_MASK_COLOR)
        png_set_rgb_to_gray(picture->png, PNG_ERROR_ACTION_NONE, PNG_RGB_TO_GRAY_DEFAULT,
                            PNG_RGB_TO_GRAY_DEFAULT);
    png_set_strip_alpha(picture->png);
    if (picture->depth == 16)
        png_set_swap(picture->png); /* the file has the high byte first */
    png_set_interlace_handling(picture->png);
    png_read_update_info(picture->png, picture->info);
    png_read_image(picture->png, picture->rows);
    return true;
}

static enum atm_status start(struct atm_movie *movie, struct atm_err *err) {
    struct picture *picture = movie->state;
    picture->in = fopen(movie->path, "rbe");
    if (!picture->in)
        return atm_err_errno(err, movie->path, "open");
    picture->png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, &picture->err, keep_error, ignore_warning);
    picture->info = picture->png ? png_create_info_struct(picture->png) : NULL;
    if (!picture->info)
        return atm_err_memory(err, movie->path);
    return read_header(picture) ? ATM_OK : failed(movie, err);
}

static void drop(struct picture *picture) {
    if (picture->png)
        png_destroy_read_struct(&picture->png, &picture->info, NULL);
    if (picture->in)
        fclose(picture->in);
    picture->in = NULL;
}

static enum atm_status load(struct atm_movie *movie, struct atm_err *err) {
    struct picture *picture = movie->state;
    const ptrdiff_t height = movie->info.height, width = movie->info.width;
    const size_t row_bytes = (size_t)width * (picture->depth == 16 ? 2 : 1);
    picture->pixels = atm_mem_alloc((size_t)(height * width), sizeof *picture->pixels);
    picture->rows = atm_mem_alloc((size_t)height, sizeof *picture->rows);
    if (!picture->pixels || !picture->rows)
        return atm_err_memory(err, movie->path);
    for (ptrdiff_t y = 0; y < height; y++)
        picture->rows[y] = (png_bytep)picture->pixels + row_bytes * (size_t)y;
    return read_pixels(picture) ? ATM_OK : failed(movie, err);
}

static enum atm_status open_png(struct atm_movie *movie, struct atm_err *err) {
    struct picture *picture = movie->state = atm_mem_alloc(1, sizeof *picture);
    if (!picture)
        return atm_err_memory(err, movie->path);
    enum atm_status status = start(movie, err);
    if (status != ATM_OK)
        return status;
    const png_uint_32 height = png_get_image_height(picture->png, picture->info);
    const png_uint_32 width = png_get_image_width(picture->png, picture->info);
    status = atm_movie_check_size(movie->path, "its header", height, width, err);
    if (status != ATM_OK)
        return status;
    picture->depth = png_get_bit_depth(picture->png, picture->info) == 16 ? 16 : 8;
    movie->info.frames = 1;
    movie->info.height = (ptrdiff_t)height;
    movie->info.width = (ptrdiff_t)width;
    snprintf(movie->info.format, sizeof movie->info.format, "%s", movie->format->name);
    snprintf(movie->info.sample, sizeof movie->info.sample, "uint%d", picture->depth);
    status = load(movie, err);
    drop(picture);
    return status;
}

static enum atm_status read_frames(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                   float *adu, struct atm_err *err) {
    const struct picture *picture = movie->state;
    const uint8_t *bytes = (const uint8_t *)picture->pixels;
    (void)first, (void)err;
    for (ptrdiff_t i = 0; i < count * movie->info.height * movie->info.width; i++)
        adu[i] = picture->depth == 16 ? (float)picture->pixels[i] : (float)bytes[i];
    return ATM_OK;
}

static void close_png(struct atm_movie *movie) {
    struct picture *picture = movie->state;
    if (!picture)
        return;
    drop(picture);
    atm_mem_free(picture->pixels);
    atm_mem_free(picture->rows);
    atm_mem_free(picture);
}

const struct atm_movie_format atm_movie_png = {
    .name = "PNG",
    .probe = probe,
    .open = open_png,
    .read = read_frames,
    .close = close_png,
};
