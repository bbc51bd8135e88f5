/* What a source measures on a sample of its frames. */
#ifndef ATM_SOURCE_MEASURE_H
#define ATM_SOURCE_MEASURE_H

#include "localize.h"

/* Background, its variance, density, a guess of the noise, and the scale. */
enum atm_status atm_source_measure(struct atm_source *source, struct atm_source_info *info,
                                   struct atm_err *err);
/* What the noise says of the camera, into info->estimate. */
enum atm_status atm_source_noise(struct atm_source *source, struct atm_source_info *info,
                                 struct atm_err *err);

#endif
