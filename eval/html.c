#include "html.h"

#include "base64.h"
#include "mem.h"
#include "outfile.h"
#include "textfile.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A picture larger than this belongs beside the page, not into it. */
static const long long MOST_IMAGE_BYTES = 64 << 20;

/* A text that grows. */
struct text {
    char *bytes; /* owned, by malloc */
    size_t size;
    FILE *stream;
};

struct atm_html {
    char *title, *subtitle; /* owned */
    struct text contents, body;
    int sections;
    bool in_section;
};

static const char style[] =
    "*{box-sizing:border-box}"
    "html{-webkit-text-size-adjust:100%}"
    "body{margin:0 auto;max-width:62rem;padding:1rem 1.25rem 3rem;background:#fff;color:#1d2329;"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}"
    "h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0 .2rem}"
    "h2{font-size:1.25rem;margin:2.2rem 0 .6rem;padding-top:.5rem;border-top:1px solid #d5dade}"
    "h3{font-size:1.02rem;margin:1.4rem 0 .4rem}"
    "p{margin:.5rem 0;max-width:48rem;overflow-wrap:anywhere}"
    ".sub{color:#55606a;margin-top:0}"
    "nav{margin:.8rem 0;line-height:2}"
    "nav a{color:#0059a0;text-decoration:none;margin-right:1.1rem;white-space:nowrap}"
    "nav a:hover{text-decoration:underline}"
    ".figs{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:.7rem;"
    "margin:.9rem 0}"
    ".fig{border:1px solid #d5dade;border-radius:6px;padding:.6rem .8rem;break-inside:avoid}"
    ".fig b{display:block;font-size:1.45rem;line-height:1.25;font-weight:600}"
    ".fig span{display:block;font-weight:600;font-size:.9rem}"
    ".fig small{display:block;color:#55606a;font-size:.82rem;line-height:1.4;margin-top:.15rem}"
    ".note{border-left:4px solid;padding:.5rem .8rem;margin:.8rem 0;background:#f6f8f9}"
    ".good{border-color:#00855b}.caution{border-color:#c77700}.bad{border-color:#c0392b}"
    ".wide{overflow-x:auto;margin:.8rem 0}"
    "table{border-collapse:collapse;font-size:.88rem}"
    "caption{text-align:left;color:#55606a;padding:.2rem 0}"
    "th,td{padding:.28rem .7rem;border-bottom:1px solid #e3e7ea;text-align:left;"
    "vertical-align:top;white-space:nowrap}"
    "th{border-bottom:2px solid #aab3ba}"
    "th.n,td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "figure{margin:1rem 0;break-inside:avoid}"
    "figure img{display:block;max-width:100%;height:auto}"
    "figcaption{color:#55606a;font-size:.88rem;margin-top:.35rem;max-width:48rem}"
    "details{margin:.7rem 0}summary{cursor:pointer;font-weight:600}"
    "pre{background:#f6f8f9;border:1px solid #e3e7ea;border-radius:6px;padding:.7rem;"
    "font-size:.78rem;line-height:1.4;overflow-x:auto}"
    "@media (max-width:40rem){body{padding:.6rem .8rem 2rem}h1{font-size:1.35rem}"
    ".figs{grid-template-columns:1fr 1fr;gap:.5rem}.fig b{font-size:1.2rem}"
    "th,td{padding:.25rem .45rem}}"
    /* Paper does not scroll or unfold: tables shrink, their headings break, details are open. */
    "@media print{body{max-width:none;padding:0;font-size:10.5pt}nav{display:none}"
    "h2,h3{break-after:avoid}.wide{overflow:visible}pre{white-space:pre-wrap}"
    "table{font-size:7.5pt;width:100%}th,td{padding:.15rem .3rem}th{white-space:normal}"
    "details::details-content{content-visibility:visible;block-size:auto}"
    "details pre{columns:3;font-size:6.5pt;padding:.3rem}figure img{max-height:8.5cm}}";

/* ---- text ---- */

static void put_escaped(FILE *out, const char *text) {
    for (const char *c = text ? text : ""; *c; c++)
        switch (*c) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            if ((unsigned char)*c >= 0x20 || *c == '\n' || *c == '\t')
                fputc(*c, out);
        }
}

__attribute__((format(printf, 2, 0))) static void put_formatted(FILE *out, const char *format,
                                                                va_list args) {
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        return;
    put_escaped(out, text);
    free(text);
}

