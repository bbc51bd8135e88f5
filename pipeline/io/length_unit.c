#include "length_unit.h"

#include <math.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

double atm_length_unit_nm(const char *text) {
    static const struct {
        const char *name;
        double nm;
    } UNITS[] = {
        {"nm", 1},           {"nanometer", 1},     {"nanometers", 1},
        {"um", 1e3},         {"micron", 1e3},      {"microns", 1e3},
        {"micrometer", 1e3}, {"micrometers", 1e3}, {"\302\265m", 1e3}, /* micro sign, UTF-8 */
        {"\316\274m", 1e3},                                            /* Greek mu, UTF-8 */
        {"\265m", 1e3},                                                /* Latin-1 */
        {"\\u00B5m", 1e3},                                             /* ImageJ's escape */
        {"&#181;m", 1e3},                                              /* XML */
        {"&#xB5;m", 1e3},                                              /* XML */
        {"mm", 1e6},         {"cm", 1e7},          {"pm", 1e-3},
    };
    size_t length = strcspn(text, "\r\n\"' ");
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
        if (strlen(UNITS[i].name) == length && strncasecmp(text, UNITS[i].name, length) == 0)
            return UNITS[i].nm;
    return NAN;
}

double atm_plausible_pixel_size(double nm) { return nm > 0.1 && nm < 1e6 ? nm : NAN; }
