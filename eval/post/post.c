#include "post_step.h"

#include "mem.h"
#include "outfile.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct atm_post_step *const steps[] = {
    &atm_post_filter, &atm_post_drift, &atm_post_link, &atm_post_density, &atm_post_duplicates,
    &atm_post_render, &atm_post_frc,   &atm_post_nena, &atm_post_quality,
};
enum { STEPS = sizeof steps / sizeof *steps, MOST_STEPS = 64 };

/* One item of post.steps; its texts lie in the chain's copy. */
struct item {
    const struct atm_post_step *step;
    char *arguments; /* what stood in the brackets; NULL: there were none */
};

struct chain {
    char text[ATM_KEY_TEXT_SIZE];
    struct item items[MOST_STEPS];
    int count;
};

void atm_post_result_free(struct atm_post_result *result) {
    atm_mem_free(result->report);
    atm_mem_free(result->provenance);
    *result = (struct atm_post_result){NULL, NULL};
}

/* ---- the text of a chain ---- */

static const struct atm_post_step *find_step(const char *name) {
    for (int i = 0; i < STEPS; i++)
        if (strcmp(steps[i]->name, name) == 0)
            return steps[i];
    return NULL;
}

static enum atm_status unknown_step(const char *name, struct atm_err *err) {
    char list[200] = "";
    for (int i = 0; i < STEPS; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", steps[i]->name);
    }
    return atm_err_set(err, ATM_USAGE, "post.steps: no step is called \"%.40s\"; there are %s",
                       name, list);
}

/* The bracket that closes the one at `open`, or NULL. */
static char *closing(char *open) {
    int depth = 0;
    for (char *c = open; *c; c++) {
        depth += (*c == '(') - (*c == ')');
        if (depth == 0)
            return c;
    }
    return NULL;
}

static char *skip(char *at) { return at + strspn(at, " \t,"); }

/* Cut one item off; *at is moved behind it. */
static enum atm_status take_item(char **at, struct item *item, struct atm_err *err) {
    char *name = *at, *end = name + strcspn(name, " \t,(");
    char *next = end + strspn(end, " \t");
    item->arguments = NULL;
    if (*next == '(') {
        char *close = closing(next);
        if (!close)
            return atm_err_set(err, ATM_USAGE, "post.steps: no ')' ends \"%.60s\"", name);
        item->arguments = next + 1;
        *close = '\0';
        next = close + 1 + strspn(close + 1, " \t");
    }
    if (*next && *next != ',')
        return atm_err_set(err, ATM_USAGE, "post.steps: a comma is expected before \"%.60s\"",
                           next);
    *at = skip(next);
    *end = '\0';
    item->step = find_step(name);
    return item->step ? ATM_OK : unknown_step(name, err);
}

static enum atm_status parse_chain(const char *text, struct chain *chain, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    chain->count = 0;
    snprintf(chain->text, sizeof chain->text, "%s", text);
    for (char *at = skip(chain->text); *at && status == ATM_OK;) {
        if (chain->count == MOST_STEPS)
            return atm_err_set(err, ATM_USAGE, "post.steps: more than %d steps", MOST_STEPS);
        status = take_item(&at, &chain->items[chain->count++], err);
    }
    if (status == ATM_OK && !chain->count)
        return atm_err_set(err, ATM_USAGE, "post.steps is empty: nothing to do");
    return status;
}

/* ---- arguments of a step ---- */

static enum atm_status set_key(const struct atm_post_step *step, const char *key, const char *value,
                               struct atm_post_config *config, struct atm_err *err) {
    const struct atm_binding bindings[] = {{&atm_post_section, &config->post},
                                           {&atm_render_section, &config->render}};
    char assignment[2 * ATM_KEY_TEXT_SIZE];
    snprintf(assignment, sizeof assignment, "%s.%s%s=%s", step->section, step->prefix, key, value);
    enum atm_status status = atm_ini_set(assignment, bindings, 2, err);
    if (status != ATM_OK)
        atm_err_prefix(err, "post.steps, in %s(...): ", step->name);
    return status;
}

/* Cut KEY=VALUE off; *rest is moved behind it, NULL at the end. A comma belongs to the value where
 * no other KEY= follows: fiducials=12.3 40.1, 55 20.5 */
