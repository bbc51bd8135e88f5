#include "unipen.h"

#include "mem.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    const char *path;
    struct atm_unipen *unipen;
    struct atm_err *err;
    ptrdiff_t line;
    bool down;
    bool segments; /* there was a .SEGMENT */
};

static const double MOST = 1e9; /* no tablet is larger */

bool atm_unipen_probe(const char *head, size_t size) {
    static const char *const words[] = {".PEN_DOWN", ".SEGMENT", ".HIERARCHY", ".LEXICON"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (memmem(head, size, words[i], strlen(words[i])) && !memchr(head, 0, size))
            return true;
    return false;
}

/* Room for one more of `size` bytes behind `count`; the array may move. */
static enum atm_status grow(void *array, ptrdiff_t count, ptrdiff_t *room, size_t size,
                            const struct parser *parser) {
    void *old;
    memcpy(&old, array, sizeof old);
    if (count < *room)
        return ATM_OK;
    const ptrdiff_t more = *room ? 2 * *room : 64;
    void *grown = atm_mem_grow(old, (size_t)*room, (size_t)more, size);
    if (!grown)
        return atm_err_memory(parser->err, parser->path);
    memcpy(array, &grown, sizeof grown);
    *room = more;
    return ATM_OK;
}

static enum atm_status no_strokes(const struct parser *parser) {
    return atm_err_set(parser->err, ATM_FAIL,
                       "%s: line %td: the segment before has no .PEN_DOWN of its own; files whose "
                       ".SEGMENT lines stand apart from the pen's are not read",
                       parser->path, parser->line);
}

static struct atm_unipen_image *last_image(struct atm_unipen *u) {
    return u->image_count ? &u->images[u->image_count - 1] : NULL;
}

/* "8" is 8, "a" is 97. */
static int32_t label_of(const char *line, size_t length) {
    const char *from = memchr(line, '"', length);
    const char *end = from ? memchr(from + 1, '"', length - (size_t)(from + 1 - line)) : NULL;
    if (!end || end == from + 1 || end - from > 10)
        return -1;
    int32_t number = 0;
    for (const char *at = from + 1; at < end; at++) {
        if (!isdigit((unsigned char)*at))
            return end == from + 2 ? (unsigned char)from[1] : -1;
        if (number > (INT32_MAX - 9) / 10)
            return -1;
        number = 10 * number + (*at - '0');
    }
    return number;
}

static enum atm_status begin_image(struct parser *parser, int32_t label) {
    struct atm_unipen *u = parser->unipen;
    const struct atm_unipen_image *before = last_image(u);
    if (before && !before->strokes)
        return no_strokes(parser);
    parser->down = false;
    enum atm_status status =
        grow(&u->images, u->image_count, &u->image_room, sizeof *u->images, parser);
    if (status == ATM_OK)
        u->images[u->image_count++] = (struct atm_unipen_image){u->stroke_count, 0, label};
    return status;
}

static enum atm_status begin_stroke(struct parser *parser) {
    struct atm_unipen *u = parser->unipen;
    enum atm_status status = last_image(u) ? ATM_OK : begin_image(parser, -1);
    parser->down = true;
    if (status == ATM_OK)
        status = grow(&u->ends, u->stroke_count, &u->stroke_room, sizeof *u->ends, parser);
    if (status != ATM_OK)
        return status;
    u->ends[u->stroke_count++] = u->point_count;
    last_image(u)->strokes++;
    return ATM_OK;
}

static bool is_word(const char *line, size_t length, const char *word) {
    const size_t n = strlen(word);
    return length >= n && !memcmp(line, word, n) &&
           (length == n || isspace((unsigned char)line[n]));
}

static enum atm_status take_point(struct parser *parser, const char *line) {
    struct atm_unipen *u = parser->unipen;
    char *middle, *end;
    struct atm_pen_point point = {.x = strtod(line, &middle)};
    point.y = strtod(middle, &end);
    if (middle == line || end == middle || !(fabs(point.x) < MOST) || !(fabs(point.y) < MOST) ||
        memchr(line, '\n', (size_t)(end - line)))
        return atm_err_set(parser->err, ATM_FAIL,
                           "%s: line %td: \"%.20s\" is no pair of coordinates x y", parser->path,
                           parser->line, line);
    enum atm_status status =
        grow(&u->points, u->point_count, &u->point_room, sizeof *u->points, parser);
    if (status != ATM_OK)
        return status;
    u->points[u->point_count++] = point;
    u->ends[u->stroke_count - 1] = u->point_count;
    return ATM_OK;
}

static enum atm_status take_line(struct parser *parser, const char *line, size_t length) {
    while (length && isspace((unsigned char)*line))
        line++, length--;
    if (!length)
        return ATM_OK;
    if (is_word(line, length, ".SEGMENT"))
        return begin_image(parser, label_of(line, length));
    if (is_word(line, length, ".PEN_DOWN"))
        return begin_stroke(parser);
    if (is_word(line, length, ".PEN_UP"))
        parser->down = false;
    return *line != '.' && parser->down ? take_point(parser, line) : ATM_OK;
}

/* Strokes without points are none, and images need some. */
static enum atm_status check(struct parser *parser) {
    struct atm_unipen *u = parser->unipen;
    const struct atm_unipen_image *last = last_image(u);
    if (!last)
        return atm_err_set(parser->err, ATM_FAIL, "%s: has no pen strokes (.PEN_DOWN)",
                           parser->path);
    if (!last->strokes)
        return no_strokes(parser);
    for (ptrdiff_t i = 0; i < u->image_count; i++) {
        const struct atm_unipen_image *image = &u->images[i];
        const ptrdiff_t from = image->stroke ? u->ends[image->stroke - 1] : 0;
        if (u->ends[image->stroke + image->strokes - 1] == from)
            return atm_err_set(parser->err, ATM_FAIL,
                               "%s: image %td (counting from 0) has no points", parser->path, i);
    }
    return ATM_OK;
}

enum atm_status atm_unipen_parse(const char *path, const char *text, size_t size,
                                 struct atm_unipen *unipen, struct atm_err *err) {
    struct atm_err own = {0};
    *unipen = (struct atm_unipen){0};
    struct parser parser = {.path = path, .unipen = unipen, .err = err ? err : &own};
    enum atm_status status = ATM_OK;
    for (size_t at = 0; at < size && status == ATM_OK;) {
        const char *end = memchr(text + at, '\n', size - at);
        const size_t length = (end ? (size_t)(end - text) : size) - at;
        parser.line++;
        status = take_line(&parser, text + at, length);
        at += length + 1;
    }
    return status == ATM_OK ? check(&parser) : status;
}

void atm_unipen_free(struct atm_unipen *unipen) {
    atm_mem_free(unipen->points);
    atm_mem_free(unipen->ends);
    atm_mem_free(unipen->images);
    *unipen = (struct atm_unipen){0};
}

/* ---- Drawing ---- */

/* From the tablet to the image: x' = cx + scale (x - mx), y' = cx - scale (y - my). */
struct fit {
    double scale, mx, my, middle;
};

static struct fit fit_to(const struct atm_pen_point *points, ptrdiff_t count, ptrdiff_t size_px) {
    double x0 = points[0].x, x1 = x0, y0 = points[0].y, y1 = y0;
    for (ptrdiff_t i = 1; i < count; i++) {
        x0 = fmin(x0, points[i].x), x1 = fmax(x1, points[i].x);
        y0 = fmin(y0, points[i].y), y1 = fmax(y1, points[i].y);
    }
    const double longest = fmax(x1 - x0, y1 - y0);
    return (struct fit){.scale = longest > 0 ? 88.0 / 128 * (double)size_px / longest : 0,
                        .mx = (x0 + x1) / 2,
                        .my = (y0 + y1) / 2,
                        .middle = (double)(size_px - 1) / 2};
}

static void draw_stroke(const struct atm_pen_point *points, ptrdiff_t count, const struct fit *fit,
                        const struct atm_unipen_drawing *drawing, float *squared) {
    const ptrdiff_t side = drawing->size_px;
    struct atm_pen_point line[2];
    for (ptrdiff_t i = 0; i < count; i++) {
        line[0] = line[1];
        line[1] = (struct atm_pen_point){fit->middle + fit->scale * (points[i].x - fit->mx),
                                         fit->middle - fit->scale * (points[i].y - fit->my)};
        atm_pen_distance(i ? line : line + 1, i ? 2 : 1, drawing->pen_px / 2 + 1, side, side,
                         squared);
    }
}

void atm_unipen_draw(const struct atm_unipen *u, ptrdiff_t index,
                     const struct atm_unipen_drawing *drawing, float *pixels) {
    const struct atm_unipen_image *image = &u->images[index];
    const ptrdiff_t count = drawing->size_px * drawing->size_px;
    ptrdiff_t from = image->stroke ? u->ends[image->stroke - 1] : 0;
    const struct fit fit = fit_to(
        u->points + from, u->ends[image->stroke + image->strokes - 1] - from, drawing->size_px);
    for (ptrdiff_t i = 0; i < count; i++)
        pixels[i] = INFINITY;
    for (ptrdiff_t s = 0; s < image->strokes; s++) {
        const ptrdiff_t end = u->ends[image->stroke + s];
        draw_stroke(u->points + from, end - from, &fit, drawing, pixels);
        from = end;
    }
    for (ptrdiff_t i = 0; i < count; i++) {
        const float inside = (float)(drawing->pen_px / 2 + 0.5) - sqrtf(pixels[i]);
        pixels[i] = rintf(255 * fminf(fmaxf(inside, 0), 1));
    }
}
