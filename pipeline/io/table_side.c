/* Side files: Picasso's YAML and ThunderSTORM's JSON protocol (which libyaml reads as well). */
#include "table_formats.h"

#include "mem.h"
#include "textfile.h"
#include "yaml_pairs.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

enum { MAX_SIDE_BYTES = 16 << 20 };
static const char PROVENANCE[] = "Provenance";

char *atm_table_side_path(const char *path, const char *suffix) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    size_t stem =
        dot && dot > path && (!slash || dot > slash + 1) ? (size_t)(dot - path) : strlen(path);
    char *side = atm_mem_alloc(stem + strlen(suffix) + 1, 1);
    if (side) {
        memcpy(side, path, stem);
        memcpy(side + stem, suffix, strlen(suffix));
    }
    return side;
}

/* Text that JSON and YAML accept: bytes that are no UTF-8 become '?'. In place. */
static void clean_utf8(char *text) {
    for (unsigned char *c = (unsigned char *)text; *c;) {
        int more = *c < 0x80 ? 0 : *c >= 0xc2 && *c < 0xe0 ? 1 : *c >= 0xe0 && *c < 0xf0 ? 2 : -1;
        bool good = more >= 0;
        for (int i = 1; good && i <= more; i++)
            good = (c[i] & 0xc0) == 0x80;
        /* overlong forms, surrogates and the two non-characters */
        if (good && more == 2)
            good = !(c[0] == 0xe0 && c[1] < 0xa0) && !(c[0] == 0xed && c[1] > 0x9f) &&
                   !(c[0] == 0xef && c[1] == 0xbf && c[2] > 0xbd);
        if (!good)
            *c = '?';
        c += good ? more + 1 : 1;
    }
}

/* --- reading --- */

static void take_size(const char *text, ptrdiff_t *size) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*size == 0 && end != text && !*end && !errno && value > 0 && value <= INT32_MAX)
        *size = (ptrdiff_t)value;
}

static void take_pixel(const char *text, double *pixel_size_nm) {
    char *end;
    double value = strtod(text, &end);
    if (isnan(*pixel_size_nm) && end != text && !*end && isfinite(value) && value > 0)
        *pixel_size_nm = value;
}

static enum atm_status take_text(const char *text, char **copy, struct atm_err *err) {
    if (*copy)
        return ATM_OK;
    *copy = atm_mem_alloc(strlen(text) + 1, 1);
    if (!*copy)
        return atm_err_memory(err, "a side file");
    memcpy(*copy, text, strlen(text));
    return ATM_OK;
}

static enum atm_status take_pair(const char *key, const char *value, void *context,
                                 struct atm_err *err) {
    struct atm_table *table = context;
    if (strcmp(key, "Width") == 0)
        take_size(value, &table->width);
    else if (strcmp(key, "Height") == 0)
        take_size(value, &table->height);
    else if (strcmp(key, "Frames") == 0)
        take_size(value, &table->frames);
    else if (strcmp(key, "Pixelsize") == 0 || strcmp(key, "pixelSize") == 0)
        take_pixel(value, &table->pixel_size_nm);
    else if (strcmp(key, PROVENANCE) == 0)
        return take_text(value, &table->provenance, err);
    return ATM_OK;
}

enum atm_status atm_table_side_read(const char *path, struct atm_table *table,
                                    struct atm_err *err) {
    char *text = NULL;
    if (access(path, F_OK) != 0)
        return ATM_OK;
    enum atm_status status = atm_textfile_read(path, MAX_SIDE_BYTES, &text, err);
    if (status == ATM_OK)
        status = atm_yaml_pairs(path, text, take_pair, table, err);
    bool yaml = strcmp(path + strlen(path) - strlen(".yaml"), ".yaml") == 0;
    bool complete = table->width > 0 && table->height > 0 && table->frames > 0;
    if (status == ATM_OK && yaml && complete && !table->side)
        table->side = text; /* kept: other programs look up there what they noted */
    else
        atm_mem_free(text);
    return status;
}

/* --- Picasso's YAML --- */

