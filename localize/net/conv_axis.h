/* The geometry of a convolution along one axis. Output pixels fall into phases; in phase f, output
 * out_step * q + first reads inputs in_step * q + off[t], with the sum of the kernel elements in
 * mask[t] as weight. Plain convolutions have one phase, nearest-upsampling + convolution has two
 * with fewer taps each (2 instead of 3: an exact identity), and the transpose of stride 2 has two.
 */
#ifndef ATM_CONV_AXIS_H
#define ATM_CONV_AXIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AXIS_MAX_TAPS = 32 };

struct axis_phase {
    int first, taps;
    int off[AXIS_MAX_TAPS];
    uint32_t mask[AXIS_MAX_TAPS];
};
struct axis {
    int phases, in_step, out_step;
    struct axis_phase phase[2];
};

void axis_forward(struct axis *axis, int kernel, int stride, bool nearest);
/* The adjoint: outputs become inputs. */
void axis_transpose(const struct axis *forward, struct axis *axis);
/* Number of outputs of a phase within extent_out. */
ptrdiff_t axis_count(const struct axis *axis, int phase, ptrdiff_t extent_out);
/* How far taps reach outside of [0, extent_in). */
ptrdiff_t axis_margin(const struct axis *axis, ptrdiff_t extent_in, ptrdiff_t extent_out);

#endif
