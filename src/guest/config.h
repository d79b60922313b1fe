// SPDX-License-Identifier: Apache-2.0
/*
 * What the guest is to be: from the environment that the kernel (or the initramfs) gave to process 1,
 * and from the kernel's command line. A variable of the environment wins over a word NAME=VALUE
 * of the command line; of several such words the last one counts, as for the kernel.
 *
 * The command, the first that is there:
 *	VENEER_CMD		one string, split into words
 *	KRUN_INIT		a program; the words after it are process 1's own arguments
 *	arguments		those of process 1 (the kernel passes what follows "--")
 *	/bin/sh
 */
#ifndef GUEST_CONFIG_H
#define GUEST_CONFIG_H

#include "guest/device.h"
#include "guest/tmpfs.h"
#include "guest/why.h"
#include "guest/words.h"

#include <stdbool.h>
#include <stddef.h>

enum vg_ending {
	VG_POWEROFF,
	VG_REBOOT, /* for monitors that end a guest at its reset */
};

struct vg_config {
	struct vg_tmpfs_list tmpfs;
	bool has_block_root, has_runtime;
	struct vg_block_root block_root;
	struct vg_runtime runtime;
	enum vg_ending ending;
	const char *hostname; /* NULL: left as it is */
	const char *workdir;  /* absolute; "/" when not given */
	char **command;       /* NULL at its end */
	char **env;           /* the command's environment, NULL at its end */
	const char *unknown;  /* the first VENEER_ variable that is not known, "NAME=VALUE", or NULL */
	/* What the pointers above point into, besides the caller's own argv and environment. */
	struct vg_words kernel, words;
};

/*
 * Fills config from process 1's arguments (args: without the program's name, NULL at the
 * end), its environment and the content of /proc/cmdline ("" when it cannot be read). args and env must
 * outlive config. Returns 0, to be freed with vg_config_free; -ENOMEM; -EINVAL with *why
 * set and nothing to free.
 */
int vg_config_parse(char *const args[], char *const env[], const char *kernel_line, struct vg_config *config,
		    struct vg_why *why);

void vg_config_free(struct vg_config *config);

#endif
