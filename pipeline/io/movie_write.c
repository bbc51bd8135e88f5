/* Movie writers. */
#include "movie.h"

#include "h5.h"
#include "mem.h"
#include "movie_format.h"
#include "outfile.h"
#include "stroke_fields.h"
#include "table.h"
#include "tiff_open.h"
#include "tiff_text.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Small frames go to HDF5 a chunk at a time: see h5_array.c. */
enum { MAX_BLOCK_FRAMES = 64, BLOCK_BYTES = 65536, GZIP_LEVEL = 2 };
static const char FRAMES[] = "/frames", TRUTH[] = "/truth";

struct kind {
    const char *extensions[2];
    enum atm_status (*create)(struct atm_movie_writer *writer, struct atm_err *err);
    /* The block of `count` frames in writer->block, already of the file's type. */
    enum atm_status (*append)(struct atm_movie_writer *writer, ptrdiff_t count,
                              struct atm_err *err);
    enum atm_status (*close)(struct atm_movie_writer *writer, struct atm_err *err);
    bool has_truth;
};

struct atm_movie_writer {
    const struct kind *kind;
    struct atm_movie_layout layout;
    char *provenance; /* owned; the layout's points here */
    struct atm_outfile out;
    ptrdiff_t written;
    ptrdiff_t block_frames;
    void *block;
    TIFF *tiff;
    struct atm_tiff_message message;
    char *description;
    bool ome; /* TIFF: OME's description, not ImageJ's */
    struct atm_h5 *h5;
};

static size_t sample_size(const struct atm_movie_layout *layout) {
    return layout->sample == ATM_MOVIE_U16 ? sizeof(uint16_t) : sizeof(float);
}

static size_t frame_bytes(const struct atm_movie_layout *layout) {
    return (size_t)layout->height * (size_t)layout->width * sample_size(layout);
}

/* ---- TIFF ---- */

static enum atm_status tiff_failed(struct atm_movie_writer *writer, struct atm_err *err) {
    const char *reason = errno ? strerror(errno) : writer->message.text;
    return atm_err_set(err, ATM_FAIL, "%s: cannot write frame %td: %s", writer->out.path,
                       writer->written, reason);
}

/* Classic TIFF ends at 4 GB; a page costs its pixels and about 200 bytes of directory. */
static bool needs_big(const struct atm_movie_layout *layout) {
    if (layout->frames < 0)
        return true;
    double text = layout->provenance ? (double)strlen(layout->provenance) : 0;
    return (double)layout->frames * ((double)frame_bytes(layout) + 512) + text > 4.2e9;
}

static bool is_ome(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot - path > 4 && !strncasecmp(dot - 4, ".ome", 4);
}

static enum atm_status create_tiff(struct atm_movie_writer *writer, struct atm_err *err) {
    writer->ome = is_ome(writer->out.path);
    if (writer->ome && writer->layout.frames < 0)
        return atm_err_set(err, ATM_FAIL,
                           "%s: an OME-TIFF says how many frames it has, and that is not known yet",
                           writer->out.path);
    errno = 0;
    writer->description = atm_tiff_text_format(&writer->layout, writer->ome);
    if (!writer->description)
        return atm_err_memory(err, writer->out.path);
    const char *mode = needs_big(&writer->layout) ? "w8l" : "wl";
    writer->tiff = atm_tiff_open(writer->out.temporary, mode, &writer->message);
    return writer->tiff ? ATM_OK : tiff_failed(writer, err);
}

/* Only the first page carries texts: a stack has thousands of pages. */
static bool set_texts(struct atm_movie_writer *writer) {
    TIFF *tiff = writer->tiff;
    static const char PROGRAM[] = "atomloc " ATM_VERSION "\n";
    const char *provenance = writer->layout.provenance ? writer->layout.provenance : "";
    size_t size = sizeof PROGRAM + strlen(provenance);
    char *software = atm_mem_alloc(size, 1);
    if (!software)
        return false;
    snprintf(software, size, "%s%s", PROGRAM, provenance);
    bool good = TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, writer->description) &&
                TIFFSetField(tiff, TIFFTAG_SOFTWARE, software);
    atm_mem_free(software);
    return good;
}

