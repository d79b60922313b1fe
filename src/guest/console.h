// SPDX-License-Identifier: Apache-2.0
/* What is said, and where: the guest's console. */
#ifndef GUEST_CONSOLE_H
#define GUEST_CONSOLE_H

#include "guest/text.h"

/*
 * The name of the terminal behind /dev/console in text (the content of
 * /sys/class/tty/console/active): the last of the names, as the kernel's last console=
 * decides. Empty when there is none.
 */
struct vg_text vg_console_name(const char *text);

/* Makes descriptors 0, 1 and 2 the console where they are closed. Needs /dev. */
void vg_console_open(void);

/*
 * For the command's process: a session of its own with the console's terminal as the controlling
 * one, so that the keyboard's interrupt and job control work. Only the session where standard
 * input is not the console or there is no terminal behind it. Needs /dev and /sys.
 */
void vg_console_take(void);

/* One line to the console: "veneer-init: ...". */
void vg_console_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
