// SPDX-License-Identifier: Apache-2.0
/* Which system calls a sandboxed process has left (seccomp). */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/scope.h"
#include "cli/sandbox.h"

/* Names, because a machine does not have all of them; those are left out. */
static const char *const calls[] = {
	/* descriptors */
	"close", "close_range", "dup", "dup2", "dup3", "fcntl", "ioctl", "lseek", "pipe2", "read", "readv", "write",
	"writev", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "sendfile", "splice", "tee",
	"copy_file_range", "fallocate", "ftruncate", "fsync", "fdatasync", "sync_file_range", "syncfs", "flock",
	"fadvise64", "readahead", "memfd_create", "eventfd2", "signalfd4",
	/* names, within what the first step left open */
	"open", "openat", "openat2", "creat", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "mkdir",
	"mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlinkat",
	"getdents64", "getcwd", "chdir", "fchdir", "truncate", "utimensat", "umask",
	"stat", "lstat", "fstat", "newfstatat", "fstatat64", "statx", "statfs", "fstatfs", "chmod", "fchmod", "fchmodat",
	"fchmodat2", "chown", "lchown", "fchown", "fchownat",
	"getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr", "setxattr", "lsetxattr", "fsetxattr",
	"removexattr", "lremovexattr", "fremovexattr",
	/* memory */
	"brk", "mmap", "mmap2", "mprotect", "mremap", "munmap", "madvise", "mincore", "msync", "mlock", "munlock",
	"membarrier",
	/* threads and time */
	"clone", "clone3", "exit", "exit_group", "futex", "futex_waitv", "get_robust_list", "set_robust_list",
	"set_tid_address", "rseq", "arch_prctl", "prctl", "gettid", "getpid", "getppid", "getpgrp", "sched_yield",
	"sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler", "getcpu", "getpriority",
	"setpriority", "ioprio_set", "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times",
	"getrusage", "sysinfo", "uname", "getrandom", "getrlimit", "setrlimit", "prlimit64",
	"getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "getresgid", "capget",
	/* signals */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "sigaltstack", "tgkill",
	"restart_syscall",
	/* waiting and talking; no new connections but local ones (below) */
	"poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
	"socketpair", "connect", "bind", "listen", "accept", "accept4", "sendmsg", "recvmsg", "sendto", "recvfrom",
	"shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername",
};

/* Newer than many libraries that know the names; these have one number everywhere. */
static const int numbers[] = {463 /* setxattrat */, 464 /* getxattrat */, 465 /* listxattrat */, 466 /* removexattrat */};

/* What a mount needs besides: the device's io_uring, a courier's policy, and taking it away, perhaps by the helper. */
static const char *const mount_calls[] = {
	"io_uring_setup", "io_uring_enter", "io_uring_register", "sched_setscheduler", "umount2", "mount", "execve",
	"vfork", "fork", "wait4", "waitid", "pipe", "vmsplice",
};

static int list_allow(scmp_filter_ctx f, const char *const *names, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		int call = seccomp_syscall_resolve_name(names[i]);

		if (call != __NR_SCMP_ERROR)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 0);
		if (rc == -EDOM) /* a call of another architecture */
			rc = 0;
	}
	return rc;
}

static int filter_fill(scmp_filter_ctx f, const struct sandbox *s)
{
	int rc = list_allow(f, calls, VN_ARRAY_LEN(calls));

	for (size_t i = 0; i < VN_ARRAY_LEN(numbers) && !rc; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, numbers[i], 0);
	if (!rc)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	if (!rc) /* how a request to stop reaches the keeper */
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A1(SCMP_CMP_EQ, SIGTERM));
	if (!rc && s->mounts)
		rc = list_allow(f, mount_calls, VN_ARRAY_LEN(mount_calls));
	return rc;
}

static uint32_t action_number(enum sandbox_action a)
{
	switch (a) {
	case SANDBOX_KILL:
		return SCMP_ACT_KILL_PROCESS;
	case SANDBOX_TRAP:
		return SCMP_ACT_TRAP;
	case SANDBOX_LOG:
		return SCMP_ACT_LOG;
	default:
		return SCMP_ACT_ERRNO(ENOSYS);
	}
}

/* The filter for all threads; most calls are decided by the kernel's own table, without running it. */
static int filter_load(const struct sandbox *s)
{
	scmp_filter_ctx f = seccomp_init(action_number(s->action));
	int rc = f ? 0 : -ENOMEM;

	if (!rc)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!rc)
		rc = filter_fill(f, s);
	if (!rc)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc;
}

int sandbox_calls(const struct sandbox *s, struct vn_err *err)
{
	int rc;

	if (s->mode == SANDBOX_NONE || s->action == SANDBOX_ALLOW)
		return 0;
	if (s->mounts && geteuid()) {
		vn_info("the helper that unmounts needs its privileges: the server is not confined");
		return 0;
	}
	rc = filter_load(s);
	if (rc && s->mode == SANDBOX_REQUIRE)
		return vn_err_sys(err, rc, "--sandbox=require: this kernel takes no filter of system calls");
	if (rc)
		vn_info("this kernel takes no filter of system calls: the server has them all");
	return 0;
}
