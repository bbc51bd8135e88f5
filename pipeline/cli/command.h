/* What a command tells main about itself, and what main hands to it. */
#ifndef ATM_COMMAND_H
#define ATM_COMMAND_H

#include "config.h"
#include "err.h"
#include "log.h"
#include <stdbool.h>

enum {
    ATM_OPTION_OUTPUT = 1 << 0,          /* -o may be given */
    ATM_OPTION_OUTPUT_NEEDED = 1 << 1,   /* -o must be given */
    ATM_OPTION_MODEL = 1 << 2,           /* --model */
    ATM_OPTION_TRUNCATED = 1 << 3,       /* --allow-truncated */
    ATM_OPTION_JSON = 1 << 4,            /* --json */
    ATM_OPTION_CONFIG_ARGUMENT = 1 << 5, /* the positional argument is the configuration */
    ATM_OPTION_LIMITS = 1 << 6,          /* --fail-under, --fail-over */
    ATM_OPTION_OUTPUTS = 1 << 7,         /* -o may be given several times */
    ATM_OPTION_FOLLOW = 1 << 8,          /* --follow */
};

/* What scores must reach: "jaccard=0.9". */
struct atm_limit {
    const char *text; /* borrowed from argv */
    bool over;        /* fail above the value, not below it */
};
enum { ATM_MOST_LIMITS = 16, ATM_LIMIT_NAME = 128, ATM_MOST_OUTPUTS = 16 };

/* One call of a command. Strings are borrowed from argv. */
struct atm_call {
    char *const *args; /* positional arguments */
    int arg_count;
    const char *config_path;                   /* NULL: none given */
    const char *output, *model;                /* output: the first of outputs */
    const char *outputs[ATM_MOST_OUTPUTS + 1]; /* NULL-terminated */
    bool configured;                           /* -c or --set was given */
    bool json, help, quiet;
    struct atm_limit limits[ATM_MOST_LIMITS];
    int limit_count;
    struct atm_config config;
    const struct atm_sink *sink;
};

struct atm_command {
    const char *name;
    const char *arguments; /* "MOVIE -o LOCS" */
    const char *summary;   /* one line */
    const char *help;      /* paragraphs */
    int min_args, max_args;
    unsigned options;  /* ATM_OPTION_ */
    unsigned sections; /* ATM_SECTION_: those that its --help lists */
    enum atm_status (*run)(struct atm_call *call, struct atm_err *err);
};

extern const struct atm_command atm_command_run, atm_command_synth, atm_command_train,
    atm_command_calibrate, atm_command_localize, atm_command_eval, atm_command_info,
    atm_command_config, atm_command_convert, atm_command_post, atm_command_camera,
    atm_command_psf;

/* argv[0] is the command's name. Reads the configuration too: defaults, then -c, then --set in
 * their order, then the options that stand for keys. With --help, only call->help is set. */
enum atm_status atm_command_parse(const struct atm_command *command, int argc, char **argv,
                                  struct atm_call *call, struct atm_err *err);
enum atm_status atm_limit_parse(const struct atm_limit *limit, char name[ATM_LIMIT_NAME],
                                double *value, struct atm_err *err);
/* Fails where a number of the scores (JSON text; NULL: there are none) is on the wrong side of its
 * limit or unknown, naming all of them. */
enum atm_status atm_limits_check(const struct atm_call *call, const char *json,
                                 struct atm_err *err);
/* A limit that nothing would check must not pass silently: for `run`, before the work. */
enum atm_status atm_limits_possible(const struct atm_call *call, bool scored, struct atm_err *err);
/* To stdout. */
void atm_command_print_help(const struct atm_command *command);

#endif
