/* TIFF movies of every dialect, and the texts in them. */
#include "fuzz.h"

#include "mem.h"
#include "movie.h"
#include <string.h>
#include <tiffio.h>

enum { FRAMES = 3, HEIGHT = 19, WIDTH = 21, MOST_FRAMES = 8, MOST_PIXELS = 1 << 22 };

static void use(const char *path, bool allow_truncated) {
    const struct atm_movie_options options = {.allow_truncated = allow_truncated};
    struct atm_movie *movie = NULL;
    struct atm_err err = {0};
    if (atm_movie_open(path, &options, &movie, &err) != ATM_OK) {
        if (!err.text[0])
            __builtin_trap(); /* a failure without a message */
        return;
    }
    const struct atm_movie_info *info = atm_movie_info(movie);
    ptrdiff_t pixels = info->height * info->width;
    if (info->frames <= 0 || pixels <= 0)
        __builtin_trap();
    float *adu = pixels <= MOST_PIXELS ? atm_mem_alloc((size_t)pixels, sizeof *adu) : NULL;
    for (ptrdiff_t t = 0; adu && t < info->frames && t < MOST_FRAMES; t++)
        atm_movie_read(movie, t, 1, adu, &err);
    if (adu)
        atm_movie_read(movie, info->frames - 1, 1, adu, &err);
    atm_mem_free(adu);
    atm_movie_close(&movie);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct atm_fuzz_file file;
    if (!atm_fuzz_file_open(&file, data, size))
        return 0;
    use(file.path, false);
    use(file.path, true);
    atm_fuzz_file_close(&file);
    return 0;
}

struct dialect {
    const char *mode;
    uint16_t compression, predictor, format, bits;
    bool tiled;
    uint32_t rows;
    const char *description;
};

static const struct dialect DIALECTS[] = {
    {"wl", COMPRESSION_NONE, 0, SAMPLEFORMAT_UINT, 16, false, 19, "ImageJ=1.53t\nunit=um\n"},
    {"wb", COMPRESSION_NONE, 0, SAMPLEFORMAT_UINT, 16, false, 4,
     "ImageJ=1.53t\nimages=3\nunit=\\u00B5m\n"},
    {"w8l", COMPRESSION_LZW, 2, SAMPLEFORMAT_UINT, 16, false, 5,
     "<OME><Pixels PhysicalSizeX=\"0.1\"/></OME>"},
    {"w8b", COMPRESSION_ADOBE_DEFLATE, 2, SAMPLEFORMAT_UINT, 32, true, 0, NULL},
    {"wl", COMPRESSION_DEFLATE, 0, SAMPLEFORMAT_IEEEFP, 32, false, 1, NULL},
    {"wb", COMPRESSION_PACKBITS, 0, SAMPLEFORMAT_UINT, 8, false, 7, NULL},
    {"wl", COMPRESSION_ZSTD, 2, SAMPLEFORMAT_INT, 16, true, 0, NULL},
    {"wl", COMPRESSION_LZW, 0, SAMPLEFORMAT_UINT, 8, true, 0, NULL},
    {"wb", COMPRESSION_NONE, 0, SAMPLEFORMAT_IEEEFP, 64, false, 3, NULL},
    {"wl", COMPRESSION_NONE, 0, SAMPLEFORMAT_UINT, 16, false, 19,
     "<?xml version=\"1.0\"?><OME><Instrument><Detector "
     "Model='C11440'/></Instrument><Image><Pixels "
     "SizeT=\"6\" SizeC=\"2\" SizeZ='1' PhysicalSizeX=\"160\" PhysicalSizeXUnit=\"nm\">"
     "<TiffData FirstT=\"3\" IFD=\"0\"><UUID FileName=\"b.ome.tif\">urn</UUID></TiffData>"
     "<TiffData FirstT=\"0\"><UUID FileName=\"a.ome.tif\">urn</UUID></TiffData>"
     "<Plane ExposureTime=\"50\" ExposureTimeUnit=\"ms\"/></Pixels></Image></OME>"},
    {"wb", COMPRESSION_NONE, 0, SAMPLEFORMAT_UINT, 16, false, 19,
     "{\"truncated\": true, \"shape\": [3, 19, 21]}"},
};
static const char MICROMANAGER[] =
    "{\"Camera\": \"Andor\", \"PixelSizeUm\": 0.107, \"Exposure-ms\":30.0, \"Core-Camera\":\"x\"}";

static void write_page(TIFF *tiff, const struct dialect *dialect, int frame) {
    static unsigned char bytes[32 * 32 * 8];
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, WIDTH);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, HEIGHT);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, dialect->bits);
    TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, dialect->format);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, dialect->compression);
    TIFFSetField(tiff, TIFFTAG_XRESOLUTION, 10.0);
    if (dialect->predictor)
        TIFFSetField(tiff, TIFFTAG_PREDICTOR, dialect->predictor);
    if (dialect->description)
        TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, dialect->description);
    static const TIFFFieldInfo json[] = {
        {51123, -1, -1, TIFF_ASCII, FIELD_CUSTOM, 1, 0, (char *)(uintptr_t) "MicroManager"}};
    TIFFMergeFieldInfo(tiff, json, 1);
    if (dialect->bits == 16)
        TIFFSetField(tiff, 51123, MICROMANAGER);
    if (dialect->tiled) {
        TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 16);
        TIFFSetField(tiff, TIFFTAG_TILELENGTH, 16);
    } else {
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, dialect->rows);
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)((i / 8 + (size_t)frame) % 11);
    for (uint32_t i = 0; dialect->tiled && i < TIFFNumberOfTiles(tiff); i++)
        TIFFWriteEncodedTile(tiff, i, bytes, TIFFTileSize(tiff));
    for (uint32_t y = 0; !dialect->tiled && y < HEIGHT; y++)
        TIFFWriteScanline(tiff, bytes + y * 8, y, 0);
    TIFFWriteDirectory(tiff);
}

bool atm_fuzz_seed(int index, const char *path) {
    if (index < 0 || index >= (int)(sizeof DIALECTS / sizeof *DIALECTS))
        return false;
    TIFFSetWarningHandler(NULL); /* it is 32946 that we want */
    TIFF *tiff = TIFFOpen(path, DIALECTS[index].mode);
    if (!tiff)
        return false;
    int frames = index == 1 ? 1 : FRAMES; /* announces three: reads as cut off, or contiguous */
    for (int frame = 0; frame < frames; frame++)
        write_page(tiff, &DIALECTS[index], frame);
    TIFFClose(tiff);
    return true;
}
