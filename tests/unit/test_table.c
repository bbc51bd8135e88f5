/* Tables as HDF5 (Picasso, stack with truth). With a folder as argument the program writes one
 * known emitter per format there instead, for programs that read as others do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "h5.h"
#include "mem.h"
#include "outfile.h"
#include "table.h"
#include "table_formats.h"
#include "test_folder.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Values that no default has. */
static struct atm_loc odd_row(int64_t frame, double x, double y) {
    struct atm_loc row = atm_loc_empty();
    row.frame = frame, row.x = x, row.y = y;
    row.photons = 1234.5, row.background = 17.25, row.sx = 1.3125, row.sy = 1.4375;
    row.x_unc = 0.0625, row.y_unc = 0.078125, row.photons_unc = 41.5, row.background_unc = 0.75;
    row.sx_unc = 0.03125, row.sy_unc = 0.046875, row.llr = 321.5, row.chi2 = 1.0625;
    row.iterations = 7, row.flags = ATM_LOC_OVERLAPPING | ATM_LOC_AT_BORDER, row.blocks = 2;
    return row;
}

static struct atm_table odd_table(void) {
    struct atm_table table;
    struct atm_loc a = odd_row(3, 12.25, 30.5), b = odd_row(0, 0.125, 39.25);
    atm_table_init(&table);
    assert_int_equal(atm_table_append(&table, &a, NULL), ATM_OK);
    assert_int_equal(atm_table_append(&table, &b, NULL), ATM_OK);
    table.columns = ATM_COLUMN_PHOTONS | ATM_COLUMN_BACKGROUND | ATM_COLUMN_SIGMA |
                    ATM_COLUMN_UNCERTAINTY | ATM_COLUMN_QUALITY;
    table.frames = 9, table.height = 40, table.width = 20, table.pixel_size_nm = 106.5;
    table.provenance = atm_mem_alloc(64, 1);
    assert_non_null(table.provenance);
    snprintf(table.provenance, 64, "%s", "[run]\nseed = 5 ; \"x\": {y}\n\n[synth]\n");
    return table;
}

static void assert_row(const struct atm_loc *a, const struct atm_loc *b) {
    assert_int_equal(a->frame, b->frame);
    const double *p = &a->x, *q = &b->x;
    for (const double *end = &a->chi2; p <= end; p++, q++)
        assert_true(*p == *q || (isnan(*p) && isnan(*q)));
    assert_int_equal(a->iterations, b->iterations);
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->blocks, b->blocks);
}

static void remove_table(const char *stem) {
    char file[64];
    snprintf(file, sizeof file, "%s.hdf5", stem);
    assert_int_equal(remove(at(file)), 0);
    snprintf(file, sizeof file, "%s.yaml", stem);
    assert_int_equal(remove(at(file)), 0);
}

