#include "sink_terminal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A signal handler can reach nothing else. */
static volatile sig_atomic_t stop_asked, asked_at_s;

/* The first signal asks; one that comes later insists and ends the program at once. Job runners
 * signal the process and its group, so that the same request arrives twice within moments. */
static void ask_to_stop(int signal_number) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!stop_asked) {
        asked_at_s = (sig_atomic_t)now.tv_sec;
        stop_asked = 1;
    } else if ((sig_atomic_t)now.tv_sec > asked_at_s + 1) {
        signal(signal_number, SIG_DFL);
        raise(signal_number);
    }
}

static bool stopped(void *context) {
    (void)context;
    return stop_asked != 0;
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void atm_terminal_settle(struct atm_terminal *terminal) {
    if (terminal->open_line)
        fputc('\n', stderr);
    terminal->open_line = false;
}

static void line(void *context, enum atm_log_level level, const char *text) {
    struct atm_terminal *terminal = context;
    if (terminal->quiet && level == ATM_LOG_INFO)
        return;
    fflush(stdout); /* where both go into one file, each stands where it was said */
    if (terminal->open_line) /* the progress is drawn again below the message */
        fputs("\r\033[K", stderr);
    terminal->open_line = false;
    fprintf(stderr, "%s%s\n", level == ATM_LOG_WARNING ? "warning: " : "", text);
}

static void format_duration(double seconds, char *text, size_t size) {
    long s = (long)(seconds + 0.5);
    if (s < 100)
        snprintf(text, size, "%ld s", s);
    else if (s < 6000)
        snprintf(text, size, "%ld min %02ld s", s / 60, s % 60);
    else
        snprintf(text, size, "%ld h %02ld min", s / 3600, s / 60 % 60);
}

/* Redraws five times a second on a terminal; otherwise a line every ten seconds, or every tenth of
 * the work when that takes longer than a second, and at the end. */
static bool worth_showing(const struct atm_terminal *terminal, int64_t done, int64_t total,
                          double now) {
    double quiet = now - terminal->last_s;
    if (done >= total)
        return done > terminal->last_done;
    if (terminal->interactive)
        return quiet >= 0.2;
    return quiet >= 10 || (quiet >= 1 && (done - terminal->last_done) * 10 >= total);
}

static void show(struct atm_terminal *terminal, int64_t done, int64_t total, double now,
                 const char *note) {
    char rest[160] = "", left[40];
    double spent = now - terminal->first_s;
    int64_t since = done - terminal->first_done;
    if (since > 0 && spent > 0) {
        double rate = (double)since / spent;
        format_duration(done < total ? (double)(total - done) / rate : spent, left, sizeof left);
        snprintf(rest, sizeof rest, ", %.3g per s, %s%s", rate, left, done < total ? " left" : "");
    }
    fflush(stdout);
    fprintf(stderr, "%s  %lld/%lld %s, %lld %%%s%s%s%s", terminal->interactive ? "\r" : "",
            (long long)done, (long long)total, terminal->what,
            (long long)(total > 0 ? done * 100 / total : 100), rest, note[0] ? "; " : "", note,
            terminal->interactive ? "\033[K" : "\n");
    fflush(stderr);
    terminal->open_line = terminal->interactive;
    if (done >= total)
        atm_terminal_settle(terminal);
}

static void progress(void *context, const char *what, int64_t done, int64_t total,
                     const char *note) {
    struct atm_terminal *terminal = context;
    if (terminal->quiet)
        return;
    double now = now_s();
    if (strcmp(terminal->what, what) || terminal->total != total || done < terminal->last_done) {
        snprintf(terminal->what, sizeof terminal->what, "%s", what);
        terminal->first_done = terminal->last_done = done;
        terminal->total = total;
        terminal->first_s = terminal->last_s = now;
        return;
    }
    if (!worth_showing(terminal, done, total, now))
        return;
    show(terminal, done, total, now, note);
    terminal->last_done = done;
    terminal->last_s = now;
}

void atm_terminal_init(struct atm_terminal *terminal, struct atm_sink *sink) {
    *terminal = (struct atm_terminal){.interactive = isatty(STDERR_FILENO) != 0};
    *sink = (struct atm_sink){line, progress, stopped, terminal};
    struct sigaction action = {.sa_handler = ask_to_stop};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}
