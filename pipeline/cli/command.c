#include "command.h"

#include "mem.h"
#include <getopt.h>
#include <stdio.h>

enum {
    LONG_SET = 256,
    LONG_THREADS,
    LONG_MODEL,
    LONG_TRUNCATED,
    LONG_FOLLOW,
    LONG_JSON,
    LONG_QUIET,
    LONG_UNDER,
    LONG_OVER
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"set", required_argument, NULL, LONG_SET},
    {"output", required_argument, NULL, 'o'},
    {"threads", required_argument, NULL, LONG_THREADS},
    {"model", required_argument, NULL, LONG_MODEL},
    {"allow-truncated", no_argument, NULL, LONG_TRUNCATED},
    {"follow", no_argument, NULL, LONG_FOLLOW},
    {"json", no_argument, NULL, LONG_JSON},
    {"quiet", no_argument, NULL, LONG_QUIET},
    {"fail-under", required_argument, NULL, LONG_UNDER},
    {"fail-over", required_argument, NULL, LONG_OVER},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* What the command line said, before the configuration is read. */
struct line {
    const char **sets; /* owned array of borrowed assignments */
    int set_count;
    const char *threads;
    bool allow_truncated, follow;
};

static enum atm_status not_accepted(const struct atm_command *command, const char *option,
                                    struct atm_err *err) {
    return atm_err_set(err, ATM_USAGE, "atomloc %s has no option %s", command->name, option);
}

static enum atm_status unknown_option(int code, char *const *argv, struct atm_err *err) {
    const char *option = argv[optind - 1];
    if (code == ':')
        return atm_err_set(err, ATM_USAGE, "the option %s needs a value", option);
    if (optopt && optopt < 256)
        return atm_err_set(err, ATM_USAGE, "unknown option -%c", optopt);
    return atm_err_set(err, ATM_USAGE, "unknown option %s", option);
}

static enum atm_status add_limit(const struct atm_command *command, struct atm_call *call,
                                 bool over, struct atm_err *err) {
    if (!(command->options & ATM_OPTION_LIMITS))
        return not_accepted(command, over ? "--fail-over" : "--fail-under", err);
    if (call->limit_count == ATM_MOST_LIMITS)
        return atm_err_set(err, ATM_USAGE, "more than %d limits", ATM_MOST_LIMITS);
    char name[ATM_LIMIT_NAME];
    double value;
    call->limits[call->limit_count++] = (struct atm_limit){optarg, over};
    return atm_limit_parse(&call->limits[call->limit_count - 1], name, &value, err);
}

static enum atm_status add_output(const struct atm_command *command, struct atm_call *call,
                                  struct atm_err *err) {
    int count = 0;
    if (!(command->options & (ATM_OPTION_OUTPUT | ATM_OPTION_OUTPUT_NEEDED)))
        return not_accepted(command, "-o", err);
    while (call->outputs[count])
        count++;
    if (count && !(command->options & ATM_OPTION_OUTPUTS))
        return atm_err_set(err, ATM_USAGE, "atomloc %s has one output; -o is given twice",
                           command->name);
    if (count == ATM_MOST_OUTPUTS)
        return atm_err_set(err, ATM_USAGE, "more than %d outputs", ATM_MOST_OUTPUTS);
    call->outputs[count] = optarg;
    call->output = call->outputs[0];
    return ATM_OK;
}

static enum atm_status accept(const struct atm_command *command, int code, char *const *argv,
                              struct atm_call *call, struct line *line, struct atm_err *err) {
    unsigned options = command->options;
    switch (code) {
    case 'h':
        call->help = true;
        return ATM_OK;
    case 'c':
        call->config_path = optarg;
        return ATM_OK;
    case LONG_SET:
        line->sets[line->set_count++] = optarg;
        return ATM_OK;
    case LONG_THREADS:
        line->threads = optarg;
        return ATM_OK;
    case 'o':
        return add_output(command, call, err);
    case LONG_MODEL:
        call->model = optarg;
        return options & ATM_OPTION_MODEL ? ATM_OK : not_accepted(command, "--model", err);
    case LONG_TRUNCATED:
        line->allow_truncated = true;
        return options & ATM_OPTION_TRUNCATED ? ATM_OK
                                              : not_accepted(command, "--allow-truncated", err);
    case LONG_FOLLOW:
        line->follow = true;
        return options & ATM_OPTION_FOLLOW ? ATM_OK : not_accepted(command, "--follow", err);
    case LONG_JSON:
        call->json = true;
        return options & ATM_OPTION_JSON ? ATM_OK : not_accepted(command, "--json", err);
    case LONG_QUIET:
        call->quiet = true;
        return ATM_OK;
    case LONG_UNDER:
    case LONG_OVER:
        return add_limit(command, call, code == LONG_OVER, err);
    default:
        return unknown_option(code, argv, err);
    }
}

