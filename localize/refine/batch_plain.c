/* Single fits on any processor, in vectors of four. */
#include "batch_kernel.h"
#include "psf_spline.h"

#define WIDTH 4
#define TARGET
#define NAME atm_batch_plain
#define NAME_TEXT "plain"
#include "batch_kernel.inc"
