/* The sink of the command line: messages and progress on stderr, and the wish to stop from signals. */
#ifndef ATM_SINK_TERMINAL_H
#define ATM_SINK_TERMINAL_H

#include "log.h"

struct atm_terminal {
    bool interactive; /* stderr is a terminal: one line is redrawn; otherwise plain lines */
    bool quiet;       /* warnings only */
    bool open_line;   /* a progress line without its newline is on the screen */
    char what[64];    /* the running count, "" before the first */
    int64_t first_done, last_done, total;
    double first_s, last_s; /* monotonic clock */
};

/* From now on SIGINT and SIGTERM ask to stop; a second one ends the program at once. */
void atm_terminal_init(struct atm_terminal *terminal, struct atm_sink *sink);
/* End an open progress line before something else is printed. */
void atm_terminal_settle(struct atm_terminal *terminal);

#endif
