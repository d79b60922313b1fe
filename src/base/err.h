// SPDX-License-Identifier: Apache-2.0
/*
 * One sentence for a person, beside the errno for the program. A function whose
 * errors a person will read takes a struct vn_err *; NULL means nobody reads it.
 * The sentence names the thing and says what to do, without a final newline.
 */
#ifndef VN_BASE_ERR_H
#define VN_BASE_ERR_H

#include "base/cfg.h"

#define VN_ERR_TEXT_MAX 1024

/* Start with `struct vn_err err = {0};`. Holds no resources. */
struct vn_err {
	int code;                   /* negative errno, 0: no error */
	char text[VN_ERR_TEXT_MAX]; /* NUL-terminated; cut at the end when too long */
};

/*
 * Sets code (a negative errno) and the sentence, replacing an earlier one.
 * Returns code, so that `return vn_err_set(...)` reads well. err may be NULL, and
 * the arguments may point into err->text.
 */
int vn_err_set(struct vn_err *err, int code, const char *fmt, ...) VN_PRINTF(3, 4);

/* As vn_err_set, with ": " and the system's words for code added. */
int vn_err_sys(struct vn_err *err, int code, const char *fmt, ...) VN_PRINTF(3, 4);

/* The sentence, or the system's words for code when there is none. Valid as long as err. */
const char *vn_err_text(const struct vn_err *err);

#endif
