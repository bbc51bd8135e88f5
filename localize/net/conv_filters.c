#include "conv_filters.h"

enum { PIECE = FILTER_PIECE, COMPONENTS = ATM_TILE_COMPONENTS };

struct filter_rows filter_rows(bool nearest) {
    static const struct filter_rows up = {
        {{1, 1, 1}, {1, 1, 1}, {1, 0, 0}, {1, 0, 0}, {0, 0, 1}, {0, 0, 1}}};
    if (nearest)
        return up;
    const double p = (double)ATM_TILE_P, q = (double)ATM_TILE_Q, pp = p * p, qq = q * q;
    const double point[] = {0, p, -p, q, -q};
    const double scale[] = {pp * qq, 2 * pp * (pp - qq), 2 * pp * (pp - qq), 2 * qq * (qq - pp),
                            2 * qq * (qq - pp)};
    struct filter_rows rows = {.at[ATM_TILE - 1][PIECE - 1] = 1};
    for (int i = 0; i < ATM_TILE - 1; i++) {
        rows.at[i][0] = 1 / scale[i];
        rows.at[i][1] = point[i] / scale[i];
        rows.at[i][2] = point[i] * point[i] / scale[i];
    }
    return rows;
}

/* In double: their rounding is not to add to that of the sums. */
ATM_CLONES
void filter_components(const struct filter_rows *rows, double piece[FILTER_ELEMENTS][FILTER_TEAM],
                       float out[COMPONENTS][FILTER_TEAM]) {
    double half[ATM_TILE][PIECE][FILTER_TEAM];
    for (int i = 0; i < ATM_TILE; i++)
        for (int x = 0; x < PIECE; x++)
            for (int l = 0; l < FILTER_TEAM; l++)
                half[i][x][l] = rows->at[i][0] * piece[x][l] +
                                rows->at[i][1] * piece[PIECE + x][l] +
                                rows->at[i][2] * piece[2 * PIECE + x][l];
    for (int i = 0; i < COMPONENTS; i++) {
        const double *row = rows->at[i % ATM_TILE];
        for (int l = 0; l < FILTER_TEAM; l++)
            out[i][l] =
                (float)(row[0] * half[i / ATM_TILE][0][l] + row[1] * half[i / ATM_TILE][1][l] +
                        row[2] * half[i / ATM_TILE][2][l]);
    }
}

void filter_gradient(const struct filter_rows *rows, const float *sums, ptrdiff_t plane,
                     double piece[FILTER_ELEMENTS]) {
    double half[PIECE][ATM_TILE] = {0};
    for (int i = 0; i < COMPONENTS; i++)
        for (int k = 0; k < PIECE; k++)
            half[k][i % ATM_TILE] += rows->at[i / ATM_TILE][k] * (double)sums[i * plane];
    for (int k = 0; k < FILTER_ELEMENTS; k++) {
        piece[k] = 0;
        for (int i = 0; i < ATM_TILE; i++)
            piece[k] += rows->at[i][k % PIECE] * half[k / PIECE][i];
    }
}
