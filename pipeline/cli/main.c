/* atomloc: one command per file, this is the table of them. */
#include "command.h"
#include "denormals.h"
#include "sink_terminal.h"
#include <cblas.h>
#include <gsl/gsl_errno.h>
#include <omp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct atm_command *const commands[] = {
    &atm_command_localize, &atm_command_run,  &atm_command_synth,     &atm_command_train,
    &atm_command_eval,     &atm_command_info, &atm_command_calibrate, &atm_command_config,
    &atm_command_convert,  &atm_command_post, &atm_command_camera,    &atm_command_psf,
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static void print_usage(FILE *stream) {
    fputs("atomloc " ATM_VERSION ": single-molecule localization that learns on the movie itself\n"
          "\n"
          "  atomloc localize movie.tif -o locs.hdf5     a movie becomes a table and a picture\n"
          "  atomloc run configs/quickstart.ini          a whole experiment from one file\n"
          "\n"
          "Commands (atomloc COMMAND --help says more):\n",
          stream);
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(stream, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
}

static const struct atm_command *find_command(const char *name) {
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!strcmp(commands[i]->name, name))
            return commands[i];
    return NULL;
}

/* What was printed may sit in a buffer, and the disk may be full. */
static int close_stdout(int code) {
    if (fflush(stdout) || ferror(stdout)) {
        perror("atomloc: error: writing to stdout");
        return code ? code : EXIT_FAILED;
    }
    return code;
}

/* Waiting threads must sleep rather than spin, or another program on the same cores makes training
 * several times slower. OpenMP's runtime reads its environment when it is loaded, so the program
 * starts itself once more; where that is not possible it goes on as it is. */
static void let_threads_sleep(char **argv) {
    if (getenv("OMP_WAIT_POLICY") || setenv("OMP_WAIT_POLICY", "passive", 1))
        return;
    execv("/proc/self/exe", argv);
}

static void prepare_libraries(int64_t threads) {
    gsl_set_error_handler_off();
    openblas_set_num_threads(1); /* we partition the work ourselves: same bytes on any machine */
    omp_set_num_threads(threads ? (int)threads : omp_get_num_procs());
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is a failed write, not the end of the program */
}

static int report(const struct atm_command *command, enum atm_status status,
                  const struct atm_err *err) {
    switch (status) {
    case ATM_OK:
        return EXIT_DONE;
    case ATM_STOPPED:
        fprintf(stderr, "atomloc: stopped%s%s\n", err->text[0] ? ": " : "", err->text);
        return EXIT_FAILED;
    case ATM_USAGE:
        fprintf(stderr, "atomloc: error: %s\natomloc %s --help explains the command\n", err->text,
                command->name);
        return EXIT_USAGE;
    case ATM_FAIL:
        break;
    }
    fprintf(stderr, "atomloc: error: %s\n", err->text);
    return EXIT_FAILED;
}

static int run_command(const struct atm_command *command, int argc, char **argv) {
    struct atm_call call = {0};
    struct atm_err err = {0};
    struct atm_terminal terminal;
    struct atm_sink sink;
    enum atm_status status = atm_command_parse(command, argc, argv, &call, &err);
    if (!status && call.help) {
        atm_command_print_help(command);
        return EXIT_DONE;
    }
    if (!status) {
        prepare_libraries(call.config.run.threads);
        atm_terminal_init(&terminal, &sink);
        terminal.quiet = call.quiet;
        call.sink = &sink;
        status = command->run(&call, &err);
        atm_terminal_settle(&terminal);
    }
    fflush(stdout); /* the data stands before the message */
    return report(command, status, &err);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        print_usage(stdout);
        return close_stdout(EXIT_DONE);
    }
    if (!strcmp(argv[1], "--version")) {
        puts("atomloc " ATM_VERSION);
        return close_stdout(EXIT_DONE);
    }
    let_threads_sleep(argv);
    atm_flush_denormals();
    const struct atm_command *command = find_command(argv[1]);
    if (!command) {
        fprintf(stderr, "atomloc: error: no command is called \"%s\"\n\n", argv[1]);
        print_usage(stderr);
        return EXIT_USAGE;
    }
    return close_stdout(run_command(command, argc - 1, argv + 1));
}
