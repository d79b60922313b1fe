// SPDX-License-Identifier: Apache-2.0
#include "guest/why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int vg_why_set(struct vg_why *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return -EINVAL;
}
