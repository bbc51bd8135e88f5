/* Debian's inih installs its header as <ini.h>, the name of our own: step over ours. */
#ifndef ATM_INIH_H
#define ATM_INIH_H

#pragma GCC system_header /* include_next is an extension that -Wpedantic would report */
#include_next <ini.h>

#endif
