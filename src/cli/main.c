// SPDX-License-Identifier: Apache-2.0
/* The veneer command: prints its version. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("veneer " PACKAGE_VERSION);
		return 0;
	}
	fputs("usage: veneer --version\n", stderr);
	return 2;
}
