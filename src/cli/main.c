// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

int main(int argc, char **argv)
{
	int code = cmd_main(argc, argv);

	/* A full disk or a closed pipe must not look like success. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		if (code == CMD_OK)
			code = cmd_fail("cannot write the output: %s", strerror(errno));
	}
	return code;
}