static char *take_argument(char **rest) {
    char *part = *rest, *comma = strchr(part, ',');
    while (comma && !memchr(comma + 1, '=', strcspn(comma + 1, ",")))
        comma = strchr(comma + 1, ',');
    if (comma)
        *comma++ = '\0';
    *rest = comma;
    return part + strspn(part, " \t");
}

static enum atm_status set_arguments(const struct item *item, struct atm_post_config *config,
                                     struct atm_err *err) {
    char text[ATM_KEY_TEXT_SIZE], *rest = text;
    enum atm_status status = ATM_OK;
    if (!item->arguments)
        return ATM_OK;
    if (item->step->whole)
        return set_key(item->step, item->step->whole, item->arguments, config, err);
    snprintf(text, sizeof text, "%s", item->arguments);
    while (status == ATM_OK && rest) {
        char *part = take_argument(&rest), *equals = strchr(part, '=');
        if (!equals)
            return atm_err_set(err, ATM_USAGE,
                               "post.steps: in %s(...) key=value is expected, not \"%.60s\"",
                               item->step->name, part);
        *equals = '\0';
        size_t length = strcspn(part, " \t");
        part[length] = '\0';
        status = set_key(item->step, part, equals + 1, config, err);
    }
    return status;
}

enum atm_status atm_post_check(const struct atm_post_config *config, struct atm_err *err) {
    struct chain chain;
    enum atm_status status = parse_chain(config->post.steps, &chain, err);
    for (int i = 0; i < chain.count && status == ATM_OK; i++) {
        struct atm_post_config one = *config;
        status = set_arguments(&chain.items[i], &one, err);
        if (status == ATM_OK && chain.items[i].step->check)
            status = chain.items[i].step->check(&one, err);
    }
    return status;
}

/* ---- what steps say ---- */

static void add_note(struct atm_post *post, const char *key, char *text) {
    fprintf(post->report, "  %-28s %s\n", key, text);
    if (post->note_count < ATM_POST_NOTES)
        post->notes[post->note_count++] = (struct atm_table_pair){key, text};
    else
        free(text);
}

void atm_post_note(struct atm_post *post, const char *key, const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length >= 0)
        add_note(post, key, text);
}

void atm_post_warn(struct atm_post *post, const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    atm_log(post->sink, ATM_LOG_WARNING, "%s", text);
    add_note(post, "Warning", text);
}

char *atm_post_file(const struct atm_post *post, const char *what, const char *ending) {
    char again[16] = "", *name = NULL;
    if (post->repeat)
        snprintf(again, sizeof again, "%d", post->repeat + 1);
    return asprintf(&name, "%s_%s%s%s", post->stem, what, again, ending) < 0 ? NULL : name;
}

void atm_post_text_begin(struct atm_post_text *text) {
    text->stream = open_memstream(&text->text, &text->size);
}

enum atm_status atm_post_text_write(const struct atm_post *post, const char *what,
                                    const char *ending, struct atm_post_text *text,
                                    struct atm_err *err) {
    char *path = atm_post_file(post, what, ending);
    bool good = text->stream && !fclose(text->stream) && path;
    enum atm_status status =
        good ? atm_outfile_write_text(path, text->text, err) : atm_err_memory(err, "a text");
    if (status == ATM_OK)
        atm_log(post->sink, ATM_LOG_INFO, "wrote %s", path);
    if (text->stream)
        free(text->text);
    atm_mem_free(path);
    return status;
}

enum atm_status atm_post_chart(struct atm_post *post, const char *what,
                               const struct atm_chart *chart, struct atm_err *err) {
    char *path = atm_post_file(post, what, ".png");
    enum atm_status status =
        path ? atm_chart_write(path, chart, err) : atm_err_memory(err, "a chart");
    if (status == ATM_OK)
        atm_log(post->sink, ATM_LOG_INFO, "wrote %s", path);
    if (status == ATM_OK && post->chart_count < ATM_POST_CHARTS)
        post->charts[post->chart_count++] = path;
    else
        atm_mem_free(path);
    return status;
}

/* ---- the chain ---- */