struct writer {
    yaml_emitter_t emitter;
    bool failed;
};

/* Hand over an event that its initializer made (or not). The emitter owns it from here. */
static void emit(struct writer *w, int made, yaml_event_t *event) {
    if (!made || w->failed) {
        if (made)
            yaml_event_delete(event);
        w->failed = true;
        return;
    }
    w->failed = !yaml_emitter_emit(&w->emitter, event);
}

static void put_scalar(struct writer *w, const char *text, yaml_scalar_style_t style) {
    yaml_event_t event;
    emit(w,
         yaml_scalar_event_initialize(&event, NULL, NULL, (const unsigned char *)text,
                                      (int)strlen(text), 1, 1, style),
         &event);
}

static void put_pair(struct writer *w, const char *key, const char *value) {
    put_scalar(w, key, YAML_PLAIN_SCALAR_STYLE);
    put_scalar(w, value, YAML_PLAIN_SCALAR_STYLE);
}

static void put_count(struct writer *w, const char *key, ptrdiff_t value) {
    char text[32];
    snprintf(text, sizeof text, "%td", value);
    put_pair(w, key, text);
}

static void begin_document(struct writer *w, bool first) {
    yaml_event_t event;
    emit(w, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, first), &event);
    emit(w, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE),
         &event);
}

static void end_document(struct writer *w) {
    yaml_event_t event;
    emit(w, yaml_mapping_end_event_initialize(&event), &event);
    emit(w, yaml_document_end_event_initialize(&event, 1), &event);
}

/* What Picasso's own "Localize" would say of the movie. */
static void put_movie(struct writer *w, const struct atm_table *table) {
    ptrdiff_t frames, height, width;
    char pixel[40];
    atm_table_extent(table, &frames, &height, &width);
    begin_document(w, true);
    put_pair(w, "Byte Order", "<");
    put_pair(w, "Camera", "unknown");
    put_pair(w, "Data Type", "uint16");
    put_count(w, "Frames", frames > 0 ? frames : 1);
    put_pair(w, "Generated by", "atomloc " ATM_VERSION);
    put_count(w, "Height", height > 0 ? height : 1);
    if (isfinite(table->pixel_size_nm)) {
        snprintf(pixel, sizeof pixel, "%.10g", table->pixel_size_nm);
        put_pair(w, "Pixelsize", pixel);
    }
    put_count(w, "Width", width > 0 ? width : 1);
    end_document(w);
}

static void put_processing(struct writer *w, const struct atm_table *table, const char *provenance,
                           ptrdiff_t outside) {
    char key[ATM_NOTE_SIZE], value[ATM_NOTE_SIZE];
    begin_document(w, false);
    put_pair(w, "Generated by", "atomloc " ATM_VERSION " localize");
    put_count(w, "Rows outside Picasso's field", outside);
    for (const char *at = table->notes; at && atm_table_next_note(&at, key, value);) {
        clean_utf8(key), clean_utf8(value);
        put_pair(w, key, value);
    }
    if (provenance) {
        put_scalar(w, PROVENANCE, YAML_PLAIN_SCALAR_STYLE);
        put_scalar(w, provenance, YAML_LITERAL_SCALAR_STYLE);
    }
    end_document(w);
}

/* NULL provenance gives NULL; *failed is set when memory ran out. */
static char *clean_copy(const char *text, bool *failed) {
    char *copy = NULL;
    if (!text)
        return NULL;
    copy = atm_mem_alloc(strlen(text) + 1, 1);
    *failed = *failed || !copy;
    if (copy) {
        memcpy(copy, text, strlen(text));
        clean_utf8(copy);
    }
    return copy;
}

static int put_bytes(void *context, unsigned char *bytes, size_t size) {
    return fwrite(bytes, 1, size, context) == size;
}

