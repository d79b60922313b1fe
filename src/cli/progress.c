// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define PROGRESS_EVERY (VN_NS_PER_SEC / 5)

void progress_init(struct progress *p, bool wanted)
{
	/* Work that is done in a moment shows nothing. */
	*p = (struct progress){.on = wanted && isatty(STDERR_FILENO), .next = vn_mono_ns() + PROGRESS_EVERY};
}

bool progress_due(struct progress *p)
{
	int64_t now = p->on ? vn_mono_ns() : 0;

	if (now < p->next || !p->on)
		return false;
	p->next = now + PROGRESS_EVERY;
	return true;
}

void progress_show(struct progress *p, const char *text)
{
	fprintf(stderr, "\r\033[K%s", text);
	fflush(stderr);
	p->shown = true;
}

void progress_clear(struct progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	p->shown = false;
}

const char *progress_bytes(uint64_t n, char buf[32])
{
	static const char units[][4] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = (double)n / 1024;
	size_t u = 0;

	if (n < 1024) {
		snprintf(buf, 32, "%d bytes", (int)n);
		return buf;
	}
	while (v >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
		v /= 1024;
		u++;
	}
	snprintf(buf, 32, "%.1f %s", v, units[u]);
	return buf;
}
