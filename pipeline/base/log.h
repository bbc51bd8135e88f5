/* Messages, progress and the wish to stop go through a sink that the caller passes in. */
#ifndef ATM_LOG_H
#define ATM_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum atm_log_level { ATM_LOG_INFO, ATM_LOG_WARNING };

/* Any pointer may be NULL: then nothing is said, and nobody asks to stop. A NULL sink is fine too. */
struct atm_sink {
    void (*line)(void *context, enum atm_log_level level, const char *text);
    /* done of total units ("frames", "steps"); note is short extra text ("loss 0.0123") or "". */
    void (*progress)(void *context, const char *what, int64_t done, int64_t total,
                     const char *note);
    bool (*stopped)(void *context); /* Ctrl-C was pressed: finish the current unit and return */
    void *context;
};

void atm_log(const struct atm_sink *sink, enum atm_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void atm_log_progress(const struct atm_sink *sink, const char *what, int64_t done, int64_t total,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));
bool atm_log_stopped(const struct atm_sink *sink);

#endif
