// SPDX-License-Identifier: Apache-2.0
/* What a sandboxed process may reach by name (Landlock), and its capabilities. */
#include <cap-ng.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/scope.h"
#include "cli/sandbox.h"

#define ABI_MIN 2 /* with 1 a rename from one directory to another cannot be allowed */
#define ABI_TRUNCATE 3
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define FILE_RIGHTS (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
		     LANDLOCK_ACCESS_FS_TRUNCATE)
#define ALL_RIGHTS (FILE_RIGHTS | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
		    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
		    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | \
		    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)
#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* Device nodes, pipes, symlinks and programs are rows of the index; the host's directory needs none. */
#define WRITE_RIGHTS (READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE | \
		      LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | \
		      LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER)

bool sandbox_is_built(void)
{
	return true;
}

/* ---- Landlock ---- */

static uint64_t rights_of(enum sandbox_right right)
{
	switch (right) {
	case SANDBOX_READ:
		return READ_RIGHTS;
	case SANDBOX_WRITE:
		return WRITE_RIGHTS;
	case SANDBOX_SOCKET:
		return LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;
	case SANDBOX_REMOVE:
		return LANDLOCK_ACCESS_FS_REMOVE_FILE;
	case SANDBOX_EMPTY:
		return LANDLOCK_ACCESS_FS_REMOVE_DIR;
	}
	return 0;
}

/* A file takes only the rights that make sense for files. */
static int place_allow(int ruleset, uint64_t handled, const struct sandbox_place *p)
{
	vn_autoclose int fd = open(p->path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {.allowed_access = rights_of(p->right) & handled, .parent_fd = fd};
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FILE_RIGHTS;
	if (!rule.allowed_access)
		return 0;
	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) ? -errno : 0;
}

static int files_fence(uint64_t handled, const struct sandbox_place *places, size_t n, struct vn_err *err)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = handled};
	vn_autoclose int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (ruleset < 0)
		return vn_err_sys(err, -errno, "the sandbox's rules cannot be made");
	for (size_t i = 0; i < n; i++) {
		int rc = place_allow(ruleset, handled, &places[i]);

		if (rc)
			return vn_err_sys(err, rc, "the sandbox cannot leave '%s' open", places[i].path);
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0))
		return vn_err_sys(err, -errno, "the sandbox's rules cannot be put in force (--sandbox=none does without)");
	return 0;
}

static int files_restrict(const struct sandbox *s, const struct sandbox_place *places, size_t n, struct vn_err *err)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	uint64_t handled = ALL_RIGHTS;

	if (abi < ABI_MIN && s->mode == SANDBOX_REQUIRE)
		return vn_err_set(err, -ENOSYS, "--sandbox=require: this kernel has no Landlock that allows renaming (Linux 5.19)");
	if (abi < ABI_MIN) {
		vn_info("this kernel has no Landlock that allows renaming: what the server may reach by name is not confined");
		return 0;
	}
	if (abi < ABI_TRUNCATE)
		handled &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
	return files_fence(handled, places, n, err);
}

/* ---- capabilities ---- */

/*
 * Layers may belong to anybody, their trusted attributes are for CAP_SYS_ADMIN alone, and
 * so is the read-only copy of a mount; the socket may go to a group. The others are not needed.
 */
static const int kept[] = {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_CHOWN, CAP_SYS_ADMIN};

static bool cap_is_kept(int cap)
{
	for (size_t i = 0; i < VN_ARRAY_LEN(kept); i++) {
		if (kept[i] == cap)
			return true;
	}
	return false;
}

static int caps_drop(struct vn_err *err)
{
	if (capng_get_caps_process())
		return vn_err_set(err, -EIO, "this process's capabilities cannot be read");
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (!cap_is_kept(cap))
			capng_update(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE, (unsigned)cap);
	}
	return capng_apply(CAPNG_SELECT_CAPS) ? vn_err_set(err, -EPERM, "capabilities cannot be given up") : 0;
}

/* ---- both ---- */

int sandbox_files(const struct sandbox *s, const struct sandbox_place *places, size_t n, struct vn_err *err)
{
	int rc;

	if (s->mode == SANDBOX_NONE)
		return 0;
	if (s->mounts && s->mode == SANDBOX_REQUIRE)
		return vn_err_set(err, -ENOSYS, "--sandbox=require and --also-mount do not go together: Landlock forbids mounts");
	if (s->mounts)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return vn_err_sys(err, -errno, "privileges cannot be given up");
	rc = files_restrict(s, places, n, err);
	return rc ? rc : caps_drop(err);
}
