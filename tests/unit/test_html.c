/* Pages: everything inside, escaped, and the same bytes again; charts as SVG, PNG and JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "chart.h"
#include "html.h"
#include "mem.h"
#include "outfile.h"
#include "test_folder.h"
#include "textfile.h"
#include <math.h>
#include <string.h>

static const double x[] = {1, 10, 100, 1000}, y[] = {4, 2.5, NAN, 1.25}, low[] = {3, 2, NAN, 1},
                    high[] = {5, 3, NAN, 1.5};

static struct atm_chart chart_of(const struct atm_curve *curves, int count) {
    return (struct atm_chart){.title = "a < b & \"c\"",
                              .x_label = "photons",
                              .curves = curves,
                              .count = count,
                              .log_x = true};
}

static char *text_of(const char *path) {
    char *text = NULL;
    struct atm_err err = {0};
    if (atm_textfile_read(path, 1 << 24, &text, &err) != ATM_OK)
        fail_msg("%s", err.text);
    return text;
}

static void chart_is_written_as_svg_png_and_json(void **state) {
    (void)state;
    const struct atm_curve curves[] = {
        {.label = "found", .x = x, .y = y, .count = 4, .low = low, .high = high},
        {.label = "limit", .x = x, .y = y, .count = 4, .style = ATM_CURVE_DASHED},
        {.label = "counts", .x = x, .y = y, .count = 4, .style = ATM_CURVE_STEPS},
        {.x = x, .y = y, .count = 4, .style = ATM_CURVE_DOTS}};
    struct atm_chart chart = chart_of(curves, 4);
    assert_int_equal(atm_chart_write_all("c", &chart, NULL), ATM_OK);
    char *json = text_of("c.json"), *svg = text_of("c.svg");
    assert_non_null(strstr(json, "{\"title\": \"a < b & \\\"c\\\"\", \"x_label\": \"photons\", "
                                 "\"y_label\": null,"));
    assert_non_null(strstr(json, "{\"label\": \"found\", \"x\": [1, 10, 100, 1000], \"y\": [4, "
                                 "2.5, null, 1.25], \"low\": [3, 2, null, 1]"));
    assert_non_null(strstr(svg, "width=\"720px\""));
    assert_non_null(strstr(svg, "stroke-dasharray"));
    assert_null(strstr(svg, "http://www.w3.org/1999/xlink\" href"));
    assert_int_equal(atm_chart_write("again.svg", &chart, NULL), ATM_OK);
    char *again = text_of("again.svg");
    assert_string_equal(again, svg);
    atm_mem_free(json);
    atm_mem_free(svg);
    atm_mem_free(again);
}

static void make_page(const char *path) {
    struct atm_html *page = NULL;
    const char *const head[] = {"what", "J <1>"}, *const cells[] = {"a&b", "0.5", NULL, "n/a"};
    const struct atm_html_table table = {"scores", head, cells, 2, 2};
    const struct atm_html_figure figure = {"0.917", "Jaccard", "share of <all> that are right"};
    assert_int_equal(atm_html_create("T<i>tle", "sub & more", &page, NULL), ATM_OK);
    atm_html_section(page, "One");
    atm_html_text(page, "%d %s", 12, "<script>alert(1)</script>");
    atm_html_figures(page, &figure, 1);
    atm_html_section(page, "Two");
    atm_html_table(page, &table);
    atm_html_note(page, ATM_HTML_BAD, "%.1f", 2.5);
    assert_int_equal(atm_html_image(page, "c.svg", "curve \"q\"", NULL), ATM_OK);
    assert_int_equal(atm_html_image(page, "abc.png", "bytes", NULL), ATM_OK);
    atm_html_details(page, "configuration", "[run]\nseed = 1 # <x>\n");
    struct atm_err err = {0};
    assert_int_equal(atm_html_image(page, "missing.png", "", &err), ATM_FAIL);
    assert_int_equal(atm_html_image(page, "picture.gif", "", &err), ATM_FAIL);
    assert_int_equal(atm_html_write(page, path, NULL), ATM_OK);
    atm_html_destroy(&page);
    assert_null(page);
}

static void page_holds_everything_escaped(void **state) {
    (void)state;
    assert_int_equal(atm_outfile_write_text("abc.png", "Many hands", NULL), ATM_OK);
    make_page("p.html");
    make_page("q.html");
    char *page = text_of("p.html"), *same = text_of("q.html");
    assert_string_equal(page, same);
    assert_non_null(strstr(page, "<h1>T&lt;i&gt;tle</h1>"));
    assert_non_null(strstr(page, "<p>12 &lt;script&gt;alert(1)&lt;/script&gt;</p>"));
    assert_non_null(strstr(page, "<a href=\"#s2\">Two</a>"));
    assert_non_null(strstr(page, "<b>0.917</b><span>Jaccard</span><small>share of &lt;all&gt;"));
    assert_non_null(strstr(page, "<th>what</th><th class=\"n\">J &lt;1&gt;</th>"));
    assert_non_null(strstr(page, "<td>a&amp;b</td><td class=\"n\">0.5</td>"));
    assert_non_null(strstr(page, "<td></td><td class=\"n\">n/a</td>"));
    assert_non_null(strstr(page, "src=\"data:image/png;base64,TWFueSBoYW5kcw==\""));
    assert_non_null(strstr(page, "src=\"data:image/svg+xml;base64,"));
    assert_non_null(strstr(page, "seed = 1 # &lt;x&gt;"));
    assert_non_null(strstr(page, "default-src 'none'"));
    assert_null(strstr(page, "http://"));
    assert_null(strstr(page, "https://"));
    atm_mem_free(page);
    atm_mem_free(same);
}

static int remove_all(void **state) {
    static const char *const files[] = {"c.svg",   "c.png",  "c.json", "again.svg",
                                        "abc.png", "p.html", "q.html"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    return leave_folder(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chart_is_written_as_svg_png_and_json),
        cmocka_unit_test(page_holds_everything_escaped),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_all);
}
