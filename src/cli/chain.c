// SPDX-License-Identifier: Apache-2.0
#include "cli/chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/control.h"
#include "store/store.h"

#define NAME_MAX_BYTES 200

static int chain_seal(struct store *s, const char *name, struct vn_err *err)
{
	uint64_t id;

	return store_seal(s, name, &id, err);
}

const struct chain_request chain_snapshot = {"snapshot", chain_seal};
const struct chain_request chain_rollback = {"rollback", store_rollback};
const struct chain_request chain_delete = {"delete", store_snapshot_delete};

static int chain_check_name(const char *name, struct vn_err *err)
{
	if (!*name)
		return vn_err_set(err, -EINVAL, "a snapshot needs a name");
	if (strlen(name) > NAME_MAX_BYTES)
		return vn_err_set(err, -EINVAL, "the name of a snapshot has at most %d bytes", NAME_MAX_BYTES);
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '/' || *p == '@')
			return vn_err_set(err, -EINVAL,
					  "'%s' cannot be the name of a snapshot: it may not have '/', '@' or control characters",
					  name);
	return 0;
}

static int chain_at_rest(const struct chain_request *request, const char *upper, const char *name, struct vn_err *err)
{
	const struct store_config config = {.upper = upper};
	struct store *s;
	int ret = store_open_recorded(&config, &s, err), closed;

	if (ret < 0)
		return ret;
	ret = request->at_rest(s, name, err);
	closed = store_close(s);
	if (ret == 0 && closed < 0)
		ret = vn_err_sys(err, closed, "cannot write all changes to '%s'", upper);
	return ret;
}

int chain_do(const struct chain_request *request, const char *upper, const char *name, struct vn_err *err)
{
	const struct control_address to = {.upper = upper};
	vn_autofree char *line = NULL;
	vn_autofree char *reply = NULL;
	int ret = chain_check_name(name, err);

	if (ret < 0)
		return ret;
	if (asprintf(&line, "%s %s", request->word, name) < 0) {
		line = NULL;
		return vn_err_sys(err, -ENOMEM, "%s '%s'", request->word, name);
	}
	err->code = 0;
	ret = control_call(&to, line, &reply, err);
	if (ret == -ENOENT && err->code == 0)
		ret = chain_at_rest(request, upper, name, err);
	else if (ret == -EPROTO)
		vn_err_set(err, ret, "the server of %s ended before it answered; `veneer log %s` tells whether it was done",
			   upper, upper);
	return ret;
}
