/* Filter expressions over columns: "photons > 500 and lpx < 0.15 and frame in 100..5000".
 *
 *   or   and   not                    (also || && !)
 *   < <= > >= == != in LOW..HIGH      in counts both ends; chains as 0.8 < sx < 1.6
 *   + - * / ^  ( )                    abs sqrt exp log min max hypot
 *
 * Names are columns, numbers have their units. A comparison with an unknown value (NaN) is false.
 */
#ifndef ATM_EXPRESSION_H
#define ATM_EXPRESSION_H

#include "locs.h"

struct atm_expression;

/* locs NULL: any name is a column, to check a text before there are data; not to be evaluated.
 * ATM_USAGE with the position in the text, from 1, and what was expected there. The expression
 * borrows locs, whose columns must stay until it is destroyed. */
enum atm_status atm_expression_create(const char *text, const struct atm_locs *locs,
                                      struct atm_expression **expression, struct atm_err *err);
void atm_expression_destroy(struct atm_expression **expression);

/* keep[i] = 1 where the expression is neither 0 nor NaN, for all rows. Cannot fail. */
void atm_expression_evaluate(const struct atm_expression *expression, unsigned char *keep);

#endif
