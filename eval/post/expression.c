#include "expression.h"

#include "mem.h"
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OPS = 512, DEEPEST = 24, BLOCK = 256, MOST_NESTING = 64 };

enum op_kind {
    PUSH_NUMBER,
    PUSH_COLUMN,
    /* one argument */
    NEGATE,
    NOT,
    ABS,
    SQRT,
    EXP,
    LOG,
    /* two */
    ADD,
    SUBTRACT,
    MULTIPLY,
    DIVIDE,
    POWER,
    MIN,
    MAX,
    HYPOT,
    LESS,
    LESS_EQUAL,
    GREATER,
    GREATER_EQUAL,
    EQUAL,
    NOT_EQUAL,
    AND,
    OR,
};

struct op {
    enum op_kind kind;
    double number;
    const double *column; /* borrowed */
};

/* Postfix. */
struct atm_expression {
    ptrdiff_t rows;
    int count;
    struct op ops[MOST_OPS];
};

struct parser {
    const char *text, *at;
    const struct atm_locs *locs;
    struct atm_expression *out;
    int depth, nesting; /* values on the stack at this place, brackets */
    enum atm_status status;
    struct atm_err *err;
};

/* ---- messages ---- */

static void fail_at(struct parser *p, const char *place, const char *what) {
    if (p->status != ATM_OK)
        return;
    p->status = atm_err_set(p->err, ATM_USAGE, "in \"%.300s\", character %td (\"%.20s\"): %s",
                            p->text, place - p->text + 1, place, what);
    p->at = p->text + strlen(p->text); /* nothing more is read */
}

static void unknown_name(struct parser *p, const char *place, int length) {
    char list[400] = "";
    for (int i = 0; i < p->locs->column_count; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", p->locs->columns[i].name);
    }
    char what[512];
    snprintf(what, sizeof what, "the table has no column '%.*s'; it has %s", length, place, list);
    fail_at(p, place, what);
}

/* ---- words ---- */

static const char *skip(struct parser *p) {
    p->at += strspn(p->at, " \t\n");
    return p->at;
}

static int word_length(const char *at) {
    int length = 0;
    if (!isalpha((unsigned char)at[0]) && at[0] != '_')
        return 0;
    while (isalnum((unsigned char)at[length]) || at[length] == '_')
        length++;
    return length;
}

/* Take a word or sign when it stands here. */
static bool take(struct parser *p, const char *token) {
    const char *at = skip(p);
    int length = (int)strlen(token);
    if (strncmp(at, token, (size_t)length) != 0)
        return false;
    if (isalpha((unsigned char)token[0]) && word_length(at) != length)
        return false;
    p->at = at + length;
    return true;
}

static void emit(struct parser *p, struct op op) {
    int gain = op.kind <= PUSH_COLUMN ? 1 : op.kind < ADD ? 0 : -1;
    p->depth += gain;
    if (p->out->count == MOST_OPS || p->depth > DEEPEST)
        fail_at(p, p->at, "the expression is too long");
    else if (p->status == ATM_OK)
        p->out->ops[p->out->count++] = op;
}

static void emit_kind(struct parser *p, enum op_kind kind) { emit(p, (struct op){.kind = kind}); }

/* Once more the operations from first to end, which leave one value. */
static void repeat(struct parser *p, int first, int end) {
    for (int i = first; i < end; i++)
        emit(p, p->out->ops[i]);
}

/* ---- grammar, from the inside out ---- */

static void parse_or(struct parser *p);
static void parse_power(struct parser *p);

/* "100..5000" is two numbers and a range: a point followed by another ends the number. */
static void parse_number(struct parser *p) {
    char digits[64];
    size_t n = 0;
    const char *start = p->at, *at = start;
    while (n + 1 < sizeof digits &&
           (isdigit((unsigned char)*at) || (*at == '.' && at[1] != '.') ||
            ((*at == 'e' || *at == 'E') &&
             (isdigit((unsigned char)at[1]) ||
              ((at[1] == '-' || at[1] == '+') && isdigit((unsigned char)at[2])))) ||
            ((*at == '-' || *at == '+') && n && (at[-1] == 'e' || at[-1] == 'E'))))
        digits[n++] = *at++;
    digits[n] = '\0';
    char *end;
    double value = strtod(digits, &end);
    if (n == 0 || *end || word_length(at)) {
        fail_at(p, start, n || word_length(at) ? "not a number" : "a value is expected here");
        return;
    }
    p->at = at;
    emit(p, (struct op){.kind = PUSH_NUMBER, .number = value});
}

static const struct {
    const char *name;
    enum op_kind kind;
} functions[] = {{"abs", ABS}, {"sqrt", SQRT}, {"exp", EXP},    {"log", LOG},
                 {"min", MIN}, {"max", MAX},   {"hypot", HYPOT}};

