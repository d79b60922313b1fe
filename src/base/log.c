// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

static struct {
	const char *name;
	enum vn_log_level level;
	bool to_syslog;
} sink = {.name = "veneer", .level = VN_LOG_WARN};

static const struct {
	const char *word;
	int priority;
} levels[] = {
	[VN_LOG_ERROR] = {"error", LOG_ERR},
	[VN_LOG_WARN] = {"warning", LOG_WARNING},
	[VN_LOG_INFO] = {"info", LOG_INFO},
	[VN_LOG_DEBUG] = {"debug", LOG_DEBUG},
};

void vn_log_init(const char *name, enum vn_log_level level, bool to_syslog)
{
	if (sink.to_syslog)
		closelog();
	sink.name = name;
	sink.level = level;
	sink.to_syslog = to_syslog;
	if (to_syslog)
		openlog(name, LOG_PID, LOG_DAEMON);
}

int vn_log_parse_level(const char *text, enum vn_log_level *level)
{
	if (strcmp(text, "warn") == 0)
		text = "warning";
	for (size_t i = 0; i < VN_ARRAY_LEN(levels); i++) {
		if (strcmp(text, levels[i].word) == 0) {
			*level = (enum vn_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool vn_log_wants(enum vn_log_level level)
{
	return level <= sink.level;
}

/* "NAME: [LEVEL: ]TEXT\n" on standard error; errors need no word, they are the usual case. */
static void log_stderr(enum vn_log_level level, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];
	int n = level == VN_LOG_ERROR ? snprintf(line, sizeof(line), "%s: ", sink.name)
				      : snprintf(line, sizeof(line), "%s: %s: ", sink.name, levels[level].word);
	size_t used = n < 0 ? 0 : (size_t)n;

	if (used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	vsnprintf(line + used, sizeof(line) - 1 - used, fmt, ap);
	strlcat(line, "\n", sizeof(line));
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return; /* nobody is left to be told */
}

void vn_log(enum vn_log_level level, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (!vn_log_wants(level))
		return;
	va_start(ap, fmt);
	if (sink.to_syslog)
		vsyslog(levels[level].priority, fmt, ap);
	else
		log_stderr(level, fmt, ap);
	va_end(ap);
	errno = saved;
}
