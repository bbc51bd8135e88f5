/* Text tables: ThunderSTORM, challenge, plain pixels; conventions by known emitters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mem.h"
#include "outfile.h"
#include "table.h"
#include "test_folder.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int drop_table_and_folder(void **state) {
    remove(at("t.csv"));
    return drop_folder(state);
}

static struct atm_table read_text(const char *text, double pixel_size_nm) {
    struct atm_err err = {0};
    struct atm_table table;
    assert_int_equal(atm_outfile_write_text(at("t.csv"), text, NULL), ATM_OK);
    if (atm_table_read(at("t.csv"), pixel_size_nm, &table, &err) != ATM_OK)
        fail_msg("%s", err.text);
    return table;
}

static void read_fails(const char *text, double pixel_size_nm, const char *message) {
    struct atm_err err = {0};
    struct atm_table table;
    char expected[600];
    assert_int_equal(atm_outfile_write_text(at("t.csv"), text, NULL), ATM_OK);
    assert_int_equal(atm_table_read(at("t.csv"), pixel_size_nm, &table, &err), ATM_FAIL);
    snprintf(expected, sizeof expected, "%s%s", at("t.csv"), message);
    assert_string_equal(err.text, expected);
    assert_null(table.rows);
}

static bool near(double a, double b) { return fabs(a - b) < 1e-9; }

/* Pixel (12, 7) of 2.5 nm times 40: the emitter in its middle, in the fifth frame. */
static void every_dialect_has_its_origin(void **state) {
    (void)state;
    static const char *const texts[] = {
        "frame,x_px,y_px,photons\n4,12,7,800.25\n",
        "photons,y_px,x_px,frame,z\r\n800.25,7,12,4.0,1\r\n",
        "\"id\",\"frame\",\"x [nm]\",\"y [nm]\",\"sigma [nm]\",\"intensity [photon]\"\n"
        "1,5,1250,750,130,800.25\n",
        "\"frame\"\t\"x [um]\"\t\"y [um]\"\t\"intensity [photons]\"\n5.0\t1.25\t.75\t8.0025e2\n",
        "frame;x [px];y [px];intensity [photon]\n5;12.5;7.5;800.25",
        "Ground-truth,frame,xnano,ynano,znano,intensity \n1,5,1250,750,0,800.25\n",
        "5,1250,750,0,800.25\n",
        "\xef\xbb\xbfNo,Frame,Emitter,x (nm),y (nm),Intensity (photons)\r5,5,9,1250,750,800.25\r",
        "# made by hand\n\nframe,x_nm,y_nm,photons\n\n5,1250,750,800.25\n,,,\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct atm_table table = read_text(texts[i], 100);
        assert_int_equal(table.count, 1);
        const struct atm_loc *row = &table.rows[0];
        if (row->frame != 4 || !near(row->x, 12) || !near(row->y, 7) || !near(row->photons, 800.25))
            fail_msg("text %zu: %d %g %g %g", i, (int)row->frame, row->x, row->y, row->photons);
        assert_true(table.columns & ATM_COLUMN_PHOTONS);
        assert_true(table.pixel_size_nm == 100);
        atm_table_free(&table);
    }
}

static void thunderstorm_columns_are_understood(void **state) {
    (void)state;
    struct atm_table table = read_text(
        "\"id\",\"frame\",\"x [nm]\",\"y [nm]\",\"sigma1 [nm]\",\"sigma2 [nm]\",\"intensity "
        "[photon]\",\"offset [photon]\",\"bkgstd [photon]\",\"chi2\",\"uncertainty [nm]\"\n"
        "7,1,100,200,150,160,900,12,3.5,1.25,8\n",
        80);
    const struct atm_loc *row = table.rows;
    assert_true(near(row->sx, 1.875) && near(row->sy, 2) && row->background == 12);
    assert_true(row->chi2 == 1.25 && near(row->x_unc, 0.1) && near(row->y_unc, 0.1));
    assert_true(row->id == -1); /* the number of the row is no emitter */
    assert_int_equal(table.columns, ATM_COLUMN_PHOTONS | ATM_COLUMN_BACKGROUND | ATM_COLUMN_SIGMA |
                                        ATM_COLUMN_UNCERTAINTY | ATM_COLUMN_QUALITY);
    atm_table_free(&table);
    table = read_text("\"frame\",\"x [nm]\",\"y [nm]\",\"sigma [nm]\",\"intensity "
                      "[ADU]\",\"uncertainty_xy [nm]\"\n1,100,200,120,900,16\n",
                      80);
    row = table.rows;
    assert_true(near(row->sx, 1.5) && near(row->sy, 1.5) && near(row->y_unc, 0.2));
    assert_true(isnan(row->photons)); /* camera counts are no photons */
    atm_table_free(&table);
}