static enum atm_status check_counts(const struct atm_command *command, const struct atm_call *call,
                                    struct atm_err *err) {
    if (call->arg_count < command->min_args)
        return atm_err_set(err, ATM_USAGE, "too few arguments: atomloc %s %s", command->name,
                           command->arguments);
    if (call->arg_count > command->max_args)
        return atm_err_set(err, ATM_USAGE, "too many arguments (\"%s\"): atomloc %s %s",
                           call->args[command->max_args], command->name, command->arguments);
    if ((command->options & ATM_OPTION_OUTPUT_NEEDED) && !call->output)
        return atm_err_set(err, ATM_USAGE, "no output: atomloc %s %s", command->name,
                           command->arguments);
    return ATM_OK;
}

static enum atm_status configure(const struct atm_command *command, const struct line *line,
                                 struct atm_call *call, struct atm_err *err) {
    if (command->options & ATM_OPTION_CONFIG_ARGUMENT) {
        if (call->config_path)
            return atm_err_set(err, ATM_USAGE, "the configuration is given twice: %s and -c %s",
                               call->args[0], call->config_path);
        call->config_path = call->args[0];
    }
    call->configured = call->config_path || line->set_count;
    enum atm_status status = ATM_OK;
    if (call->config_path)
        status = atm_config_read(&call->config, call->config_path, err);
    for (int i = 0; !status && i < line->set_count; i++)
        status = atm_config_set(&call->config, line->sets[i], err);
    if (!status && line->threads) {
        char assignment[64];
        snprintf(assignment, sizeof assignment, "run.threads=%s", line->threads);
        status = atm_config_set(&call->config, assignment, err);
    }
    if (line->allow_truncated)
        call->config.input.allow_truncated = true;
    if (line->follow)
        call->config.input.follow = true;
    return status ? status : atm_camera_read_file(&call->config.camera, err);
}

enum atm_status atm_command_parse(const struct atm_command *command, int argc, char **argv,
                                  struct atm_call *call, struct atm_err *err) {
    struct line line = {.sets = atm_mem_alloc((size_t)argc, sizeof *line.sets)};
    enum atm_status status = line.sets ? ATM_OK : atm_err_memory(err, "the command line");
    atm_config_defaults(&call->config);
    opterr = 0; /* messages are ours */
    int code;
    while (!status && (code = getopt_long(argc, argv, ":c:o:h", long_options, NULL)) != -1)
        status = accept(command, code, argv, call, &line, err);
    if (!status && !call->help) {
        call->args = argv + optind;
        call->arg_count = argc - optind;
        status = check_counts(command, call, err);
        if (!status)
            status = configure(command, &line, call, err);
    }
    atm_mem_free(line.sets);
    return status;
}

static void print_key(const struct atm_key *key) {
    printf("    %s = %s", key->name, key->fallback);
    if (key->unit[0])
        printf(" (%s)", key->unit);
    printf("\n        %s", key->help);
    if (key->type == ATM_KEY_INT || key->type == ATM_KEY_DOUBLE)
        printf("; from %g to %g", key->min, key->max);
    if (key->type == ATM_KEY_CHOICE)
        for (int i = 0; key->choices[i]; i++)
            printf("%s%s", i ? ", " : "; one of ", key->choices[i]);
    putchar('\n');
}

void atm_command_print_help(const struct atm_command *command) {
    printf("atomloc %s %s\n\n%s\n\n%s\n\nOptions:\n", command->name, command->arguments,
           command->summary, command->help);
    if (command->options & (ATM_OPTION_OUTPUT | ATM_OPTION_OUTPUT_NEEDED))
        puts("  -o, --output PATH          where the result goes");
    if (command->options & ATM_OPTION_OUTPUTS)
        puts("                             again for the same in another format");
    if (command->options & ATM_OPTION_MODEL)
        puts("  --model MODEL              use this model instead of training on the movie "
             "(train: start from it)");
    if (command->options & ATM_OPTION_TRUNCATED)
        puts("  --allow-truncated          take the whole frames of a file that was cut off");
    if (command->options & ATM_OPTION_FOLLOW)
        puts("  --follow                   the movie is still being written: go on as frames come");
    if (command->options & ATM_OPTION_JSON)
        puts("  --json                     print JSON instead of text");
    if (command->options & ATM_OPTION_LIMITS)
        puts("  --fail-under NAME=VALUE    exit with 1 where a score is below; --fail-over: above");
    puts("  -c, --config CONFIG.ini    read the configuration\n"
         "  --set section.key=value    change one key; may be repeated\n"
         "  --quiet                    only warnings and errors, no report\n"
         "  --threads N                threads, 0 for all cores; the same as run.threads\n"
         "  -h, --help                 this text");
    struct atm_config config;
    struct atm_binding bindings[ATM_SECTION_COUNT];
    size_t count = atm_config_bind(&config, command->sections, bindings);
    if (count)
        puts("\nKeys and their defaults:");
    for (size_t i = 0; i < count; i++) {
        printf("  [%s]  %s\n", bindings[i].section->name, bindings[i].section->help);
        for (size_t k = 0; k < bindings[i].section->key_count; k++)
            print_key(&bindings[i].section->keys[k]);
    }
}