static bool parse_function(struct parser *p) {
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        const char *start = p->at;
        if (!take(p, functions[i].name))
            continue;
        if (!take(p, "(")) { /* a column of that name */
            p->at = start;
            return false;
        }
        parse_or(p);
        if (functions[i].kind >= ADD) {
            if (!take(p, ","))
                fail_at(p, p->at, "this function has two arguments; ',' is expected");
            parse_or(p);
        }
        if (!take(p, ")"))
            fail_at(p, p->at, "')' is expected");
        emit_kind(p, functions[i].kind);
        return true;
    }
    return false;
}

static void parse_column(struct parser *p, int length) {
    static const char *const reserved[] = {"and", "or", "not", "in"};
    char name[ATM_EXTRA_NAME] = "";
    const char *place = p->at;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (take(p, reserved[i])) {
            fail_at(p, place, "a value is expected here");
            return;
        }
    if (length < ATM_EXTRA_NAME)
        memcpy(name, place, (size_t)length);
    const double *column = p->locs ? atm_locs_find(p->locs, name) : NULL;
    if (p->locs && !column) {
        unknown_name(p, place, length);
        return;
    }
    p->at = place + length;
    emit(p, (struct op){.kind = PUSH_COLUMN, .column = column});
}

static void parse_value(struct parser *p) {
    const char *at = skip(p);
    if (++p->nesting > MOST_NESTING) {
        fail_at(p, at, "too many brackets inside each other");
    } else if (take(p, "(")) {
        parse_or(p);
        if (!take(p, ")"))
            fail_at(p, p->at, "')' is expected");
    } else if (take(p, "-")) {
        parse_power(p);
        emit_kind(p, NEGATE);
    } else if (!parse_function(p)) {
        int length = word_length(skip(p));
        if (length)
            parse_column(p, length);
        else
            parse_number(p);
    }
    p->nesting--;
}

/* From the right: 2^3^2 is 2^9. */
static void parse_power(struct parser *p) {
    parse_value(p);
    if (take(p, "^")) {
        parse_power(p);
        emit_kind(p, POWER);
    }
}

static void parse_product(struct parser *p) {
    parse_power(p);
    for (;;) {
        enum op_kind kind = take(p, "*") ? MULTIPLY : take(p, "/") ? DIVIDE : PUSH_NUMBER;
        if (kind == PUSH_NUMBER)
            return;
        parse_power(p);
        emit_kind(p, kind);
    }
}

static void parse_sum(struct parser *p) {
    parse_product(p);
    for (;;) {
        enum op_kind kind = take(p, "+") ? ADD : take(p, "-") ? SUBTRACT : PUSH_NUMBER;
        if (kind == PUSH_NUMBER)
            return;
        parse_product(p);
        emit_kind(p, kind);
    }
}

/* Of a sum: a number when it is nothing but that, else NAN. */
static double parse_bound(struct parser *p) {
    int first = p->out->count;
    parse_sum(p);
    const struct op *op = &p->out->ops[first];
    return p->out->count == first + 1 && op->kind == PUSH_NUMBER ? op->number : NAN;
}

/* The value x that was read from op `first` on lies within both numbers. */
static void parse_range(struct parser *p, int first, int end) {
    const char *place = skip(p);
    double low = parse_bound(p);
    emit_kind(p, GREATER_EQUAL);
    if (!take(p, "..")) {
        fail_at(p, skip(p), "a range LOW..HIGH is expected behind 'in'");
        return;
    }
    repeat(p, first, end);
    if (low > parse_bound(p))
        fail_at(p, place, "nothing lies in this range; the smaller number comes first");
    emit_kind(p, LESS_EQUAL);
    emit_kind(p, AND);
}

static bool take_comparison(struct parser *p, enum op_kind *kind) {
    static const struct {
        const char *sign;
        enum op_kind kind;
    } signs[] = {{"<=", LESS_EQUAL}, {">=", GREATER_EQUAL}, {"==", EQUAL}, {"!=", NOT_EQUAL},
                 {"<", LESS},        {">", GREATER},        {"=", EQUAL}};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (take(p, signs[i].sign)) {
            *kind = signs[i].kind;
            return true;
        }
    return false;
}

/* a < b < c is a < b and b < c: the operand in the middle is computed twice. */
static void parse_comparison(struct parser *p) {
    int first = p->out->count;
    parse_sum(p);
    int end = p->out->count;
    if (take(p, "in")) {
        parse_range(p, first, end);
        return;
    }
    enum op_kind kind;
    for (int links = 0; take_comparison(p, &kind); links++) {
        if (links)
            repeat(p, first, end);
        first = p->out->count;
        parse_sum(p);
        end = p->out->count;
        emit_kind(p, kind);
        if (links)
            emit_kind(p, AND);
    }
}

