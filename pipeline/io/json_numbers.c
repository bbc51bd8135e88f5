/* JSON is YAML, so libyaml reads it. */
#include "json.h"

#include "mem.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MOST_DEPTH = 16, NAME_SIZE = 256 };

/* What surrounds the current value. */
struct level {
    bool is_list, has_key;
    long index;       /* of the next member of a list */
    size_t name_size; /* length of the name that leads here */
};

struct reader {
    struct atm_json_numbers *numbers;
    struct level levels[MOST_DEPTH];
    int depth;
    char name[NAME_SIZE];
};

static enum atm_status append(struct atm_json_numbers *numbers, const char *name, double value,
                              struct atm_err *err) {
    if (numbers->count == numbers->capacity) {
        ptrdiff_t capacity = numbers->capacity ? 2 * numbers->capacity : 64;
        void *grown = atm_mem_grow(numbers->items, (size_t)numbers->count, (size_t)capacity,
                                   sizeof *numbers->items);
        if (!grown)
            return atm_err_memory(err, "numbers");
        numbers->items = grown;
        numbers->capacity = capacity;
    }
    char *copy = strdup(name);
    if (!copy)
        return atm_err_memory(err, "numbers");
    numbers->items[numbers->count++] = (struct atm_json_number){copy, value};
    return ATM_OK;
}

/* The name of what comes next is that of its surroundings and this. */
static void lead_to(struct reader *r, const char *part) {
    size_t at = r->depth ? r->levels[r->depth - 1].name_size : 0;
    snprintf(r->name + at, NAME_SIZE - at, "%s%s", at ? "." : "", part);
}

/* Before a value: members of lists are named by their number. */
static void name_member(struct reader *r) {
    char number[24];
    struct level *level = r->depth ? &r->levels[r->depth - 1] : NULL;
    if (!level || !level->is_list)
        return;
    snprintf(number, sizeof number, "%ld", level->index++);
    lead_to(r, number);
}

static enum atm_status take_scalar(struct reader *r, const yaml_event_t *event,
                                   struct atm_err *err) {
    const char *text = (const char *)event->data.scalar.value;
    struct level *level = r->depth ? &r->levels[r->depth - 1] : NULL;
    if (level && !level->is_list && !level->has_key) {
        lead_to(r, text);
        level->has_key = true;
        return ATM_OK;
    }
    name_member(r);
    if (level)
        level->has_key = false;
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return ATM_OK;
    char *end;
    double value = strtod(text, &end);
    if (!strcmp(text, "null"))
        return append(r->numbers, r->name, NAN, err);
    return *text && !*end ? append(r->numbers, r->name, value, err) : ATM_OK;
}

static enum atm_status take(struct reader *r, const yaml_event_t *event, struct atm_err *err) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(r, event, err);
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        if (r->depth == MOST_DEPTH)
            return atm_err_set(err, ATM_FAIL, "nested deeper than %d", MOST_DEPTH);
        name_member(r);
        if (r->depth)
            r->levels[r->depth - 1].has_key = false;
        else
            r->name[0] = 0;
        r->levels[r->depth++] = (struct level){.is_list = event->type == YAML_SEQUENCE_START_EVENT,
                                               .name_size = strlen(r->name)};
        return ATM_OK;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        r->depth--;
        return ATM_OK;
    default:
        return ATM_OK;
    }
}

enum atm_status atm_json_numbers_read(const char *text, const char *name,
                                      struct atm_json_numbers *numbers, struct atm_err *err) {
    struct reader reader = {.numbers = numbers};
    yaml_parser_t parser;
    enum atm_status status = ATM_OK;
    *numbers = (struct atm_json_numbers){0};
    if (!yaml_parser_initialize(&parser))
        return atm_err_memory(err, name);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    for (bool more = true; more && status == ATM_OK;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            status = atm_err_set(err, ATM_FAIL, "%s (line %zu)", parser.problem,
                                 parser.problem_mark.line + 1);
            break;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        status = take(&reader, &event, err);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (status == ATM_OK)
        return ATM_OK;
    atm_json_numbers_free(numbers);
    return atm_err_prefix(err, "%s: ", name);
}

void atm_json_numbers_free(struct atm_json_numbers *numbers) {
    for (ptrdiff_t i = 0; i < numbers->count; i++)
        free(numbers->items[i].name);
    atm_mem_free(numbers->items);
    *numbers = (struct atm_json_numbers){0};
}

const struct atm_json_number *atm_json_numbers_find(const struct atm_json_numbers *numbers,
                                                    const char *name) {
    const struct atm_json_number *found = NULL;
    size_t length = strlen(name);
    for (ptrdiff_t i = 0; i < numbers->count; i++) {
        const struct atm_json_number *item = &numbers->items[i];
        size_t whole = strlen(item->name);
        if (!strcmp(item->name, name))
            return item;
        if (!found && whole > length && item->name[whole - length - 1] == '.' &&
            !strcmp(item->name + whole - length, name))
            found = item;
    }
    return found;
}
