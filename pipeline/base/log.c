#include "log.h"

#include <stdarg.h>
#include <stdio.h>

void atm_log(const struct atm_sink *sink, enum atm_log_level level, const char *format, ...) {
    if (!sink || !sink->line)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sink->line(sink->context, level, text);
}

void atm_log_progress(const struct atm_sink *sink, const char *what, int64_t done, int64_t total,
                      const char *format, ...) {
    if (!sink || !sink->progress)
        return;
    char note[160];
    va_list args;
    va_start(args, format);
    vsnprintf(note, sizeof note, format, args);
    va_end(args);
    sink->progress(sink->context, what, done, total, note);
}

bool atm_log_stopped(const struct atm_sink *sink) {
    return sink && sink->stopped && sink->stopped(sink->context);
}
