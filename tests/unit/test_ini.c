/* Configuration files: every mistake named with its line, values that read back exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ini.h"
#include "mem.h"
#include "spot_options.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct other_options {
    int64_t seed;
    double free;
};
static const struct atm_key other_keys[] = {
    ATM_KEY(struct other_options, seed, INT, "1", 0, 9.3e18, "", "random seed"),
    ATM_KEY(struct other_options, free, DOUBLE, "-2.5", 0, 0, "", "anything"),
};
static const struct atm_section other_section = {"other", "Others.", other_keys, 2};

static struct spot_options spot;
static struct other_options other;
static const struct atm_binding bindings[] = {{&spot_section, &spot}, {&other_section, &other}};

static void read_ok(const char *text) {
    struct atm_err err = {0};
    atm_ini_defaults(bindings, 2);
    if (atm_ini_read_text(text, "a.ini", bindings, 2, &err) != ATM_OK)
        fail_msg("%s", err.text);
    assert_string_equal(err.text, "");
}

static void read_fails(const char *text, const char *message) {
    struct atm_err err = {0};
    atm_ini_defaults(bindings, 2);
    assert_int_equal(atm_ini_read_text(text, "a.ini", bindings, 2, &err), ATM_FAIL);
    assert_int_equal(err.status, ATM_FAIL);
    assert_string_equal(err.text, message);
    assert_int_equal(atm_ini_read_text(text, "a.ini", bindings, 2, NULL), ATM_FAIL);
}

static void defaults_come_from_the_rows(void **state) {
    (void)state;
    memset(&spot, 0x55, sizeof spot);
    read_ok("");
    assert_int_equal(spot.frames, 20);
    assert_true(isnan(spot.sigma_px) && spot.rate == 1e-3 && other.free == -2.5);
    assert_false(spot.fast);
    assert_int_equal(spot.shape, 0);
    assert_string_equal(spot.path, "");
}

static void every_type_is_read(void **state) {
    (void)state;
    read_ok("\xef\xbb\xbf; a comment\r\n# another\r\n[spot] ; behind\r\nframes=37\r\n"
            "  sigma_px = 2.385   ; px\r\nrate: 1.25e-4 # colon\n\tfast = Yes\nshape = sampled\n"
            "path = /data/day 2/movie#3;x.tif  # comment\n\n[other]\nseed = 9223372036854775807");
    assert_int_equal(spot.frames, 37);
    assert_true(spot.sigma_px == 2.385 && spot.rate == 1.25e-4 && spot.fast);
    assert_int_equal(spot.shape, 1);
    assert_string_equal(spot.path, "/data/day 2/movie#3;x.tif");
    assert_int_equal(other.seed, INT64_MAX);
    read_ok("[spot]\npath = \" a \"\"b\"\" ;c # \" ; comment\n[other]\nfree=-1e300\n[spot]\n"
            "sigma_px=auto");
    assert_string_equal(spot.path, " a \"b\" ;c # ");
    assert_true(other.free == -1e300);
}

static void unknown_names_get_the_nearest(void **state) {
    (void)state;
    read_fails("[spot]\n\nsigm_px = 2\n",
               "a.ini:3: unknown key 'sigm_px' in [spot]; the nearest known one is 'sigma_px'");
    read_fails("[spot]\nrtae = 2\n",
               "a.ini:2: unknown key 'rtae' in [spot]; the nearest known one is 'rate'");
    read_fails("[spot]\nseed = 2\n",
               "a.ini:2: unknown key 'seed' in [spot]; it belongs to [other]");
    read_fails("[sopt]\n", "a.ini:1: unknown section [sopt]; the nearest known one is [spot]");
    read_fails("frames = 3\n", "a.ini:1: unknown section []; the nearest known one is [spot]");
}

static void bad_values_are_refused(void **state) {
    (void)state;
    const char *frames = "it must be a whole number, 1 to 1000000 frames";
    char message[400];
    const char *const bad[][2] = {{"3x", "is not a whole number"},
                                  {"2.5", "is not a whole number"},
                                  {"0", "is out of range"},
                                  {"1000001", "is out of range"},
                                  {"99999999999999999999", "is out of range"},
                                  {"", "has no value"},
                                  {"nan", "is not a whole number"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[80];
        snprintf(text, sizeof text, "[spot]\nframes = %s\n", bad[i][0]);
        snprintf(message, sizeof message, "a.ini:2: frames = '%s' %s; %s", bad[i][0], bad[i][1],
                 frames);
        read_fails(text, message);
    }
    read_fails("[spot]\nsigma_px = 0.2\n",
               "a.ini:2: sigma_px = '0.2' is out of range; it must be a "
               "number, 0.3 to 20 px, or auto");
    read_fails("[spot]\nsigma_px = 2 px\n",
               "a.ini:2: sigma_px = '2 px' is not a number; it must be "
               "a number, 0.3 to 20 px, or auto");
    read_fails("[spot]\nrate = nan\n",
               "a.ini:2: rate = 'nan' is not a finite number; it must be a number, at least 0");
    read_fails("[spot]\nrate = inf\n",
               "a.ini:2: rate = 'inf' is not a finite number; it must be a number, at least 0");
    read_fails("[spot]\nrate = auto\n",
               "a.ini:2: rate = 'auto' is not a number; it must be a number, at least 0");
    read_fails("[spot]\nfast = maybe\n",
               "a.ini:2: fast = 'maybe' is neither yes nor no; it must be yes or no");
    read_fails("[spot]\nshape = gaussian\n", "a.ini:2: shape = 'gaussian' is not a choice; it must "
                                             "be one of integrated, sampled");
}

static void bad_lines_are_refused(void **state) {
    (void)state;
    read_fails("[spot]\nframes = 3\nrate = 1\nframes = 3\n",
               "a.ini:4: 'frames' appears a second time in [spot]");
    read_fails("[spot]\nframes 3\n", "a.ini:2: expected 'key = value' or '[section]'");
    read_fails("[spot]\n= 3\n", "a.ini:2: no key before '='");
    read_fails("[spot\nframes = 3\n", "a.ini:1: ']' is missing behind the section's name");
    read_fails("[spot] junk\n", "a.ini:1: unexpected text behind the section's ']'");
    read_fails("[spot]\npath = \"a\" b\n",
               "a.ini:2: the quoted text does not end, or something follows its end");
    read_fails("[spot]\npath = \"a\n",
               "a.ini:2: the quoted text does not end, or something follows its end");
    read_fails("[spot]\npath = a\tb\n",
               "a.ini:2: the value contains a tab or another control character");
    read_fails("[spot]\nthis_name_is_so_long_that_the_library_would_have_cut_it = 3\n",
               "a.ini:2: the key's name is too long");
}

static void indented_lines_are_no_continuations(void **state) {
    (void)state;
    read_ok("[spot]\nframes = 3\n    rate = 7\n");
    assert_true(spot.frames == 3 && spot.rate == 7);
}

static void long_values_survive_or_are_refused(void **state) {
    (void)state;
    char text[4096], value[2100];
    memset(value, 0, sizeof value);
    for (int i = 0; i < ATM_KEY_TEXT_SIZE - 1; i++)
        value[i] = "ab ;#=[]:\"x"[i % 11];
    value[0] = ';';
    atm_ini_defaults(bindings, 2);
    memcpy(spot.path, value, ATM_KEY_TEXT_SIZE);
    char *resolved = atm_ini_resolved(bindings, 2);
    read_ok(resolved);
    assert_string_equal(spot.path, value);
    atm_mem_free(resolved);
    memset(value, 'p', ATM_KEY_TEXT_SIZE);
    snprintf(text, sizeof text, "[spot]\npath = %s\n", value);
    read_fails(text, "a.ini:2: path has 512 bytes; at most 511 are possible");
    memset(value, 'p', 2099);
    snprintf(text, sizeof text, "[spot]\npath = %s\n", value);
    read_fails(text, "a.ini:2: the line is longer than 2047 bytes");
    snprintf(text, sizeof text, "[spot]\n  # %s\nframes = 4\n", value);
    read_ok(text);
    assert_int_equal(spot.frames, 4);
}

static void resolved_reads_back_exactly(void **state) {
    (void)state;
    const double odd[] = {3.1, 1.0 / 3, 2.385, 19.999999999999996, 0.30000000000000004, NAN};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        atm_ini_defaults(bindings, 2);
        spot.sigma_px = odd[i], other.free = -odd[i] * 1e-7, spot.fast = true, spot.shape = 1;
        if (isnan(odd[i]))
            other.free = 0;
        snprintf(spot.path, sizeof spot.path, " %zu ", i);
        struct spot_options before = spot;
        double free_before = other.free;
        char *text = atm_ini_resolved(bindings, 2);
        assert_non_null(text);
        read_ok(text);
        atm_mem_free(text);
        assert_true(spot.sigma_px == before.sigma_px || isnan(odd[i]));
        assert_true(isnan(spot.sigma_px) == isnan(odd[i]));
        assert_true(other.free == free_before && spot.fast && spot.shape == 1);
        assert_string_equal(spot.path, before.path);
    }
}

static void template_is_complete_and_reads_as_defaults(void **state) {
    (void)state;
    char *text = atm_ini_template(bindings, 2);
    assert_non_null(strstr(text, "# Spots and their shape.\n[spot]\n# how many frames (a whole "
                                 "number, 1 to 1000000 frames)\nframes = 20\n"));
    assert_non_null(strstr(text, "# shape of a spot (one of integrated, sampled)\nshape = "));
    read_ok(text);
    assert_int_equal(spot.frames, 20);
    assert_true(isnan(spot.sigma_px));
    atm_mem_free(text);
}

static void set_fails(const char *assignment, const char *message) {
    struct atm_err err = {0};
    assert_int_equal(atm_ini_set(assignment, bindings, 2, &err), ATM_USAGE);
    assert_int_equal(err.status, ATM_USAGE);
    assert_string_equal(err.text, message);
    assert_int_equal(atm_ini_set(assignment, bindings, 2, NULL), ATM_USAGE);
}

static void set_follows_the_same_rules(void **state) {
    (void)state;
    struct atm_err err = {0};
    atm_ini_defaults(bindings, 2);
    assert_int_equal(atm_ini_set("spot.sigma_px=1.5", bindings, 2, &err), ATM_OK);
    assert_int_equal(atm_ini_set("spot.path=a=b.c ;d", bindings, 2, &err), ATM_OK);
    assert_true(spot.sigma_px == 1.5);
    assert_string_equal(spot.path, "a=b.c ;d");
    set_fails("spot.sigma_px", "--set 'spot.sigma_px': expected section.key=value");
    set_fails("frames=3", "--set 'frames=3': expected section.key=value");
    set_fails("spot.frame=3",
              "--set: unknown key 'frame' in [spot]; the nearest known one is 'frames'");
    set_fails("spots.frames=3", "--set: unknown section [spots]; the nearest known one is [spot]");
    set_fails("spot.fast=", "--set: fast = '' has no value; it must be yes or no");
    set_fails("spot.path=a\nb", "--set: path contains a tab, line break or other control character "
                                "(byte 2)");
}

static void what_is_not_said_is_filled(void **state) {
    (void)state;
    read_ok("[spot]\nframes = 5\nfast = yes\n");
    const struct spot_options said = spot;
    read_ok("[spot]\nframes = 7\nsigma_px = 1.5\nrate = 1e-4\npath = a b\n");
    struct spot_options filled = said;
    atm_ini_fill(&spot_section, &filled, &spot);
    assert_int_equal(filled.frames, 5);
    assert_true(filled.fast && filled.sigma_px == 1.5 && filled.rate == 1e-4);
    assert_string_equal(filled.path, "a b");
}

static void files_are_named(void **state) {
    (void)state;
    struct atm_err err = {0};
    char path[] = "/tmp/atm_ini_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "[spot]\nframes = 5\nfast = 2\n", 27) == 27);
    assert_int_equal(atm_ini_read(path, bindings, 2, &err), ATM_FAIL);
    assert_memory_equal(err.text, path, strlen(path));
    assert_non_null(strstr(err.text, ":3: fast = '2' is neither"));
    assert_int_equal(ftruncate(fd, 17), 0);
    assert_int_equal(atm_ini_read(path, bindings, 2, &err), ATM_OK);
    assert_int_equal(spot.frames, 5);
    assert_int_equal(ftruncate(fd, 30), 0); /* zero bytes */
    assert_int_equal(atm_ini_read(path, bindings, 2, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "not a text file (zero byte at 17)"));
    assert_int_equal(ftruncate(fd, 2 << 20), 0);
    assert_int_equal(atm_ini_read(path, bindings, 2, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "more than 1048576 bytes"));
    close(fd);
    remove(path);
    assert_int_equal(atm_ini_read(path, bindings, 2, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "cannot open: No such file"));
    assert_int_equal(atm_ini_read("/tmp", bindings, 2, &err), ATM_FAIL);
    assert_string_equal(err.text, "/tmp: is a folder, a file is needed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_come_from_the_rows),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(unknown_names_get_the_nearest),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(bad_lines_are_refused),
        cmocka_unit_test(indented_lines_are_no_continuations),
        cmocka_unit_test(long_values_survive_or_are_refused),
        cmocka_unit_test(resolved_reads_back_exactly),
        cmocka_unit_test(template_is_complete_and_reads_as_defaults),
        cmocka_unit_test(set_follows_the_same_rules),
        cmocka_unit_test(what_is_not_said_is_filled),
        cmocka_unit_test(files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