static void picasso_round_trip_is_exact(void **state) {
    (void)state;
    struct atm_err err = {0};
    ptrdiff_t dropped = -1;
    struct atm_table table = odd_table(), back;
    if (atm_table_write(at("a.hdf5"), &table, &dropped, &err) != ATM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(dropped, 0);
    if (atm_table_read(at("a.hdf5"), 55, &back, &err) != ATM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(back.count, 2);
    assert_row(&back.rows[0], &table.rows[0]);
    assert_row(&back.rows[1], &table.rows[1]);
    assert_int_equal(back.columns, table.columns);
    assert_true(back.frames == 9 && back.height == 40 && back.width == 20);
    assert_true(back.pixel_size_nm == 106.5 && back.skipped == 0);
    assert_string_equal(back.provenance, table.provenance);
    atm_table_free(&back);

    /* without its YAML the table is still read, and the caller's pixel size counts */
    assert_int_equal(remove(at("a.yaml")), 0);
    assert_int_equal(atm_table_read(at("a.hdf5"), 55, &back, &err), ATM_OK);
    assert_true(back.pixel_size_nm == 55 && back.frames == 0);
    assert_string_equal(back.provenance, table.provenance);
    atm_table_free(&back);
    atm_table_free(&table);
    assert_int_equal(remove(at("a.hdf5")), 0);
    assert_int_equal(atm_h5_open_objects(), 0);
}

/* Data set of the file as (frame, x) pairs. */
struct pair {
    int64_t frame;
    double x, lpx, sx, llr;
};
static ptrdiff_t read_pairs(const char *path, const char *set, struct pair *pairs, ptrdiff_t most) {
    static const struct atm_h5_field fields[] = {
        {"frame", ATM_H5_U32, ATM_H5_I64, offsetof(struct pair, frame)},
        {"x", ATM_H5_F32, ATM_H5_F64, offsetof(struct pair, x)},
        {"lpx", ATM_H5_F32, ATM_H5_F64, offsetof(struct pair, lpx)},
        {"sx", ATM_H5_F32, ATM_H5_F64, offsetof(struct pair, sx)},
        {"llr", ATM_H5_F32, ATM_H5_F64, offsetof(struct pair, llr)},
    };
    struct atm_h5 *file = NULL;
    ptrdiff_t count = -1;
    assert_int_equal(atm_h5_open(path, &file, NULL), ATM_OK);
    if (atm_h5_exists(file, set)) {
        assert_int_equal(atm_h5_table_size(file, set, &count, NULL), ATM_OK);
        assert_true(count <= most);
        assert_int_equal(atm_h5_read_table(file, set, fields, 5, pairs, sizeof *pairs, count, NULL),
                         ATM_OK);
    }
    assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
    return count;
}

/* Picasso drops what has a negative or non-finite value: such rows are counted, or, when only their
 * place is beyond its field (the outer half pixel!), kept in a data set that it does not see. */
static void rows_that_picasso_drops_are_not_in_locs(void **state) {
    (void)state;
    struct atm_err err = {0};
    struct atm_table table = odd_table(), back;
    struct atm_loc bad[12];
    struct pair pairs[20] = {{0}};
    ptrdiff_t dropped = 0;
    for (int i = 0; i < 12; i++)
        bad[i] = odd_row(i % 9, 5.25, 6.25);
    bad[0].x = NAN, bad[1].y = INFINITY, bad[2].frame = -1, bad[3].frame = 4294967296;
    bad[4].photons = -1, bad[5].photons = NAN, bad[6].sx = -1, bad[7].y_unc = -0.5;
    bad[8].x = -0.25, bad[9].x = 20, bad[10].y = 41.5;  /* outside only */
    bad[11].sx_unc = bad[11].llr = bad[11].x_unc = NAN; /* these are filled */
    for (int i = 0; i < 12; i++)
        assert_int_equal(atm_table_append(&table, &bad[i], NULL), ATM_OK);
    assert_int_equal(atm_table_write(at("b.h5"), &table, &dropped, &err), ATM_OK);
    assert_int_equal(dropped, 8);
    assert_int_equal(read_pairs(at("b.h5"), "/locs", pairs, 20), 3);
    assert_true(pairs[2].x == 5.25 && pairs[2].llr == 0);
    assert_true(fabs(pairs[2].lpx - 1.3125 / sqrt(1234.5)) < 1e-6);
    assert_int_equal(read_pairs(at("b.h5"), "/atomloc/outside", pairs, 20), 3);
    assert_true(pairs[0].x == -0.25 && pairs[1].x == 20);

    assert_int_equal(atm_table_read(at("b.h5"), NAN, &back, &err), ATM_OK);
    assert_int_equal(back.count, 6);
    for (ptrdiff_t i = 1; i < back.count; i++)
        assert_true(back.rows[i - 1].frame <= back.rows[i].frame);
    atm_table_free(&back);
    atm_table_free(&table);
    assert_int_equal(remove(at("b.h5")), 0);
    assert_int_equal(remove(at("b.yaml")), 0);
}

/* Truth knows places only: Picasso gets its required columns, we get NAN back. */
static void unknown_columns_stay_unknown(void **state) {
    (void)state;
    struct atm_err err = {0};
    struct atm_table table, back;
    struct atm_loc row = atm_loc_empty();
    struct pair pairs[3];
    atm_table_init(&table);
    row.frame = 2, row.x = 3.75, row.y = 1.5, row.id = 12;
    assert_int_equal(atm_table_append(&table, &row, NULL), ATM_OK);
    table.columns = ATM_COLUMN_ID;
    assert_int_equal(atm_table_write(at("c.hdf5"), &table, NULL, &err), ATM_OK);
    assert_int_equal(read_pairs(at("c.hdf5"), "/locs", pairs, 3), 1);
    assert_true(pairs[0].lpx == 0 && pairs[0].sx == 0);
    assert_int_equal(atm_table_read(at("c.hdf5"), NAN, &back, &err), ATM_OK);
    assert_row(&back.rows[0], &row);
    assert_int_equal(back.columns, ATM_COLUMN_ID);
    assert_true(isnan(back.pixel_size_nm));
    assert_true(back.frames == 3 && back.width == 5 && back.height == 3); /* as the rows need */
    atm_table_free(&back);
    atm_table_free(&table);
    remove_table("c");
}

static void empty_table_round_trips(void **state) {
    (void)state;
    struct atm_err err = {0};
    struct atm_table table, back;
    atm_table_init(&table);
    table.columns = ATM_COLUMN_PHOTONS;
    assert_int_equal(atm_table_write(at("e.hdf5"), &table, NULL, &err), ATM_OK);
    if (atm_table_read(at("e.hdf5"), NAN, &back, &err) != ATM_OK)
        fail_msg("%s", err.text);
    assert_true(back.count == 0 && back.columns == ATM_COLUMN_PHOTONS);
    atm_table_free(&back);
    remove_table("e");
}

static void hostile_provenance_is_kept_or_cleaned(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "---\n...\n",
                                        " leading\n\ttab\n",
                                        "a: 'b'\n# c\n\n\n",
                                        "caf\xc3\xa9 \xe2\x88\x9e",
                                        "\"q\" \\ \x01"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct atm_err err = {0};
        struct atm_table table = odd_table(), back;
        snprintf(table.provenance, 64, "%s", texts[i]);
        assert_int_equal(atm_table_write(at("p.hdf5"), &table, NULL, &err), ATM_OK);
        if (atm_table_read(at("p.hdf5"), NAN, &back, &err) != ATM_OK)
            fail_msg("%zu: %s", i, err.text);
        assert_string_equal(back.provenance, texts[i]);
        assert_true(back.pixel_size_nm == 106.5);
        atm_table_free(&back);
        atm_table_free(&table);
        remove_table("p");
    }
    struct atm_err err = {0};
    struct atm_table table = odd_table(), back;
    snprintf(table.provenance, 64, "%s", "a\xff\xc3z\xed\xa0\x80");
    assert_int_equal(atm_table_write(at("p.hdf5"), &table, NULL, &err), ATM_OK);
    assert_int_equal(atm_table_read(at("p.hdf5"), NAN, &back, &err), ATM_OK);
    assert_string_equal(back.provenance, table.provenance); /* HDF5 holds any bytes; */
    char *side = atm_table_side_yaml(&table, 0);            /* YAML does not */
    assert_non_null(strstr(side, "a??z???"));
    atm_mem_free(side);
    atm_table_free(&back);
    atm_table_free(&table);
    remove_table("p");
}

/* Columns that we do not know follow their rows through sorting and files, also those of rows that
 * other programs would drop. */
static void extra_columns_follow_their_rows(void **state) {
    (void)state;
    struct atm_err err = {0};
    struct atm_table table, back;
    double *group, *z;
    atm_table_init(&table);
    table.height = table.width = 16, table.frames = 20;
    for (int i = 0; i < 20; i++) {
        struct atm_loc row = odd_row(i * 7 % 20, i % 4 ? 3.5 : -0.25, 2);
        row.photons = 100 + (double)row.frame;
        assert_int_equal(atm_table_append(&table, &row, NULL), ATM_OK);
    }
    table.columns = ATM_COLUMN_PHOTONS;
    assert_int_equal(atm_table_add_extra(&table, "group", &group, NULL), ATM_OK);
    assert_int_equal(atm_table_add_extra(&table, "z", &z, NULL), ATM_OK);
    for (int i = 0; i < 20; i++)
        group[i] = 7 + (double)table.rows[i].frame, z[i] = -0.375 * (double)table.rows[i].frame;
    atm_table_sort(&table);
    assert_int_equal(atm_table_write(at("e.hdf5"), &table, NULL, &err), ATM_OK);
    assert_int_equal(atm_table_read(at("e.hdf5"), NAN, &back, &err), ATM_OK);
    assert_int_equal(back.count, 20);
    assert_int_equal(back.extra_count, 2);
    assert_string_equal(back.extras[0].name, "group");
    for (int i = 0; i < 20; i++) {
        assert_true(table.rows[i].frame == i && back.rows[i].frame == i);
        assert_true(back.extras[0].values[i] == 7 + i && back.extras[1].values[i] == -0.375 * i);
    }
    atm_table_free(&back);
    atm_table_free(&table);
    remove_table("e");
}

static void side_documents_are_kept_and_appended_to(void **state) {
    (void)state;
    static const char foreign[] = "Frames: 9\nHeight: 40\nWidth: 20\nCamera: {a: [1]}\n---\n"
                                  "Generated by: Picasso Localize\nBox Size: 7";
    static const struct atm_table_pair pairs[] = {{"Generated by", "post: \"x\""}, {"Kept", "7"}};
    struct atm_err err = {0};
    struct atm_table table = odd_table(), back;
    assert_int_equal(atm_table_write(at("s.hdf5"), &table, NULL, &err), ATM_OK);
    assert_int_equal(atm_outfile_write_text(at("s.yaml"), foreign, &err), ATM_OK);
    assert_int_equal(atm_table_read(at("s.hdf5"), 55, &back, &err), ATM_OK);
    assert_int_equal(atm_table_add_document(&back, pairs, 2, &err), ATM_OK);
    assert_int_equal(atm_table_write(at("s.hdf5"), &back, NULL, &err), ATM_OK);
    atm_table_free(&back);
    assert_int_equal(atm_table_read(at("s.hdf5"), 55, &back, &err), ATM_OK);
    assert_true(back.frames == 9 && back.height == 40 && back.width == 20);
    assert_memory_equal(back.side, foreign, strlen(foreign));
    const char *step = strstr(back.side, "\n---\nGenerated by: 'post: \"x\"'\n");
    assert_non_null(step);
    assert_non_null(strstr(step, "Kept: 7\n"));
    atm_table_free(&back);
    atm_table_free(&table);
    remove_table("s");
}

static void foreign_yaml_is_read(void **state) {
    (void)state;
    struct atm_err err = {0};
    struct atm_table table = odd_table(), back;
    assert_int_equal(atm_table_write(at("f.hdf5"), &table, NULL, &err), ATM_OK);
    assert_int_equal(atm_outfile_write_text(at("f.yaml"),
                                            "Byte Order: <\nFrames: 100\nHeight: 32\nWidth: 33\n"
                                            "Micro-Manager Metadata: {a: [1, {b: 2}]}\n---\n"
                                            "Generated by: Picasso Localize\nPixelsize: 160\n",
                                            &err),
                     ATM_OK);
    assert_int_equal(atm_table_read(at("f.hdf5"), 55, &back, &err), ATM_OK);
    assert_true(back.frames == 100 && back.height == 32 && back.width == 33);
    assert_true(back.pixel_size_nm == 160);
    atm_table_free(&back);
    assert_int_equal(atm_outfile_write_text(at("f.yaml"), "Frames: 3\nWidth: [1, 2\n", &err),
                     ATM_OK);
    assert_int_equal(atm_table_read(at("f.hdf5"), 55, &back, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "f.yaml:3: not valid YAML"));
    assert_null(back.rows);
    assert_int_equal(atm_h5_open_objects(), 0);
    atm_table_free(&table);
    remove_table("f");
}

struct truth_row {
    int64_t frame, id;
    double x, y, photons, background;
};
#define TRUTH(name_, file_type, memory_type)                                                       \
    { #name_, ATM_H5_##file_type, ATM_H5_##memory_type, offsetof(struct truth_row, name_) }
static const struct atm_h5_field truth_fields[] = {
    TRUTH(frame, U32, I64),   TRUTH(x, F64, F64),          TRUTH(y, F64, F64),
    TRUTH(photons, F64, F64), TRUTH(background, F64, F64), TRUTH(id, I64, I64),
};

static void truth_of_a_stack_is_read(void **state) {
    (void)state;
    struct atm_err err = {0};
    struct atm_h5 *file = NULL;
    struct atm_table back;
    const struct truth_row rows[] = {{4, 7, -0.375, 5.5, 812.5, 20.25}, {4, 8, NAN, 1, 1, 1}};
    const uint16_t frames[2 * 3 * 4] = {0};
    const ptrdiff_t dims[] = {2, 3, 4};
    assert_int_equal(atm_h5_create(at("s.h5"), &file, &err), ATM_OK);
    assert_int_equal(atm_h5_write(file, "/frames", ATM_H5_U16, 3, dims, frames, &err), ATM_OK);
    assert_int_equal(atm_h5_write_number(file, "/frames", "pixel_size_nm", 98.5, &err), ATM_OK);
    assert_int_equal(
        atm_h5_write_table(file, "/truth", truth_fields, 6, rows, sizeof *rows, 2, &err), ATM_OK);
    assert_int_equal(atm_h5_close(&file, &err), ATM_OK);
    if (atm_table_read(at("s.h5"), 55, &back, &err) != ATM_OK)
        fail_msg("%s", err.text);
    assert_true(back.count == 1 && back.skipped == 1);
    assert_true(back.rows[0].frame == 4 && back.rows[0].id == 7 && back.rows[0].x == -0.375);
    assert_true(back.rows[0].photons == 812.5 && back.rows[0].background == 20.25);
    assert_true(isnan(back.rows[0].sx) && back.frames == 2 && back.height == 3 && back.width == 4);
    assert_true(back.pixel_size_nm == 98.5);
    assert_int_equal(back.columns, ATM_COLUMN_PHOTONS | ATM_COLUMN_BACKGROUND | ATM_COLUMN_ID);
    atm_table_free(&back);
    assert_int_equal(remove(at("s.h5")), 0);
}

static void assert_read_fails(const char *file, const char *message) {
    struct atm_err err = {0};
    struct atm_table back;
    assert_int_equal(atm_table_read(at(file), NAN, &back, &err), ATM_FAIL);
    if (!strstr(err.text, message) || !strstr(err.text, file))
        fail_msg("'%s' lacks '%s'", err.text, message);
    assert_true(back.rows == NULL && back.count == 0);
    assert_int_equal(atm_table_read(at(file), NAN, &back, NULL), ATM_FAIL);
    assert_int_equal(atm_h5_open_objects(), 0);
}

static void unusable_files_are_told(void **state) {
    (void)state;
    struct atm_h5 *file = NULL;
    const struct truth_row row = {0, 1, 2, 3, 4, 5};
    const ptrdiff_t dims[] = {3};
    const float values[] = {1, 2, 3};
    assert_read_fails("missing.hdf5", "No such file");
    assert_int_equal(atm_outfile_write_text(at("d.hdf5"), "", NULL), ATM_OK);
    assert_read_fails("d.hdf5", "the file is empty");
    FILE *out = fopen(at("d.hdf5"), "wb");
    assert_true(out && fwrite("II*\0\0\0\0\0", 1, 8, out) == 8 && fclose(out) == 0);
    assert_read_fails("d.hdf5", "not a table (neither HDF5 nor CSV text)");
    assert_int_equal(atm_outfile_write_text(at("d.hdf5"), "\x89HDF\r\n\x1a\nand junk", NULL),
                     ATM_OK);
    assert_read_fails("d.hdf5", "cannot open: bad superblock");

    assert_int_equal(atm_h5_create(at("d.hdf5"), &file, NULL), ATM_OK);
    assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
    assert_read_fails("d.hdf5", "holds no table: neither /locs (Picasso) nor /truth (stack)");
    assert_int_equal(atm_h5_create(at("d.hdf5"), &file, NULL), ATM_OK);
    assert_int_equal(atm_h5_write(file, "/locs", ATM_H5_F32, 1, dims, values, NULL), ATM_OK);
    assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
    assert_read_fails("d.hdf5", "/locs");
    assert_int_equal(atm_h5_create(at("d.hdf5"), &file, NULL), ATM_OK);
    assert_int_equal(atm_h5_write_table(file, "/truth", truth_fields, 2, &row, sizeof row, 1, NULL),
                     ATM_OK);
    assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
    assert_read_fails("d.hdf5", "/truth has no column 'y'");
    assert_int_equal(remove(at("d.hdf5")), 0);
}

static void names_are_checked(void **state) {
    (void)state;
    struct atm_err err = {0};
    struct atm_table table = odd_table();
    const char *const good[] = {"a.hdf5", "dir/b.H5", "c.csv", "d.px.csv", "a.px.hdf5"};
    const char *const bad[] = {"a.txt", "csv", ".csv", "dir.csv/a", "x/.hdf5", ""};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(atm_table_check_name(good[i], NULL), ATM_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(atm_table_check_name(bad[i], &err), ATM_FAIL);
        assert_int_equal(atm_table_write(bad[i], &table, NULL, NULL), ATM_FAIL);
    }
    assert_int_equal(atm_table_check_name("a.txt", &err), ATM_FAIL);
    assert_string_equal(err.text,
                        "a.txt: no table format has this ending; use .hdf5 (Picasso), .csv "
                        "(ThunderSTORM), .px.csv (pixels), .challenge.csv (SMLM Challenge) or "
                        ".decode.h5 (DECODE)");
    assert_int_equal(atm_table_write("/nowhere/a.hdf5", &table, NULL, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "/nowhere"));
    atm_table_free(&table);
}

/* Equal tables are equal bytes. */
static void writing_repeats_to_the_byte(void **state) {
    (void)state;
    struct atm_table table = odd_table();
    char bytes[2][1 << 16];
    size_t size[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(atm_table_write(at("r.hdf5"), &table, NULL, NULL), ATM_OK);
        FILE *in = fopen(at("r.hdf5"), "rb");
        assert_non_null(in);
        size[i] = fread(bytes[i], 1, sizeof bytes[i], in);
        fclose(in);
        remove_table("r");
    }
    assert_true(size[0] == size[1] && size[0] < sizeof bytes[0]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    atm_table_free(&table);
}

static int write_samples(const char *to) {
    struct atm_err err = {0};
    struct atm_table table = odd_table();
    const char *const files[] = {"locs.hdf5", "locs.csv", "locs.px.csv"};
    struct atm_loc outside = odd_row(1, -0.375, 5.5);
    int failed = atm_table_append(&table, &outside, &err) != ATM_OK;
    for (int i = 0; i < 3 && !failed; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", to, files[i]);
        failed = atm_table_write(path, &table, NULL, &err) != ATM_OK;
    }
    if (failed)
        fprintf(stderr, "%s\n", err.text);
    atm_table_free(&table);
    return failed;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return write_samples(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picasso_round_trip_is_exact),
        cmocka_unit_test(rows_that_picasso_drops_are_not_in_locs),
        cmocka_unit_test(unknown_columns_stay_unknown),
        cmocka_unit_test(empty_table_round_trips),
        cmocka_unit_test(hostile_provenance_is_kept_or_cleaned),
        cmocka_unit_test(foreign_yaml_is_read),
        cmocka_unit_test(extra_columns_follow_their_rows),
        cmocka_unit_test(side_documents_are_kept_and_appended_to),
        cmocka_unit_test(truth_of_a_stack_is_read),
        cmocka_unit_test(unusable_files_are_told),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(writing_repeats_to_the_byte),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
