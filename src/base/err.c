// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

static void err_fill(struct vn_err *err, int code, const char *fmt, va_list ap)
{
	char text[VN_ERR_TEXT_MAX]; /* the arguments may point into err->text */

	vsnprintf(text, sizeof(text), fmt, ap);
	err->code = code;
	memcpy(err->text, text, sizeof(text));
}

int vn_err_set(struct vn_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	err_fill(err, code, fmt, ap);
	va_end(ap);
	return code;
}

int vn_err_sys(struct vn_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	err_fill(err, code, fmt, ap);
	va_end(ap);
	strlcat(err->text, ": ", sizeof(err->text));
	strlcat(err->text, strerror(-code), sizeof(err->text));
	return code;
}

const char *vn_err_text(const struct vn_err *err)
{
	return err->text[0] ? err->text : strerror(-err->code);
}