static bool open_text(struct text *text) {
    text->stream = open_memstream(&text->bytes, &text->size);
    return text->stream != NULL;
}

/* False when something was lost. The bytes can be read afterwards. */
static bool close_text(struct text *text) {
    if (!text->stream)
        return false;
    bool whole = !ferror(text->stream);
    whole = fclose(text->stream) == 0 && whole;
    text->stream = NULL;
    return whole;
}

/* ---- the page ---- */

enum atm_status atm_html_create(const char *title, const char *subtitle, struct atm_html **page,
                                struct atm_err *err) {
    struct atm_html *p = atm_mem_alloc(1, sizeof *p);
    if (!p)
        return atm_err_memory(err, "the report");
    p->title = strdup(title ? title : "");
    p->subtitle = strdup(subtitle ? subtitle : "");
    bool opened = open_text(&p->contents);
    opened = open_text(&p->body) && opened;
    if (!p->title || !p->subtitle || !opened) {
        atm_html_destroy(&p);
        return atm_err_memory(err, "the report");
    }
    *page = p;
    return ATM_OK;
}

void atm_html_destroy(struct atm_html **page) {
    struct atm_html *p = *page;
    if (!p)
        return;
    close_text(&p->contents);
    close_text(&p->body);
    free(p->contents.bytes);
    free(p->body.bytes);
    free(p->title);
    free(p->subtitle);
    atm_mem_free(p);
    *page = NULL;
}

static void end_section(struct atm_html *page) {
    if (page->in_section)
        fputs("</section>\n", page->body.stream);
    page->in_section = false;
}

void atm_html_section(struct atm_html *page, const char *heading) {
    end_section(page);
    page->in_section = true;
    int number = ++page->sections;
    fprintf(page->contents.stream, "<a href=\"#s%d\">", number);
    put_escaped(page->contents.stream, heading);
    fputs("</a> ", page->contents.stream);
    fprintf(page->body.stream, "<section id=\"s%d\"><h2>", number);
    put_escaped(page->body.stream, heading);
    fputs("</h2>\n", page->body.stream);
}

void atm_html_heading(struct atm_html *page, const char *heading) {
    fputs("<h3>", page->body.stream);
    put_escaped(page->body.stream, heading);
    fputs("</h3>\n", page->body.stream);
}

void atm_html_text(struct atm_html *page, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("<p>", page->body.stream);
    put_formatted(page->body.stream, format, args);
    fputs("</p>\n", page->body.stream);
    va_end(args);
}

void atm_html_note(struct atm_html *page, enum atm_html_tone tone, const char *format, ...) {
    static const char *const tones[] = {"good", "caution", "bad"};
    va_list args;
    va_start(args, format);
    fprintf(page->body.stream, "<p class=\"note %s\">", tones[tone]);
    put_formatted(page->body.stream, format, args);
    fputs("</p>\n", page->body.stream);
    va_end(args);
}

void atm_html_figures(struct atm_html *page, const struct atm_html_figure *figures, int count) {
    FILE *out = page->body.stream;
    fputs("<div class=\"figs\">\n", out);
    for (int i = 0; i < count; i++) {
        fputs("<div class=\"fig\"><b>", out);
        put_escaped(out, figures[i].value);
        fputs("</b><span>", out);
        put_escaped(out, figures[i].label);
        fputs("</span>", out);
        if (figures[i].meaning) {
            fputs("<small>", out);
            put_escaped(out, figures[i].meaning);
            fputs("</small>", out);
        }
        fputs("</div>\n", out);
    }
    fputs("</div>\n", out);
}

/* ---- tables ---- */

static bool is_numeric(const char *cell) {
    const char *digits = cell + strspn(cell, "+-\xe2\x88\x92.");
    return isdigit((unsigned char)*digits) || !strcmp(cell, "n/a");
}

/* Headings stand over their column's cells: to the right where the first cell is a number. */
static bool is_right(const struct atm_html_table *table, int column) {
    for (ptrdiff_t row = 0; row < table->rows; row++) {
        const char *cell = table->cells[row * table->columns + column];
        if (cell && *cell)
            return is_numeric(cell);
    }
    return false;
}

static void put_cell(FILE *out, const char *tag, const char *text, bool right) {
    fprintf(out, right ? "<%s class=\"n\">" : "<%s>", tag);
    put_escaped(out, text);
    fprintf(out, "</%s>", tag);
}