static void undefined_values_do_not_stop_reading(void **state) {
    (void)state;
    struct atm_table table =
        read_text("frame,x_px,y_px,photons,background,uncertainty_px\n0,1,2,nan,NaN,Infinity\n"
                  "1,NaN,2,5,,3\n2,3,Infinity,5,,3\nnan,3,2,5,,3\n3,4,5,\xef\xbf\xbd,?,"
                  "\xe2\x88\x9e\n",
                  NAN);
    assert_true(table.count == 2 && table.skipped == 3);
    assert_true(isnan(table.rows[0].photons) && table.rows[1].frame == 3);
    assert_true(isinf(table.rows[0].x_unc) && isinf(table.rows[1].x_unc));
    assert_int_equal(table.columns, 0);
    assert_true(isnan(table.pixel_size_nm));
    atm_table_free(&table);
    table = read_text("frame,x_px,y_px,photons\n", NAN);
    assert_int_equal(table.count, 0);
    atm_table_free(&table);
}

static void mistakes_are_told_with_their_line(void **state) {
    (void)state;
    read_fails("", 100, ": the file is empty");
    read_fails("\n# only a comment\n", 100, ": the file has no lines");
    read_fails("frame,x_px,y_px\n1,2,3\n1,2,3x\n", 100, ":3: column 3: '3x' is not a number");
    read_fails("frame,x_px,y_px,photons\n1,2,3,4\n1,2\n", 100,
               ":3: 2 columns where at least 4 are needed; was the file cut off?");
    read_fails("frame;x [nm];y [nm]\n1;2,5;3,5\n", 100, ":2: column 2: '2,5' is not a number");
    read_fails("frame,x_px,y_px\n1.5,2,3\n", 100,
               ":2: frame 1.5; in this format frames are whole numbers from 0");
    read_fails("frame,x_px,y_px\n-1,2,3\n", 100,
               ":2: frame -1; in this format frames are whole numbers from 0");
    read_fails("frame,x [nm],y [nm]\n0,2,3\n", 100,
               ":2: frame 0; in this format frames are whole numbers from 1");
    read_fails("frame,x_px,y_px\n1e12,2,3\n", 100,
               ":2: frame 1e+12; in this format frames are whole numbers from 0");
    read_fails("pass,x_px,y_px\n1,2,3\n", 100,
               ":1: no column 'frame' in the header: pass, x_px, y_px");
    read_fails(
        "frame,x,y\n1,2,3\n", 100,
        ":1: columns x, y without a unit; call them x_px, y_px (frames from 0, pixel centres "
        "at integers) or x [nm], y [nm]");
    read_fails("frame,x [nm],y_px\n1,2,3\n", 100,
               ":1: columns x and y need one known unit: px, nm or um");
    read_fails("frame,x [mm],y [mm]\n1,2,3\n", 100,
               ":1: columns x and y need one known unit: px, nm or um");
    read_fails("1,2,3\n", 100,
               ":1: no header and 3 columns; without a header they must be frame,x,y,z,photons in "
               "nm, separated by commas, semicolons or tabs");
    read_fails("# x y t\n11135.1 4757.58 1\n", 100,
               ":2: no header and 1 columns; without a header they must be frame,x,y,z,photons in "
               "nm, separated by commas, semicolons or tabs");
    read_fails("frame,x [nm],y [nm]\n1,2,3\n", NAN,
               ": positions are in nm and nothing says how large a pixel is; give the pixel size "
               "(--set camera.pixel_size_nm=...)");
}

static void hostile_lines_are_refused(void **state) {
    (void)state;
    enum { SIZE = 70000 };
    char *text = atm_mem_alloc(SIZE + 100, 1);
    assert_non_null(text);
    memcpy(text, "frame,x_px,y_px\n", 16);
    memset(text + 16, '7', SIZE);
    read_fails(text, 100, ":2: the line is too long for a table");
    memset(text + 16, ',', 600);
    text[16] = '1', text[616] = '\0';
    read_fails(text, 100, ":2: more than 256 columns: this is not a table of ours");
    atm_mem_free(text);
    struct atm_err err = {0};
    struct atm_table table;
    FILE *out = fopen(at("t.csv"), "wb");
    assert_non_null(out);
    fprintf(out, "frame,x_px,y_px\n");
    for (int i = 0; i < 2000; i++)
        fprintf(out, "1,2,3\n");
    assert_true(fwrite("1,\0,3\n", 1, 6, out) == 6 && fclose(out) == 0);
    assert_int_equal(atm_table_read(at("t.csv"), NAN, &table, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "t.csv:2002: zero byte: this is not a text table"));
}