static bool write_page(struct atm_movie_writer *writer, void *pixels) {
    TIFF *tiff = writer->tiff;
    const struct atm_movie_layout *layout = &writer->layout;
    const double nm = layout->camera.pixel_size_nm;
    bool u16 = layout->sample == ATM_MOVIE_U16;
    bool good =
        TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, (uint32_t)layout->width) &&
        TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, (uint32_t)layout->height) &&
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, (uint32_t)layout->height) &&
        TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, u16 ? 16 : 32) &&
        TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, u16 ? SAMPLEFORMAT_UINT : SAMPLEFORMAT_IEEEFP) &&
        TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1) &&
        TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_NONE) &&
        TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) &&
        TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    /* ImageJ: pixels per um, which the description names; otherwise the tag's own unit */
    const double per_unit = (writer->ome ? 1e7 : 1e3) / nm;
    if (good && isfinite(nm))
        good = TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT,
                            writer->ome ? RESUNIT_CENTIMETER : RESUNIT_NONE) &&
               TIFFSetField(tiff, TIFFTAG_XRESOLUTION, per_unit) &&
               TIFFSetField(tiff, TIFFTAG_YRESOLUTION, per_unit);
    if (good && writer->written == 0)
        good = set_texts(writer);
    const tmsize_t bytes = (tmsize_t)frame_bytes(layout);
    return good && TIFFWriteEncodedStrip(tiff, 0, pixels, bytes) == bytes &&
           TIFFWriteDirectory(tiff);
}

static enum atm_status append_tiff(struct atm_movie_writer *writer, ptrdiff_t count,
                                   struct atm_err *err) {
    errno = 0; /* libtiff's own messages do not say "no space left" */
    for (ptrdiff_t i = 0; i < count; i++) {
        if (!write_page(writer, (char *)writer->block + (size_t)i * frame_bytes(&writer->layout)))
            return tiff_failed(writer, err);
        writer->written++;
    }
    return ATM_OK;
}

/* Nothing is left to be written: every page was written with its directory. */
static enum atm_status close_tiff(struct atm_movie_writer *writer, struct atm_err *err) {
    (void)err;
    if (writer->tiff)
        TIFFClose(writer->tiff);
    writer->tiff = NULL;
    return ATM_OK;
}

/* ---- HDF5 stack ---- */

static enum atm_status write_attributes(struct atm_movie_writer *writer, struct atm_err *err) {
    const struct atm_camera *camera = &writer->layout.camera;
    const struct {
        const char *name;
        double value;
    } attributes[] = {
        {"pixel_size_nm", camera->pixel_size_nm},
        {"offset", camera->offset},
        {"gain", camera->gain},
        {"em_gain", camera->em_gain},
        {"qe", camera->qe},
        {"read_noise", camera->read_noise},
        {"exposure_ms", camera->exposure_ms},
    };
    enum atm_status status = ATM_OK;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes && status == ATM_OK; i++)
        if (isfinite(attributes[i].value))
            status = atm_h5_write_number(writer->h5, FRAMES, attributes[i].name,
                                         attributes[i].value, err);
    if (status == ATM_OK && writer->layout.provenance)
        status = atm_h5_write_text(writer->h5, "/", "provenance", writer->layout.provenance, err);
    return status;
}

static enum atm_h5_type h5_type(const struct atm_movie_writer *writer) {
    return writer->layout.sample == ATM_MOVIE_U16 ? ATM_H5_U16 : ATM_H5_F32;
}

static enum atm_status create_h5(struct atm_movie_writer *writer, struct atm_err *err) {
    const struct atm_movie_layout *layout = &writer->layout;
    /* noise in float does not compress */
    int gzip = layout->sample == ATM_MOVIE_U16 ? GZIP_LEVEL : 0;
    enum atm_status status = atm_h5_create(writer->out.temporary, &writer->h5, err);
    if (status == ATM_OK)
        status = atm_h5_frames_create(writer->h5, FRAMES, h5_type(writer), layout->height,
                                      layout->width, gzip, err);
    return status == ATM_OK ? write_attributes(writer, err) : status;
}

static enum atm_status append_h5(struct atm_movie_writer *writer, ptrdiff_t count,
                                 struct atm_err *err) {
    const struct atm_movie_layout *layout = &writer->layout;
    enum atm_status status =
        atm_h5_frames_append(writer->h5, FRAMES, h5_type(writer), count, layout->height,
                             layout->width, writer->block, err);
    if (status == ATM_OK)
        writer->written += count;
    return status;
}