/* The stream that `put` emits, owned by the caller; NULL when something failed. */
static char *emit_text(void (*put)(struct writer *w, const void *context), const void *context) {
    struct writer w = {.failed = false};
    yaml_event_t event;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size); /* malloc's block: atm_mem_free is its release */
    if (!out)
        return NULL;
    if (yaml_emitter_initialize(&w.emitter)) {
        yaml_emitter_set_output(&w.emitter, put_bytes, out);
        yaml_emitter_set_unicode(&w.emitter, 1);
        emit(&w, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING), &event);
        put(&w, context);
        emit(&w, yaml_stream_end_event_initialize(&event), &event);
        yaml_emitter_delete(&w.emitter);
    } else {
        w.failed = true;
    }
    if (fclose(out) != 0 || w.failed) {
        free(text);
        return NULL;
    }
    return text;
}

struct localizing {
    const struct atm_table *table;
    ptrdiff_t outside;
};

static void put_localizing(struct writer *w, const void *context) {
    const struct localizing *what = context;
    char *provenance = clean_copy(what->table->provenance, &w->failed);
    put_movie(w, what->table);
    put_processing(w, what->table, provenance, what->outside);
    atm_mem_free(provenance);
}

struct document {
    const struct atm_table_pair *pairs;
    int count;
};

static void put_document(struct writer *w, const void *context) {
    const struct document *document = context;
    begin_document(w, false);
    for (int i = 0; i < document->count; i++) {
        char *value = clean_copy(document->pairs[i].value, &w->failed);
        put_scalar(w, document->pairs[i].key, YAML_PLAIN_SCALAR_STYLE);
        if (value)
            put_scalar(w, value,
                       strchr(value, '\n') ? YAML_LITERAL_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE);
        atm_mem_free(value);
    }
    end_document(w);
}

char *atm_table_side_yaml(const struct atm_table *table, ptrdiff_t outside) {
    const struct localizing what = {table, outside};
    char *copy = NULL;
    if (!table->side)
        return emit_text(put_localizing, &what);
    return asprintf(&copy, "%s", table->side) < 0 ? NULL : copy;
}

enum atm_status atm_table_add_document(struct atm_table *table, const struct atm_table_pair *pairs,
                                       int count, struct atm_err *err) {
    const struct document document = {pairs, count};
    char *before = atm_table_side_yaml(table, 0), *added = emit_text(put_document, &document);
    char *both = NULL;
    size_t length = before ? strlen(before) : 0;
    const char *end = length && before[length - 1] != '\n' ? "\n" : "";
    bool good = before && added && asprintf(&both, "%s%s%s", before, end, added) >= 0;
    atm_mem_free(before);
    atm_mem_free(added);
    if (!good)
        return atm_err_memory(err, "the side file of a table");
    atm_mem_free(table->side);
    table->side = both;
    return ATM_OK;
}

/* --- ThunderSTORM's protocol --- */

static void put_json_text(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else if (*text == '\n')
            fputs("\\n", out);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            fprintf(out, "\\u%04x", (unsigned)(unsigned char)*text);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

char *atm_table_side_json(const struct atm_table *table) {
    char *text = NULL, key[ATM_NOTE_SIZE], value[ATM_NOTE_SIZE];
    size_t size = 0;
    bool failed = false;
    ptrdiff_t frames, height, width;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    char *provenance = clean_copy(table->provenance, &failed);
    atm_table_extent(table, &frames, &height, &width);
    fprintf(out, "{\n  \"version\": \"atomloc (%s)\",\n  \"imageInfo\": {\n", ATM_VERSION);
    fprintf(out, "    \"Frames\": %td,\n    \"Height\": %td,\n    \"Width\": %td\n  },\n", frames,
            height, width);
    fprintf(out, "  \"cameraSettings\": {\n    \"pixelSize\": %.10g\n  }", table->pixel_size_nm);
    for (const char *at = table->notes; at && atm_table_next_note(&at, key, value);) {
        clean_utf8(key), clean_utf8(value);
        fputs(",\n  ", out);
        put_json_text(out, key);
        fputs(": ", out);
        put_json_text(out, value);
    }
    if (provenance) {
        fprintf(out, ",\n  \"%s\": ", PROVENANCE);
        put_json_text(out, provenance);
    }
    fputs("\n}\n", out);
    atm_mem_free(provenance);
    failed = failed || ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