static void parse_not(struct parser *p) {
    const char *at = skip(p);
    if (++p->nesting > MOST_NESTING) {
        fail_at(p, at, "too many 'not' behind each other");
    } else if (take(p, "not") || (at[0] == '!' && at[1] != '=' && take(p, "!"))) {
        parse_not(p);
        emit_kind(p, NOT);
    } else {
        parse_comparison(p);
    }
    p->nesting--;
}

static void parse_and(struct parser *p) {
    parse_not(p);
    while (take(p, "and") || take(p, "&&")) {
        parse_not(p);
        emit_kind(p, AND);
    }
}

static void parse_or(struct parser *p) {
    parse_and(p);
    while (take(p, "or") || take(p, "||")) {
        parse_and(p);
        emit_kind(p, OR);
    }
}

enum atm_status atm_expression_create(const char *text, const struct atm_locs *locs,
                                      struct atm_expression **expression, struct atm_err *err) {
    *expression = atm_mem_alloc(1, sizeof **expression);
    if (!*expression)
        return atm_err_memory(err, "an expression");
    (*expression)->rows = locs ? locs->count : 0;
    struct parser p = {.text = text, .at = text, .locs = locs, .out = *expression, .err = err};
    parse_or(&p);
    if (*skip(&p))
        fail_at(&p, p.at, "and, or, a comparison or the end is expected here");
    if (p.status != ATM_OK)
        atm_expression_destroy(expression);
    return p.status;
}

void atm_expression_destroy(struct atm_expression **expression) {
    atm_mem_free(*expression);
    *expression = NULL;
}

/* ---- evaluation, a block of rows at a time ---- */

#define EACH(result)                                                                               \
    for (ptrdiff_t i = 0; i < count; i++)                                                          \
        a[i] = (result);                                                                           \
    break

static bool holds(double value) { return value != 0 && !isnan(value); }

static void apply_one(enum op_kind kind, ptrdiff_t count, double *a) {
    switch (kind) {
    case NEGATE:
        EACH(-a[i]);
    case NOT:
        EACH(!holds(a[i]));
    case ABS:
        EACH(fabs(a[i]));
    case SQRT:
        EACH(sqrt(a[i]));
    case EXP:
        EACH(exp(a[i]));
    case LOG:
        EACH(log(a[i]));
    default:
        break;
    }
}

static void apply_two(enum op_kind kind, ptrdiff_t count, double *a, const double *b) {
    switch (kind) {
    case ADD:
        EACH(a[i] + b[i]);
    case SUBTRACT:
        EACH(a[i] - b[i]);
    case MULTIPLY:
        EACH(a[i] * b[i]);
    case DIVIDE:
        EACH(a[i] / b[i]);
    case POWER:
        EACH(pow(a[i], b[i]));
    case MIN:
        EACH(fmin(a[i], b[i]));
    case MAX:
        EACH(fmax(a[i], b[i]));
    case HYPOT:
        EACH(hypot(a[i], b[i]));
    case LESS:
        EACH(a[i] < b[i]);
    case LESS_EQUAL:
        EACH(a[i] <= b[i]);
    case GREATER:
        EACH(a[i] > b[i]);
    case GREATER_EQUAL:
        EACH(a[i] >= b[i]);
    case EQUAL:
        EACH(a[i] == b[i]);
    case NOT_EQUAL:
        EACH(a[i] < b[i] || a[i] > b[i]); /* unknown is not different either */
    case AND:
        EACH(holds(a[i]) && holds(b[i]));
    case OR:
        EACH(holds(a[i]) || holds(b[i]));
    default:
        break;
    }
}

static void fill(double *a, ptrdiff_t count, double value) {
    for (ptrdiff_t i = 0; i < count; i++)
        a[i] = value;
}

static void evaluate_block(const struct atm_expression *e, ptrdiff_t first, ptrdiff_t count,
                           unsigned char *keep) {
    double stack[DEEPEST][BLOCK];
    int top = 0; /* values on the stack */
    for (int k = 0; k < e->count; k++) {
        const struct op *op = &e->ops[k];
        if (op->kind == PUSH_COLUMN)
            memcpy(stack[top++], op->column + first, (size_t)count * sizeof(double));
        else if (op->kind == PUSH_NUMBER)
            fill(stack[top++], count, op->number);
        else if (op->kind < ADD)
            apply_one(op->kind, count, stack[top - 1]);
        else
            top--, apply_two(op->kind, count, stack[top - 1], stack[top]);
    }
    for (ptrdiff_t i = 0; i < count; i++)
        keep[i] = holds(stack[0][i]);
}

void atm_expression_evaluate(const struct atm_expression *expression, unsigned char *keep) {
    const ptrdiff_t rows = expression->rows;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t first = 0; first < rows; first += BLOCK)
        evaluate_block(expression, first, rows - first < BLOCK ? rows - first : BLOCK,
                       keep + first);
}