static struct atm_table sample(void) {
    struct atm_table table;
    struct atm_loc row = atm_loc_empty();
    atm_table_init(&table);
    row.frame = 3, row.x = -0.25, row.y = 30.5, row.photons = 1234.5, row.background = 17.25;
    row.sx = row.sy = 1.375, row.x_unc = row.y_unc = 0.0625, row.chi2 = 1.125;
    assert_int_equal(atm_table_append(&table, &row, NULL), ATM_OK);
    row.frame = 0, row.x = 11.0625, row.photons = NAN;
    assert_int_equal(atm_table_append(&table, &row, NULL), ATM_OK);
    row.y = NAN;
    assert_int_equal(atm_table_append(&table, &row, NULL), ATM_OK);
    table.columns = ATM_COLUMN_PHOTONS | ATM_COLUMN_BACKGROUND | ATM_COLUMN_SIGMA |
                    ATM_COLUMN_UNCERTAINTY | ATM_COLUMN_QUALITY;
    table.frames = 9, table.height = 40, table.width = 20, table.pixel_size_nm = 128;
    return table;
}

static void read_whole(const char *file, char *text, size_t size) {
    FILE *in = fopen(at(file), "rb");
    assert_non_null(in);
    text[fread(text, 1, size - 1, in)] = '\0';
    fclose(in);
}

static void thunderstorm_is_written_and_read(void **state) {
    (void)state;
    char text[1000];
    struct atm_err err = {0};
    struct atm_table table = sample(), back;
    ptrdiff_t dropped = 0;
    table.provenance = atm_mem_alloc(32, 1);
    assert_non_null(table.provenance);
    snprintf(table.provenance, 32, "%s", "[run]\nx = \"\\\t\xff\n");
    assert_int_equal(atm_table_write(at("a.csv"), &table, &dropped, &err), ATM_OK);
    assert_int_equal(dropped, 1);
    read_whole("a.csv", text, sizeof text);
    assert_string_equal(
        text, "\"id\",\"frame\",\"x [nm]\",\"y [nm]\",\"sigma [nm]\",\"intensity [photon]\","
              "\"offset [photon]\",\"bkgstd [photon]\",\"chi2\",\"uncertainty_xy [nm]\"\n"
              "1,4,32.00000,3968.00000,176.00000,1234.50000,17.25000,4.15331,1.12500,8.00000\n"
              "2,1,1480.00000,3968.00000,176.00000,NaN,17.25000,4.15331,1.12500,8.00000\n");
    assert_int_equal(atm_table_read(at("a.csv"), 55, &back, &err), ATM_OK);
    assert_true(back.count == 2 && back.pixel_size_nm == 128); /* from the protocol */
    assert_true(back.frames == 9 && back.height == 40 && back.width == 20);
    assert_string_equal(back.provenance, "[run]\nx = \"\\\t?\n");
    assert_true(back.rows[0].frame == 3 && near(back.rows[0].x, -0.25));
    assert_true(near(back.rows[0].y, 30.5) && near(back.rows[0].sx, 1.375));
    assert_true(near(back.rows[0].x_unc, 0.0625) && near(back.rows[1].x, 11.0625));
    assert_int_equal(back.columns, table.columns);
    atm_table_free(&back);

    /* a protocol that is no JSON is as good as none */
    assert_int_equal(atm_outfile_write_text(at("a-protocol.txt"), "{ \"pixelSize\": [", NULL),
                     ATM_OK);
    assert_int_equal(atm_table_read(at("a.csv"), 64, &back, &err), ATM_OK);
    assert_true(back.pixel_size_nm == 64 && near(back.rows[0].x, 0));
    atm_table_free(&back);

    assert_int_equal(remove(at("a-protocol.txt")), 0);
    assert_int_equal(remove(at("a.csv")), 0);
    table.pixel_size_nm = NAN;
    assert_int_equal(atm_table_write(at("a.csv"), &table, NULL, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "the pixel size is unknown"));
    assert_int_equal(access(at("a.csv"), F_OK), -1);
    atm_table_free(&table);
}

