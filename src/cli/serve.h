// SPDX-License-Identifier: Apache-2.0
/*
 * `veneer serve`: what its words say (cmd_serve.c, serve_options.c), the process
 * that serves the tree (serve_worker.c) with its control socket (serve_control.c) and
 * perhaps a mount of the same tree (serve_mount.c), behind a fence (serve_sandbox.c), and the one that keeps the connection while
 * workers come and go (serve_keeper.c).
 */
#ifndef CLI_SERVE_H
#define CLI_SERVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/log.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/layers.h"
#include "cli/mount_options.h"
#include "cli/sandbox.h"

enum serve_cache {
	SERVE_CACHE_ALWAYS, /* also what "auto" means: nobody else changes the tree */
	SERVE_CACHE_METADATA,
	SERVE_CACHE_NEVER,
};

struct ovl_tree;
struct serve_control;
struct serve_mount;
struct vhost_device;

struct serve {
	const struct cmd *cmd;
	int argc; /* the words, for starting workers with the same ones */
	char **argv;
	struct mount_options mount; /* -o, --virtual */
	struct layers layers;
	const char *socket;         /* path; NULL: fd */
	int fd;                     /* a socket that we were started with, -1: none */
	int control;                /* we are a worker, and this is the keeper's channel; -1: we are not */
	gid_t group;                /* who may connect too, -1: nobody */
	const char *tag;
	unsigned queues, workers, poll_us;
	const char *also_mount;     /* where the tree is mounted too; NULL: nowhere */
	unsigned long nofile;       /* 0: as it is */
	enum serve_cache cache;
	struct sandbox sandbox;
	bool keeper, init, no_readdirplus, syslog;
	bool made_socket;           /* the path is ours to remove */
	atomic_int guest_status;    /* that the guest's first process told; -1: nothing yet */
	enum vn_log_level level;
	struct words ignored;       /* options of virtiofsd without a meaning here */
};

/* Starts with the defaults; fini frees what the options have allocated. */
void serve_init(struct serve *s, const struct cmd *cmd, int argc, char **argv);
void serve_fini(struct serve *s);

extern const struct arg_opt serve_opts[];

/* Takes all words. Returns CMD_OK to go on, with *done when there is nothing more to do; else the exit code. */
int serve_parse(struct serve *s, bool *done);

/* Opens the tree and serves it. Returns the exit code. */
int serve_worker(struct serve *s);

/* Starts workers and keeps their front ends. Returns the exit code. */
int serve_keeper(struct serve *s);

/*
 * The control socket of the upper, for `veneer stat`, `snapshot` and the others; a
 * tree without a writable upper has none (*out is NULL then). All is borrowed until
 * serve_control_stop(). mount may be NULL.
 */
int serve_control_start(struct serve *s, struct ovl_tree *t, struct vhost_device *d, struct serve_mount *mount,
			struct serve_control **out, struct vn_err *err);
void serve_control_stop(struct serve_control *c); /* NULL is allowed */

/*
 * Mounts the tree at s->also_mount; a dead server's mount there is taken away first.
 * NULL in *out: none was asked for.
 */
int serve_mount_start(struct serve *s, struct ovl_tree *t, struct serve_mount **out, struct vn_err *err);
void serve_mount_drain(struct serve_mount *m); /* what its kernel holds back is written, what it was told is done */
void serve_mount_stop(struct serve_mount *m);  /* both: NULL is allowed */
void serve_mount_clear_dead(const char *target); /* unmounts what a killed server left there; a live mount stays */

/*
 * The two steps of sandbox.h, for this command's layers, sockets and files: before the
 * tree is opened, and when all is open.
 */
int serve_sandbox_files(struct serve *s, struct vn_err *err);
int serve_sandbox_calls(struct serve *s, struct vn_err *err);

/* The source of front ends: the socket that is there, or a new one at the path. The descriptor or -errno. */
int serve_open_source(struct serve *s, int *kind, struct vn_err *err);

#endif
