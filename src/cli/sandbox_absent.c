// SPDX-License-Identifier: Apache-2.0
/* A build without the sandbox: configured so, or with sanitizers, which need more than it allows. */
#include <errno.h>

#include "base/err.h"
#include "cli/sandbox.h"

bool sandbox_is_built(void)
{
	return false;
}

int sandbox_files(const struct sandbox *s, const struct sandbox_place *places, size_t n, struct vn_err *err)
{
	(void)places;
	(void)n;
	if (s->mode != SANDBOX_REQUIRE)
		return 0;
	return vn_err_set(err, -ENOSYS, "--sandbox=require: this build has no sandbox (configure --enable-sandbox)");
}

int sandbox_calls(const struct sandbox *s, struct vn_err *err)
{
	(void)s;
	(void)err;
	return 0;
}
