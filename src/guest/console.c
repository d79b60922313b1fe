// SPDX-License-Identifier: Apache-2.0
#include "guest/console.h"

#include "guest/file.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct vg_text vg_console_name(const char *text)
{
	size_t end = strlen(text), start;

	while (end && strchr(" \n", text[end - 1]))
		end--;
	start = end;
	while (start && text[start - 1] != ' ')
		start--;
	return (struct vg_text){text + start, end - start};
}

void vg_console_open(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		/* The lowest free descriptor is the closed one, as those below it are open by now. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/console", O_RDWR | O_NOCTTY) < 0)
			return;
	}
}

static bool is_console(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 1);
}

void vg_console_take(void)
{
	char active[256], path[sizeof(active) + 8];
	struct vg_text name;
	int fd;

	setsid();
	if (!is_console(STDIN_FILENO) || vg_file_read("/sys/class/tty/console/active", active, sizeof(active)) < 0)
		return;
	name = vg_console_name(active);
	if (name.len == 0)
		return;
	snprintf(path, sizeof(path), "/dev/%.*s", VG_TEXT_ARG(name));
	fd = open(path, O_RDWR | O_NOCTTY);
	if (fd < 0)
		return;
	/* /dev/console itself can never be a controlling terminal; the one behind it can. */
	if (ioctl(fd, TIOCSCTTY, 0) == 0)
		for (int i = 0; i <= 2; i++)
			dup2(fd, i);
	if (fd > 2)
		close(fd);
}

void vg_console_say(const char *format, ...)
{
	char line[1024];
	int len = snprintf(line, sizeof(line), "veneer-init: ");
	va_list args;

	va_start(args, format);
	len += vsnprintf(line + len, sizeof(line) - (size_t)len - 1, format, args);
	va_end(args);
	if ((size_t)len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	vg_file_write(STDERR_FILENO, line, (size_t)len);
}
