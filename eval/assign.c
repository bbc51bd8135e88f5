#include "assign.h"

#include "mem.h"
#include <math.h>
#include <stdbool.h>

struct heap_entry {
    double distance;
    ptrdiff_t column;
};

/* Every row also owns a spare column (columns + row) that costs more than any choice of edges can
 * save, so each row finds a place, and spare columns are used only where nothing else is possible.
 */
struct solver {
    const struct atm_match_edge *edges;
    ptrdiff_t *first_edge; /* rows + 1 */
    ptrdiff_t columns;
    double spare_cost;
    ptrdiff_t *column_of; /* per row; -1 not yet */
    double *cost_of;      /* per row: of its column */
    ptrdiff_t *row_of;    /* per column; -1 free */
    double *potential;    /* per column */
    double *distance;     /* per column: path length found so far, INFINITY otherwise */
    bool *settled;        /* per column */
    ptrdiff_t *from;      /* per column: row before it on the path */
    double *from_cost;
    ptrdiff_t *touched; /* columns whose distance is finite */
    ptrdiff_t touched_count;
    struct heap_entry *heap;
    ptrdiff_t heap_count;
};

static bool heap_before(const struct heap_entry *a, const struct heap_entry *b) {
    return a->distance != b->distance ? a->distance < b->distance : a->column < b->column;
}

static void heap_push(struct solver *s, struct heap_entry entry) {
    ptrdiff_t k = s->heap_count++;
    while (k > 0 && heap_before(&entry, &s->heap[(k - 1) / 2])) {
        s->heap[k] = s->heap[(k - 1) / 2];
        k = (k - 1) / 2;
    }
    s->heap[k] = entry;
}

static struct heap_entry heap_pop(struct solver *s) {
    struct heap_entry top = s->heap[0], last = s->heap[--s->heap_count];
    ptrdiff_t k = 0;
    for (;;) {
        ptrdiff_t child = 2 * k + 1;
        if (child >= s->heap_count)
            break;
        if (child + 1 < s->heap_count && heap_before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!heap_before(&s->heap[child], &last))
            break;
        s->heap[k] = s->heap[child];
        k = child;
    }
    s->heap[k] = last;
    return top;
}

static void relax(struct solver *s, ptrdiff_t row, ptrdiff_t column, double cost, double base) {
    double distance = base + cost - s->potential[column];
    if (s->settled[column] || distance >= s->distance[column])
        return;
    if (isinf(s->distance[column]))
        s->touched[s->touched_count++] = column;
    s->distance[column] = distance;
    s->from[column] = row;
    s->from_cost[column] = cost;
    heap_push(s, (struct heap_entry){distance, column});
}

/* Continue all paths through a row that is reached at the given distance. */
static void scan(struct solver *s, ptrdiff_t row, double distance) {
    ptrdiff_t own = s->column_of[row];
    double base = own < 0 ? distance : distance - (s->cost_of[row] - s->potential[own]);
    for (ptrdiff_t k = s->first_edge[row]; k < s->first_edge[row + 1]; k++)
        relax(s, row, s->edges[k].found, s->edges[k].distance, base);
    relax(s, row, s->columns + row, s->spare_cost, base);
}

/* Shortest path from a row to any free column. */
static ptrdiff_t search(struct solver *s, ptrdiff_t row) {
    s->touched_count = s->heap_count = 0;
    scan(s, row, 0);
    for (;;) {
        struct heap_entry top = heap_pop(s); /* never empty: the row's spare column is free */
        if (s->settled[top.column])
            continue;
        if (s->row_of[top.column] < 0)
            return top.column;
        s->settled[top.column] = true;
        scan(s, s->row_of[top.column], top.distance);
    }
}

