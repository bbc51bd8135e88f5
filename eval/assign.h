/* Sparse assignment problem: the Hungarian method by shortest augmenting paths. */
#ifndef ATM_ASSIGN_H
#define ATM_ASSIGN_H

#include "match.h"

/* Edges (truth in 0..rows-1, found in 0..columns-1, distance >= 0) sorted by truth. Fills column_of
 * (rows entries, -1 unassigned) with as many disjoint edges as possible, and among such choices the
 * least sum of distances. Shortest paths by Dijkstra with potentials (Jonker and Volgenant 1987,
 * doi:10.1007/BF02278710), which stay inside a row's connected component. */
enum atm_status atm_assign_solve(const struct atm_match_edge *edges, ptrdiff_t edge_count,
                                 ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t *column_of,
                                 struct atm_err *err);

#endif
