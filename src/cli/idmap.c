// SPDX-License-Identifier: Apache-2.0
#include "cli/idmap.h"

#include <cap-ng.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/scope.h"

#define IDMAP_TABLE_MAX (1u << 20)

bool idmap_range(const char *table, const char *name, uint32_t id, uint32_t *first, uint32_t *count)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", id);
	for (const char *line = table; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t n = strcspn(line, ":\n");
		uint32_t a, b;

		if (!(name && strlen(name) == n && strncmp(line, name, n) == 0) &&
		    !(strlen(number) == n && strncmp(line, number, n) == 0))
			continue;
		if (sscanf(line + n, ":%u:%u", &a, &b) != 2 || b < 2 || a > UINT32_MAX - b)
			continue;
		*first = a;
		*count = b;
		return true;
	}
	return false;
}

int idmap_triples(uint32_t id, uint32_t inside, uint32_t first, uint32_t count, uint32_t out[3][3])
{
	uint32_t below = count < inside ? count : inside;
	int n = 0;

	if (below > 0)
		memcpy(out[n++], (uint32_t[3]){0, first, below}, sizeof(out[0]));
	memcpy(out[n++], (uint32_t[3]){inside, id, 1}, sizeof(out[0]));
	if (count > below)
		memcpy(out[n++], (uint32_t[3]){inside + 1, first + below, count - below}, sizeof(out[0]));
	return n;
}

static bool idmap_table(const char *path, const char *name, uint32_t id, uint32_t *first, uint32_t *count)
{
	vn_autofree char *text = NULL;
	size_t len;

	return vn_read_file_at(AT_FDCWD, path, IDMAP_TABLE_MAX, &text, &len) == 0 &&
		idmap_range(text, name, id, first, count);
}

bool idmap_may_mount(void)
{
	return capng_get_caps_process() == 0 && capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
}

void idmap_plan(struct idmap *m, bool root)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *name = pw ? pw->pw_name : NULL;

	*m = (struct idmap){.root = root, .uid = geteuid(), .gid = getegid(), .single = true};
	m->needed = !idmap_may_mount();
	if (!m->needed)
		return;
	m->single = access("/usr/bin/newuidmap", X_OK) < 0 || access("/usr/bin/newgidmap", X_OK) < 0 ||
		!idmap_table("/etc/subuid", name, m->uid, &m->uid_first, &m->uid_count) ||
		!idmap_table("/etc/subgid", name, m->uid, &m->gid_first, &m->gid_count);
}

/* Runs newuidmap or newgidmap. */
static int idmap_helper(const char *program, pid_t pid, int n, uint32_t triples[3][3])
{
	char words[10][16];
	char *argv[12] = {(char *)program, words[0]};
	char *envp[] = {NULL};
	pid_t helper;
	int status = 0;

	snprintf(words[0], sizeof(words[0]), "%d", (int)pid);
	for (int i = 0; i < n * 3; i++) {
		snprintf(words[i + 1], sizeof(words[0]), "%u", triples[i / 3][i % 3]);
		argv[i + 2] = words[i + 1];
	}
	if (posix_spawn(&helper, program, NULL, NULL, argv, envp) != 0)
		return -ENOEXEC;
	while (waitpid(helper, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int idmap_write(pid_t pid, const char *file, const char *text)
{
	char path[64];
	vn_autoclose int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = vn_open_at(AT_FDCWD, path, O_WRONLY, 0);
	if (fd < 0)
		return fd;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* One identity, which everybody may map. */
static int idmap_single(const struct idmap *m, pid_t pid)
{
	char text[64];
	int ret;

	snprintf(text, sizeof(text), "%u %u 1\n", m->root ? 0 : m->uid, m->uid);
	ret = idmap_write(pid, "uid_map", text);
	if (ret < 0)
		return ret;
	ret = idmap_write(pid, "setgroups", "deny"); /* else the group map is refused */
	if (ret < 0)
		return ret;
	snprintf(text, sizeof(text), "%u %u 1\n", m->root ? 0 : m->gid, m->gid);
	return idmap_write(pid, "gid_map", text);
}

static int idmap_many(const struct idmap *m, pid_t pid)
{
	uint32_t triples[3][3];
	int n = idmap_triples(m->uid, m->root ? 0 : m->uid, m->uid_first, m->uid_count, triples);
	int ret = idmap_helper("/usr/bin/newuidmap", pid, n, triples);

	if (ret < 0)
		return ret;
	n = idmap_triples(m->gid, m->root ? 0 : m->gid, m->gid_first, m->gid_count, triples);
	return idmap_helper("/usr/bin/newgidmap", pid, n, triples);
}

int idmap_apply(const struct idmap *m, pid_t pid, struct vn_err *err)
{
	int ret = m->single ? idmap_single(m, pid) : idmap_many(m, pid);

	if (ret < 0)
		return vn_err_sys(err, ret,
				  m->single ? "cannot map your identity into a user namespace"
					    : "newuidmap and newgidmap refused the ranges in /etc/subuid and /etc/subgid");
	return 0;
}
