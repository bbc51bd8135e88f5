/* The section [post]. */
#include "post.h"

/* In the order of the enums. */
static const char *const drift_methods[] = {"aim", "rcc", "fiducials", NULL};
static const char *const frc_splits[] = {"blinks", "time", "random", NULL};

#define NUMBER(field, kind, fallback, min, max, unit, help)                                        \
    ATM_KEY(struct atm_post_options, field, kind, fallback, min, max, unit, help)
#define TEXT(field, fallback, help) ATM_KEY_STRING(struct atm_post_options, field, fallback, help)
#define CHOOSE(field, fallback, choices, help)                                                     \
    ATM_KEY_CHOOSE(struct atm_post_options, field, fallback, choices, help)

static const struct atm_key keys[] = {
    TEXT(steps, "drift, link, render",
         "steps in their order, separated by commas; NAME(key=value, ...) sets keys for one of "
         "them, as drift(method=rcc), filter(n > 1) or render(zoom=20)"),
    TEXT(filter_keep, "",
         "filter: rows to keep, as photons > 500 and lpx < 0.15 and frame in 100..5000; names and "
         "units are Picasso's (pixels, photons, frames from 0)"),
    CHOOSE(
        drift_method, "aim", drift_methods,
        "drift: aim: each segment is moved to where it meets most of all the others' "
        "localizations; rcc: redundant cross-correlation of rendered segments; fiducials: bright "
        "beads that are there all the time"),
    NUMBER(drift_segment_frames, INT, "0", 0, 1e7, "frames",
           "drift: length of a segment; 0: as short as its localizations allow"),
    NUMBER(drift_range_nm, DOUBLE, "2500", 10, 1e5, "nm",
           "drift: largest drift that is looked for, along each axis"),
    NUMBER(drift_pixel_nm, DOUBLE, "20", 1, 1000, "nm",
           "drift: distance at which localizations count as meeting, and pixel of the rendered "
           "segments; about twice the precision"),
    TEXT(drift_fiducials, "",
         "drift by fiducials: their places at the start of the movie in pixels, as 12.3 40.1, 55 "
         "20.5; empty: found"),
    NUMBER(drift_fiducial_radius_nm, DOUBLE, "150", 1, 1e5, "nm",
           "drift by fiducials: localizations up to here belong to a fiducial"),
    NUMBER(drift_fiducial_share, DOUBLE, "0.8", 0.05, 1, "",
           "drift by fiducials: share of the frames in which a fiducial is seen at least"),
    {"drift_check", ATM_KEY_BOOL, offsetof(struct atm_post_options, drift_check), "yes", 0, 0, NULL,
     "", "drift: estimate the error from two halves of the data"},
    NUMBER(link_radius_nm, DOUBLE, "auto", 0.01, 1e5, "nm",
           "link: largest distance of localizations of one blink; auto: 3.5 standard deviations of "
           "their difference, as their precisions say (about five of these)"),
    NUMBER(link_gap, INT, "2", 0, 1e6, "frames",
           "link: frames that a blink may miss before it counts as another one"),
    NUMBER(density_radius_nm, DOUBLE, "50", 0.1, 1e5, "nm",
           "density: neighbours up to here are counted"),
    NUMBER(duplicates_radius_nm, DOUBLE, "auto", 0.01, 1e5, "nm",
           "duplicates: of two localizations in one frame that are nearer than this, the fainter "
           "goes; auto: three times the median precision"),
    CHOOSE(frc_split, "blinks", frc_splits,
           "frc: halves of the data: whole blinks at random; alternating stretches of time; single "
           "localizations by chance (which counts dyes that are seen twice as resolution)"),
    NUMBER(frc_repeats, INT, "20", 1, 1000, "", "frc: number of random splits"),
    NUMBER(frc_pixel_nm, DOUBLE, "auto", 0.1, 1e4, "nm",
           "frc: pixel of the rendered halves; auto: half the median precision"),
};

const struct atm_section atm_post_section = {
    .name = "post",
    .help = "steps behind localization",
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
};
