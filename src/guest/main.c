// SPDX-License-Identifier: Apache-2.0
/*
 * veneer-init: process 1 of a guest whose root is a share. In order:
 *
 *	open the root (for the exit status at the end)
 *	read the configuration		environment, arguments, kernel line
 *	mount /proc, /dev, /sys ...	the kernel line is in /proc, so this comes first for it
 *	move the root			only with VENEER_BLOCK_ROOT; then mount again
 *	tmpfs, runtime share
 *	run the command, wait for it
 *	end the rest, report, power off
 *
 * Process 1 must not return: the kernel would panic. Every way leads through finish().
 */
#include "guest/child.h"
#include "guest/config.h"
#include "guest/console.h"
#include "guest/file.h"
#include "guest/mounts.h"
#include "guest/report.h"
#include "guest/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <unistd.h>

#define GRACE_MS 2000
#define KERNEL_LINE_MAX 16384

struct guest {
	int root_fd; /* the root as it was at boot, or -1 */
	struct vg_config config;
};

/* The loopback interface is down at boot, and half of all programs want 127.0.0.1. */
static void loopback_up(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};

	if (fd < 0)
		return;
	if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
		request.ifr_flags |= IFF_UP;
		ioctl(fd, SIOCSIFFLAGS, &request);
	}
	close(fd);
}

static int read_config(struct guest *g, char *const args[], struct vg_why *why)
{
	static char kernel_line[KERNEL_LINE_MAX];
	int rc;

	vg_file_read("/proc/cmdline", kernel_line, sizeof(kernel_line));
	rc = vg_config_parse(args, environ, kernel_line, &g->config, why);
	if (rc == -ENOMEM)
		vg_why_set(why, "no memory");
	if (rc == 0 && g->config.unknown)
		vg_console_say("%.*s is not a variable that is known; ignored", (int)strcspn(g->config.unknown, "="),
			       g->config.unknown);
	return rc;
}

/* The disk becomes the root; the runtime share, where it is mounted already, comes along. */
static int change_root(const struct vg_config *c, struct vg_why *why)
{
	const char *dir = c->has_runtime ? c->runtime.dir : VG_RUNTIME_DIR;
	int held = vg_mounts_hold(dir);
	int rc = vg_root_enter(&c->block_root, why);

	if (rc == 0)
		rc = vg_mounts_base(why);
	if (rc == 0)
		rc = vg_mounts_tmpfs(&c->tmpfs, why);
	if (rc == 0 && held >= 0)
		rc = vg_mounts_put(held, dir, why);
	if (held >= 0)
		close(held);
	return rc;
}

static int set_up(struct guest *g, char *const args[], struct vg_why *why)
{
	const struct vg_config *c = &g->config;
	int rc = vg_mounts_base(why);

	vg_console_open();
	if (rc == 0)
		rc = read_config(g, args, why);
	if (rc == 0)
		rc = c->has_block_root ? change_root(c, why) : vg_mounts_tmpfs(&c->tmpfs, why);
	if (rc == 0 && c->has_runtime)
		rc = vg_mounts_runtime(&c->runtime, why);
	if (rc == 0 && c->hostname)
		sethostname(c->hostname, strlen(c->hostname));
	loopback_up();
	return rc;
}

/* Never returns. error is NULL, or what went wrong before the command ran. */
static void finish(struct guest *g, int wait_status, const char *error)
{
	vg_child_end_all(GRACE_MS);
	sync();
	/* Only a root that we mounted: elsewhere it is not ours to change. */
	if (g->config.has_block_root)
		mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	vg_report_send(wait_status, error, g->root_fd);
	reboot(g->config.ending == VG_REBOOT ? RB_AUTOBOOT : RB_POWER_OFF);
	vg_console_say("cannot power off: %s", strerror(errno));
	_exit(vg_report_status(wait_status));
}

static void guest_run(char *const args[])
{
	struct guest g = {.root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	struct vg_why why;
	pid_t pid;

	vg_child_hold_signals();
	/* The control, alternate, delete keys: a signal for us to hand on, not a reset. */
	reboot(RB_DISABLE_CAD);
	if (set_up(&g, args, &why) < 0) {
		vg_console_say("%s", why.text);
		finish(&g, VG_WAIT_STATUS(VG_STATUS_INIT), "init");
	}
	pid = vg_child_start(g.config.command, g.config.env, g.config.workdir, &why);
	if (pid < 0) {
		vg_console_say("%s", why.text);
		finish(&g, VG_WAIT_STATUS(vg_report_exec_status(pid)), "exec");
	}
	finish(&g, vg_child_wait(pid), NULL);
}

/* What a guest with this configuration would mount. */
static void check_mounts(const struct vg_config *c)
{
	for (size_t i = 0; i < c->tmpfs.count; i++) {
		const struct vg_tmpfs *t = &c->tmpfs.entry[i];

		printf("tmpfs %s mode=%04o", t->path, t->mode);
		if (t->size_mib)
			printf(" size=%lluMiB", (unsigned long long)t->size_mib);
		printf("%s\n", t->noexec ? " noexec" : "");
	}
	if (c->has_block_root)
		printf("root %s %s%s\n", c->block_root.device, c->block_root.fstype[0] ? c->block_root.fstype : "any",
		       c->block_root.readonly ? " ro" : "");
	if (c->has_runtime)
		printf("runtime %s %s%s\n", c->runtime.tag, c->runtime.dir, c->runtime.readonly ? " ro" : "");
}

/* --check: says what a guest with this environment and these arguments would do. Changes nothing. */
static int check(char *const args[])
{
	struct vg_config c;
	struct vg_why why;
	int rc = vg_config_parse(args, environ, "", &c, &why);

	if (rc < 0) {
		fprintf(stderr, "veneer-init: %s\n", rc == -ENOMEM ? "no memory" : why.text);
		return 1;
	}
	check_mounts(&c);
	printf("command");
	for (size_t i = 0; c.command[i]; i++)
		printf(" [%s]", c.command[i]);
	printf("\n");
	if (c.unknown)
		fprintf(stderr, "veneer-init: %.*s is not a variable that is known\n", (int)strcspn(c.unknown, "="),
			c.unknown);
	vg_config_free(&c);
	return 0;
}

static int usage(FILE *to, int status)
{
	fputs("usage: veneer-init [COMMAND [ARGUMENT]...]      as process 1 of a guest\n"
	      "       veneer-init --check [COMMAND...]         say what a guest would do, and stop\n"
	      "       veneer-init --version\n"
	      "The guest is described by VENEER_TMPFS, VENEER_BLOCK_ROOT, VENEER_RUNTIME, VENEER_CMD,\n"
	      "VENEER_WORKDIR, VENEER_HOSTNAME and VENEER_END; see veneer-init(8).\n"
	      "For example: VENEER_TMPFS='/tmp,size=64;/run' veneer-init --check /bin/sh\n",
	      to);
	return status;
}

int main(int argc, char **argv)
{
	if (getpid() == 1)
		guest_run(argv + (argc > 0));
	if (argc >= 2 && strcmp(argv[1], "--check") == 0)
		return check(argv + 2);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("veneer-init " PACKAGE_VERSION);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout, 0);
	fputs("veneer-init: this is the first process of a guest; as another process it can only --check\n", stderr);
	return usage(stderr, 2);
}