void atm_html_table(struct atm_html *page, const struct atm_html_table *table) {
    FILE *out = page->body.stream;
    fputs("<div class=\"wide\"><table>\n", out);
    if (table->caption)
        put_cell(out, "caption", table->caption, false);
    fputs("<thead><tr>", out);
    for (int i = 0; i < table->columns; i++)
        put_cell(out, "th", table->head[i], is_right(table, i));
    fputs("</tr></thead>\n<tbody>\n", out);
    for (ptrdiff_t row = 0; row < table->rows; row++) {
        fputs("<tr>", out);
        for (int i = 0; i < table->columns; i++) {
            const char *cell = table->cells[row * table->columns + i];
            put_cell(out, "td", cell, cell && is_numeric(cell));
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

/* ---- pictures ---- */

static const char *media_type(const char *path) {
    size_t length = strlen(path);
    if (length > 4 && !strcasecmp(path + length - 4, ".png"))
        return "image/png";
    return length > 4 && !strcasecmp(path + length - 4, ".svg") ? "image/svg+xml" : NULL;
}

static enum atm_status read_bytes(const char *path, unsigned char **bytes, size_t *count,
                                  struct atm_err *err) {
    FILE *file = NULL;
    long long size = 0;
    enum atm_status status = atm_textfile_open(path, &file, &size, err);
    if (status != ATM_OK)
        return status;
    if (size < 1 || size > MOST_IMAGE_BYTES)
        status = atm_err_set(err, ATM_FAIL, "%s: a picture of %lld bytes does not go into a page",
                             path, size);
    *bytes = status == ATM_OK ? atm_mem_alloc((size_t)size, 1) : NULL;
    if (status == ATM_OK && !*bytes)
        status = atm_err_memory(err, path);
    *count = (size_t)size;
    if (status == ATM_OK && fread(*bytes, 1, *count, file) != *count)
        status = atm_err_errno(err, path, "read");
    fclose(file);
    return status;
}

enum atm_status atm_html_image(struct atm_html *page, const char *path, const char *caption,
                               struct atm_err *err) {
    const char *type = media_type(path);
    unsigned char *bytes = NULL;
    size_t count = 0;
    if (!type)
        return atm_err_set(err, ATM_FAIL, "%s: a page takes .png and .svg pictures", path);
    enum atm_status status = read_bytes(path, &bytes, &count, err);
    if (status == ATM_OK) {
        FILE *out = page->body.stream;
        fputs("<figure><img alt=\"", out);
        put_escaped(out, caption);
        fprintf(out, "\" src=\"data:%s;base64,", type);
        atm_base64_put(out, bytes, count);
        fputs("\"><figcaption>", out);
        put_escaped(out, caption);
        fputs("</figcaption></figure>\n", out);
    }
    atm_mem_free(bytes);
    return status;
}

void atm_html_details(struct atm_html *page, const char *summary, const char *text) {
    FILE *out = page->body.stream;
    fputs("<details><summary>", out);
    put_escaped(out, summary);
    fputs("</summary><pre>", out);
    put_escaped(out, text);
    fputs("</pre></details>\n", out);
}

void atm_html_preformatted(struct atm_html *page, const char *text) {
    fputs("<pre>", page->body.stream);
    put_escaped(page->body.stream, text);
    fputs("</pre>\n", page->body.stream);
}

/* ---- together ---- */

/* The policy lets a browser load nothing but what is in the page. */
static void put_page(FILE *out, const struct atm_html *page) {
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "img-src data:; style-src 'unsafe-inline'\">\n"
          "<link rel=\"icon\" href=\"data:,\">\n<title>",
          out);
    put_escaped(out, page->title);
    fprintf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n<h1>", style);
    put_escaped(out, page->title);
    fputs("</h1>\n<p class=\"sub\">", out);
    put_escaped(out, page->subtitle);
    fputs("</p>\n", out);
    if (page->sections > 1)
        fprintf(out, "<nav>%s</nav>\n", page->contents.bytes);
    fprintf(out, "%s</body>\n</html>\n", page->body.bytes);
}

enum atm_status atm_html_write(struct atm_html *page, const char *path, struct atm_err *err) {
    struct text whole = {0};
    end_section(page);
    bool good = close_text(&page->contents);
    good = close_text(&page->body) && good;
    good = good && open_text(&whole);
    if (good)
        put_page(whole.stream, page);
    good = close_text(&whole) && good;
    enum atm_status status =
        good ? atm_outfile_write_text(path, whole.bytes, err) : atm_err_memory(err, path);
    free(whole.bytes);
    return status;
}