static void real_protocols_are_read(void **state) {
    (void)state;
    struct atm_table table;
    assert_int_equal(
        atm_outfile_write_text(
            at("b-protocol.txt"),
            "{\r\n\t\"version\": \"ThunderSTORM (1.3)\",\r\n\t\"imageInfo\": {\r\n"
            "\t\t\"title\": \"a: \\\"b\\\" \\u00e9\",\n\t\t\"roiBounds\": null},\n"
            "  \"cameraSettings\": {\n    \"offset\": 414.0,\n    \"isEmGain\": true,\n"
            "    \"photons2ADU\": 3.6,\n    \"pixelSize\": 160.0\n  },\n"
            "  \"postProcessing\": []\n}",
            NULL),
        ATM_OK);
    assert_int_equal(atm_outfile_write_text(at("b.csv"), "frame,x [nm],y [nm]\n1,80,240\n", NULL),
                     ATM_OK);
    assert_int_equal(atm_table_read(at("b.csv"), NAN, &table, NULL), ATM_OK);
    assert_true(table.pixel_size_nm == 160 && near(table.rows[0].x, 0) && near(table.rows[0].y, 1));
    atm_table_free(&table);
    assert_int_equal(remove(at("b-protocol.txt")), 0);
    assert_int_equal(remove(at("b.csv")), 0);
}

static void plain_pixels_are_written_and_read(void **state) {
    (void)state;
    char text[300];
    struct atm_table table = sample(), back;
    ptrdiff_t dropped = 0;
    assert_int_equal(atm_table_write(at("a.px.csv"), &table, &dropped, NULL), ATM_OK);
    assert_int_equal(dropped, 1);
    read_whole("a.px.csv", text, sizeof text);
    assert_string_equal(text, "frame,x_px,y_px,photons\n3,-0.250000,30.500000,1234.500\n"
                              "0,11.062500,30.500000,nan\n");
    assert_int_equal(atm_table_read(at("a.px.csv"), 128, &back, NULL), ATM_OK);
    assert_true(back.count == 2 && back.rows[0].x == -0.25 && back.rows[0].frame == 3);
    atm_table_free(&back);
    atm_table_free(&table);
    assert_int_equal(remove(at("a.px.csv")), 0);
}

/* Independent files, where they are at hand: the sources' own tables against the same in pixels. */
static void real_files_agree(void **state) {
    (void)state;
    static const struct {
        const char *original, *pixels;
        ptrdiff_t count;
    } pairs[] = {
        {"deepstorm/random_hd_positions_nm.csv", "deepstorm/random_hd_gt.csv", 0},
        {"deepstorm/tubes_hd_positions_nm.csv", "deepstorm/tubes_hd_gt.csv", 0},
        {"nairr/2DGauss_LD_Train_original.csv", "nairr/2DGauss_LD_Train_gt.csv", 0},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char original[400], pixels[400];
        struct atm_table a, b;
        struct atm_err err = {0};
        snprintf(original, sizeof original, "%s/data/real/%s", ATM_SHARED_DIR, pairs[i].original);
        snprintf(pixels, sizeof pixels, "%s/data/real/%s", ATM_SHARED_DIR, pairs[i].pixels);
        if (access(original, R_OK) != 0)
            skip();
        if (atm_table_read(original, 100, &a, &err) != ATM_OK ||
            atm_table_read(pixels, 100, &b, &err) != ATM_OK)
            fail_msg("%s", err.text);
        assert_true(a.count == b.count && a.count > 1000);
        atm_table_sort(&a);
        atm_table_sort(&b);
        double sums[2] = {0};
        for (ptrdiff_t j = 0; j < a.count; j++) {
            assert_int_equal(a.rows[j].frame, b.rows[j].frame);
            sums[0] += fabs(a.rows[j].x - b.rows[j].x), sums[1] += fabs(a.rows[j].y - b.rows[j].y);
        }
        /* four decimals there, so that a few neighbours in y change their order */
        assert_true(sums[0] / (double)a.count < 0.01 && sums[1] / (double)a.count < 1e-4);
        atm_table_free(&a);
        atm_table_free(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dialect_has_its_origin),
        cmocka_unit_test(thunderstorm_columns_are_understood),
        cmocka_unit_test(undefined_values_do_not_stop_reading),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(hostile_lines_are_refused),
        cmocka_unit_test(thunderstorm_is_written_and_read),
        cmocka_unit_test(real_protocols_are_read),
        cmocka_unit_test(plain_pixels_are_written_and_read),
        cmocka_unit_test(real_files_agree),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_table_and_folder);
}