static enum atm_status close_h5(struct atm_movie_writer *writer, struct atm_err *err) {
    return atm_h5_close(&writer->h5, err);
}

/* ---- any kind ---- */

static const struct kind KINDS[] = {
    {{".tif", ".tiff"}, create_tiff, append_tiff, close_tiff, false},
    {{".h5", ".hdf5"}, create_h5, append_h5, close_h5, true},
};

static const struct kind *find_kind(const char *path) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    for (size_t i = 0; dot && i < sizeof KINDS / sizeof *KINDS; i++)
        if (!strcasecmp(dot, KINDS[i].extensions[0]) || !strcasecmp(dot, KINDS[i].extensions[1]))
            return &KINDS[i];
    return NULL;
}

static void release(struct atm_movie_writer *writer) {
    writer->kind->close(writer, NULL);
    atm_outfile_discard(&writer->out);
    atm_mem_free(writer->block);
    atm_mem_free(writer->description);
    atm_mem_free(writer->provenance);
    atm_mem_free(writer);
}

static enum atm_status prepare(struct atm_movie_writer *writer, struct atm_err *err) {
    struct atm_movie_layout *layout = &writer->layout;
    size_t fit = BLOCK_BYTES / frame_bytes(layout);
    writer->block_frames = fit < 1 ? 1 : fit > MAX_BLOCK_FRAMES ? MAX_BLOCK_FRAMES : (ptrdiff_t)fit;
    writer->block = atm_mem_alloc((size_t)writer->block_frames, frame_bytes(layout));
    if (!writer->block)
        return atm_err_memory(err, writer->out.path);
    if (!layout->provenance)
        return ATM_OK;
    size_t length = strlen(layout->provenance);
    writer->provenance = atm_mem_alloc(length + 1, 1);
    if (!writer->provenance)
        return atm_err_memory(err, writer->out.path);
    memcpy(writer->provenance, layout->provenance, length);
    layout->provenance = writer->provenance;
    return ATM_OK;
}

enum atm_status atm_movie_create(const char *path, const struct atm_movie_layout *layout,
                                 struct atm_movie_writer **writer, struct atm_err *err) {
    *writer = NULL;
    const struct kind *kind = find_kind(path);
    if (!kind)
        return atm_err_set(err, ATM_FAIL,
                           "%s: movies are written as .tif, .tiff, .h5 or .hdf5; change the name",
                           path);
    enum atm_status status = atm_movie_check_size(path, "the movie", (uint64_t)layout->height,
                                                  (uint64_t)layout->width, err);
    if (status != ATM_OK)
        return status;
    struct atm_movie_writer *made = atm_mem_alloc(1, sizeof *made);
    if (!made)
        return atm_err_memory(err, path);
    *made = (struct atm_movie_writer){.kind = kind, .layout = *layout};
    status = atm_outfile_begin(&made->out, path, err);
    if (status == ATM_OK)
        status = prepare(made, err);
    if (status == ATM_OK)
        status = kind->create(made, err);
    if (status == ATM_OK)
        *writer = made;
    else
        release(made);
    return status;
}

/* Bring frames into the file's type. */
static enum atm_status convert(struct atm_movie_writer *writer, ptrdiff_t count, const float *adu,
                               struct atm_err *err) {
    const ptrdiff_t pixels = writer->layout.height * writer->layout.width;
    uint16_t *u16 = writer->block;
    for (ptrdiff_t i = 0; i < count * pixels; i++) {
        if (!isfinite(adu[i]))
            return atm_err_set(
                err, ATM_FAIL,
                "%s: frame %td to be written has a pixel that is not a finite number",
                writer->out.path, writer->written + i / pixels);
        if (writer->layout.sample == ATM_MOVIE_U16)
            u16[i] = (uint16_t)lrintf(fminf(fmaxf(adu[i], 0), 65535));
    }
    if (writer->layout.sample == ATM_MOVIE_F32)
        memcpy(writer->block, adu, (size_t)(count * pixels) * sizeof *adu);
    return ATM_OK;
}

