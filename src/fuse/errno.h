// SPDX-License-Identifier: Apache-2.0
/* A client is a Linux kernel wherever the server runs: it is told Linux' error numbers. */
#ifndef VF_ERRNO_H
#define VF_ERRNO_H

/* Linux' number for the host's errno (positive); itself where the host is Linux. */
int vf_errno_linux(int host);

/* What the other systems answer with: the number that Linux (asm-generic) has for the host's errno; EIO for one that Linux has not. */
int vf_errno_table(int host);

#endif
