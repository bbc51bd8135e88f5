/* Configuration texts: no crash, and what is accepted resolves to a text that reads back the same.
 */
#include "../unit/spot_options.h"
#include "fuzz.h"

#include "ini.h"
#include "mem.h"
#include "outfile.h"
#include <stdlib.h>
#include <string.h>

static void check_round_trip(const struct atm_binding *binding) {
    char *once = atm_ini_resolved(binding, 1), *twice = NULL;
    atm_ini_defaults(binding, 1);
    if (!once)
        return;
    if (atm_ini_read_text(once, "resolved", binding, 1, NULL) != ATM_OK)
        abort();
    twice = atm_ini_resolved(binding, 1);
    if (twice && strcmp(once, twice) != 0)
        abort();
    atm_mem_free(once);
    atm_mem_free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct spot_options options;
    const struct atm_binding binding = {&spot_section, &options};
    struct atm_err err = {0};
    char *text = atm_mem_alloc(size + 1, 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    atm_ini_defaults(&binding, 1);
    if (atm_ini_read_text(text, "fuzz.ini", &binding, 1, &err) == ATM_OK)
        check_round_trip(&binding);
    else if (!err.text[0])
        abort(); /* every failure says what is wrong */
    atm_ini_defaults(&binding, 1);
    if (atm_ini_set(text, &binding, 1, NULL) == ATM_OK)
        check_round_trip(&binding);
    atm_mem_free(text);
    return 0;
}

bool atm_fuzz_seed(int index, const char *path) {
    static const char *const texts[] = {
        "\xef\xbb\xbf; c\r\n# a\r\n[spot] ; b\r\nframes=37\r\n  sigma_px = 2.385 ; px\r\n"
        "rate: 1e-4 # c\n\tfast = Yes\nshape = sampled\npath = /a b/m#3;x.tif  # c\n",
        "[spot]\npath = \" a \"\"b\"\" ;c # \" ; c\nsigma_px=auto\n[spot]\nrate=2.5e300",
        "spot.sigma_px=1.5",
        "spot.path= a;b #c ",
        "[spot]\npath = 0123456789012345678901234567890123456789012345678901234567890123456789012"
        "345678901234567890123456789012345678901234567890123456789012345678901234567890123456789 "
        ";# 0123456789012345678901234567890123456789012345678901234567890123456789\nframes = 3\n",
        "[spot]\nsigma = 3\n",
    };
    return index >= 0 && index < (int)(sizeof texts / sizeof *texts) &&
           atm_outfile_write_text(path, texts[index], NULL) == ATM_OK;
}
