/* Kernels for any processor, in vectors of four. */
#include "kernel.h"

#define WIDTH 4
#define BLOCK 4
#define TARGET
#define NAME atm_kernels_plain
#define NAME_TEXT "plain"
#include "kernel.inc"
