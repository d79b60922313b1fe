// SPDX-License-Identifier: Apache-2.0
/*
 * The log: one sink for the process, standard error or syslog. Libraries return
 * errors and do not log; the command and the dispatcher's internal-error path do.
 */
#ifndef VN_BASE_LOG_H
#define VN_BASE_LOG_H

#include <stdbool.h>

#include "base/cfg.h"

enum vn_log_level {
	VN_LOG_ERROR,
	VN_LOG_WARN,
	VN_LOG_INFO,
	VN_LOG_DEBUG,
};

/*
 * Chooses the sink and the least urgent level that is written. Before the first
 * call the sink is standard error at VN_LOG_WARN. name prefixes every line and is
 * borrowed for the life of the process. Not to be called while other threads log.
 */
void vn_log_init(const char *name, enum vn_log_level level, bool to_syslog);

/* Parses "error", "warn" (also "warning"), "info" or "debug". Returns 0 or -EINVAL. */
int vn_log_parse_level(const char *text, enum vn_log_level *level);

/* True when a line of this level would be written; for arguments that are dear to compute. */
bool vn_log_wants(enum vn_log_level level);

/* Writes one line (no final newline in fmt), in one system call so that lines do not mix. Keeps errno. */
void vn_log(enum vn_log_level level, const char *fmt, ...) VN_PRINTF(2, 3);

#define vn_error(...) vn_log(VN_LOG_ERROR, __VA_ARGS__)
#define vn_warn(...) vn_log(VN_LOG_WARN, __VA_ARGS__)
#define vn_info(...) vn_log(VN_LOG_INFO, __VA_ARGS__)
#define vn_debug(...)                                      \
	do {                                               \
		if (vn_log_wants(VN_LOG_DEBUG))            \
			vn_log(VN_LOG_DEBUG, __VA_ARGS__); \
	} while (0)

#endif