enum atm_status atm_movie_append(struct atm_movie_writer *writer, ptrdiff_t count, const float *adu,
                                 struct atm_err *err) {
    const ptrdiff_t pixels = writer->layout.height * writer->layout.width;
    enum atm_status status = ATM_OK;
    for (ptrdiff_t done = 0; done < count && status == ATM_OK; done += writer->block_frames) {
        ptrdiff_t left = count - done;
        ptrdiff_t some = left < writer->block_frames ? left : writer->block_frames;
        status = convert(writer, some, adu + done * pixels, err);
        if (status == ATM_OK)
            status = writer->kind->append(writer, some, err);
    }
    return status;
}

enum atm_status atm_movie_add_truth(struct atm_movie_writer *writer, const struct atm_table *truth,
                                    struct atm_err *err) {
    static const struct atm_h5_field FIELDS[] = {
        {"frame", ATM_H5_I64, ATM_H5_I64, offsetof(struct atm_loc, frame)},
        {"x", ATM_H5_F64, ATM_H5_F64, offsetof(struct atm_loc, x)},
        {"y", ATM_H5_F64, ATM_H5_F64, offsetof(struct atm_loc, y)},
        {"photons", ATM_H5_F64, ATM_H5_F64, offsetof(struct atm_loc, photons)},
        {"background", ATM_H5_F64, ATM_H5_F64, offsetof(struct atm_loc, background)},
        {"id", ATM_H5_I64, ATM_H5_I64, offsetof(struct atm_loc, id)},
    };
    if (!writer->kind->has_truth)
        return atm_err_set(err, ATM_FAIL,
                           "%s: a TIFF file cannot hold the true positions; write an .h5 stack, or "
                           "the positions to a table of their own",
                           writer->out.path);
    return atm_h5_write_table(writer->h5, TRUTH, FIELDS, sizeof FIELDS / sizeof *FIELDS,
                              truth->rows, sizeof *truth->rows, truth->count, err);
}

static enum atm_status needs_stack(const struct atm_movie_writer *writer, const char *what,
                                   struct atm_err *err) {
    if (writer->kind->has_truth)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL, "%s: a TIFF file cannot hold %s; write an .h5 stack",
                       writer->out.path, what);
}

enum atm_status atm_movie_add_strokes(struct atm_movie_writer *writer,
                                      const struct atm_stroke *strokes, ptrdiff_t count,
                                      struct atm_err *err) {
    enum atm_status status = needs_stack(writer, "true strokes", err);
    return status == ATM_OK
               ? atm_h5_write_table(writer->h5, TRUTH, atm_stroke_fields, ATM_STROKE_FIELDS,
                                    strokes, sizeof *strokes, count, err)
               : status;
}

enum atm_status atm_movie_add_labels(struct atm_movie_writer *writer, const int32_t *labels,
                                     struct atm_err *err) {
    const ptrdiff_t frames = writer->layout.frames;
    enum atm_status status = needs_stack(writer, "labels", err);
    int64_t *wide = status == ATM_OK ? atm_mem_alloc((size_t)frames, sizeof *wide) : NULL;
    if (status == ATM_OK && !wide)
        status = atm_err_memory(err, writer->out.path);
    for (ptrdiff_t t = 0; status == ATM_OK && t < frames; t++)
        wide[t] = labels[t];
    if (status == ATM_OK)
        status = atm_h5_write(writer->h5, "/labels", ATM_H5_I64, 1, &frames, wide, err);
    atm_mem_free(wide);
    return status;
}

enum atm_status atm_movie_finish(struct atm_movie_writer **writer, struct atm_err *err) {
    struct atm_movie_writer *finished = *writer;
    *writer = NULL;
    enum atm_status status = ATM_OK;
    const ptrdiff_t frames = finished->layout.frames;
    if (finished->written == 0 || (frames >= 0 && frames != finished->written))
        status = atm_err_set(err, ATM_FAIL, "%s: %td frames were written where %td were announced",
                             finished->out.path, finished->written, frames);
    if (status == ATM_OK)
        status = finished->kind->close(finished, err);
    if (status == ATM_OK)
        status = atm_outfile_commit(&finished->out, err);
    release(finished);
    return status;
}

void atm_movie_discard(struct atm_movie_writer **writer) {
    if (*writer)
        release(*writer);
    *writer = NULL;
}