static void free_notes(struct atm_post *post) {
    for (int i = 0; i < post->note_count; i++) {
        union {
            const char *text;
            void *block;
        } owned = {post->notes[i].value};
        free(owned.block);
    }
    post->note_count = 0;
}

/* The step's document for the side file, and its lines for the provenance. */
static enum atm_status keep_notes(struct atm_post *post, const struct item *item, FILE *provenance,
                                  struct atm_err *err) {
    struct atm_table_pair pairs[ATM_POST_NOTES + 2];
    char title[64];
    int count = 0;
    snprintf(title, sizeof title, "atomloc " ATM_VERSION " post %s", item->step->name);
    pairs[count++] = (struct atm_table_pair){"Generated by", title};
    if (item->arguments)
        pairs[count++] = (struct atm_table_pair){"Arguments", item->arguments};
    fprintf(provenance, "# step %d: %s\n", post->number, item->step->name);
    for (int i = 0; i < post->note_count; i++) {
        pairs[count++] = post->notes[i];
        fprintf(provenance, "#   %s: %s\n", post->notes[i].key, post->notes[i].value);
    }
    return atm_table_add_document(&post->locs.head, pairs, count, err);
}

static enum atm_status run_item(struct atm_post *post, const struct atm_post_config *config,
                                const struct item *item, FILE *provenance, struct atm_err *err) {
    post->config = *config;
    enum atm_status status = set_arguments(item, &post->config, err);
    fprintf(post->report, "%d. %s\n", post->number, item->step->name);
    if (status == ATM_OK && !post->locs.count)
        status = atm_err_set(err, ATM_FAIL, "there are no rows to work on");
    if (status == ATM_OK) {
        atm_log_progress(post->sink, "steps", post->number - 1, post->number, "%s",
                         item->step->name);
        status = item->step->run(post, err);
    }
    if (status == ATM_OK)
        status = keep_notes(post, item, provenance, err);
    else
        atm_err_prefix(err, "step %d, %s: ", post->number, item->step->name);
    free_notes(post);
    return status;
}

static enum atm_status run_chain(const struct atm_post_config *config, const struct chain *chain,
                                 struct atm_post *post, FILE *provenance, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (int i = 0; i < chain->count && status == ATM_OK; i++) {
        if (atm_log_stopped(post->sink))
            return atm_err_set(err, ATM_STOPPED, "before the step %s; nothing was written",
                               chain->items[i].step->name);
        post->number = i + 1;
        post->repeat = 0;
        for (int k = 0; k < i; k++)
            post->repeat += chain->items[k].step == chain->items[i].step;
        status = run_item(post, config, &chain->items[i], provenance, err);
    }
    return status;
}

enum atm_status atm_post_run(const struct atm_post_config *config, const char *stem,
                             const struct atm_sink *sink, struct atm_table *table,
                             struct atm_post_result *result, struct atm_err *err) {
    struct chain chain;
    struct atm_post post = {.stem = stem, .sink = sink};
    size_t report_size, provenance_size;
    *result = (struct atm_post_result){NULL, NULL};
    enum atm_status status = parse_chain(config->post.steps, &chain, err);
    post.report = open_memstream(&result->report, &report_size);
    post.said = (const char *const *)&result->report;
    FILE *provenance = open_memstream(&result->provenance, &provenance_size);
    if (status == ATM_OK && (!post.report || !provenance))
        status = atm_err_memory(err, "the report");
    if (status == ATM_OK) {
        atm_table_sort(table);
        status = atm_locs_init(&post.locs, table, err);
    }
    if (status == ATM_OK)
        status = run_chain(config, &chain, &post, provenance, err);
    for (int i = 0; i < post.chart_count; i++)
        atm_mem_free(post.charts[i]);
    bool closed = (!post.report || !fclose(post.report)) & (!provenance || !fclose(provenance));
    if (status == ATM_OK && !closed)
        status = atm_err_memory(err, "the report");
    if (status == ATM_OK)
        status = atm_locs_finish(&post.locs, table, err);
    atm_locs_free(&post.locs);
    if (status != ATM_OK) {
        atm_table_free(table);
        atm_post_result_free(result);
    }
    return status;
}