static void augment(struct solver *s, ptrdiff_t row, ptrdiff_t sink) {
    double length = s->distance[sink];
    for (ptrdiff_t k = 0; k < s->touched_count; k++) {
        ptrdiff_t column = s->touched[k];
        if (s->settled[column])
            s->potential[column] += s->distance[column] - length;
    }
    for (ptrdiff_t column = sink;;) {
        ptrdiff_t before = s->from[column], next = s->column_of[before];
        s->row_of[column] = before;
        s->column_of[before] = column;
        s->cost_of[before] = s->from_cost[column];
        if (before == row)
            break;
        column = next;
    }
    for (ptrdiff_t k = 0; k < s->touched_count; k++) {
        s->distance[s->touched[k]] = INFINITY;
        s->settled[s->touched[k]] = false;
    }
}

static void start(struct solver *s, ptrdiff_t rows, ptrdiff_t edge_count) {
    double longest = 1;
    for (ptrdiff_t k = 0; k < edge_count; k++) {
        s->first_edge[s->edges[k].truth + 1]++;
        longest = fmax(longest, s->edges[k].distance);
    }
    for (ptrdiff_t row = 0; row < rows; row++) {
        s->first_edge[row + 1] += s->first_edge[row];
        s->column_of[row] = -1;
    }
    for (ptrdiff_t column = 0; column < rows + s->columns; column++) {
        s->row_of[column] = -1;
        s->distance[column] = INFINITY;
    }
    s->spare_cost = longest * (double)(rows + 1);
}

/* One block of memory for everything but the result. */
static enum atm_status reserve(struct solver *s, ptrdiff_t rows, ptrdiff_t edge_count,
                               struct atm_arena *arena, struct atm_err *err) {
    size_t n = (size_t)rows, all = (size_t)(rows + s->columns), most = (size_t)(edge_count + rows);
    size_t first_edge = atm_arena_reserve(arena, n + 1, sizeof *s->first_edge);
    size_t cost_of = atm_arena_reserve(arena, n, sizeof *s->cost_of);
    size_t row_of = atm_arena_reserve(arena, all, sizeof *s->row_of);
    size_t potential = atm_arena_reserve(arena, all, sizeof *s->potential);
    size_t distance = atm_arena_reserve(arena, all, sizeof *s->distance);
    size_t settled = atm_arena_reserve(arena, all, sizeof *s->settled);
    size_t from = atm_arena_reserve(arena, all, sizeof *s->from);
    size_t from_cost = atm_arena_reserve(arena, all, sizeof *s->from_cost);
    size_t touched = atm_arena_reserve(arena, all, sizeof *s->touched);
    size_t heap = atm_arena_reserve(arena, most, sizeof *s->heap);
    if (atm_arena_alloc(arena, "assignment", err) != ATM_OK)
        return ATM_FAIL;
    s->first_edge = atm_arena_at(arena, first_edge);
    s->cost_of = atm_arena_at(arena, cost_of);
    s->row_of = atm_arena_at(arena, row_of);
    s->potential = atm_arena_at(arena, potential);
    s->distance = atm_arena_at(arena, distance);
    s->settled = atm_arena_at(arena, settled);
    s->from = atm_arena_at(arena, from);
    s->from_cost = atm_arena_at(arena, from_cost);
    s->touched = atm_arena_at(arena, touched);
    s->heap = atm_arena_at(arena, heap);
    return ATM_OK;
}

enum atm_status atm_assign_solve(const struct atm_match_edge *edges, ptrdiff_t edge_count,
                                 ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t *column_of,
                                 struct atm_err *err) {
    struct solver s = {.edges = edges, .columns = columns, .column_of = column_of};
    struct atm_arena arena = {0};
    if (reserve(&s, rows, edge_count, &arena, err) != ATM_OK)
        return ATM_FAIL;
    start(&s, rows, edge_count);
    for (ptrdiff_t row = 0; row < rows; row++)
        augment(&s, row, search(&s, row));
    for (ptrdiff_t row = 0; row < rows; row++)
        if (column_of[row] >= columns)
            column_of[row] = -1;
    atm_arena_free(&arena);
    return ATM_OK;
}
