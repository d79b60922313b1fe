// SPDX-License-Identifier: Apache-2.0
/* The table is for other systems; here it can be compared with the numbers themselves. */
#include "fuse/errno.h"

#include <errno.h>

#include "../check_main.h"
#include "base/cfg.h"

START_TEST(every_error_has_the_number_of_linux)
{
	static const int known[] = {
		EPERM, ENOENT, EINTR, EIO, ENXIO, E2BIG, EBADF, EAGAIN, ENOMEM, EACCES, EFAULT, EBUSY, EEXIST, EXDEV, ENODEV,
		ENOTDIR, EISDIR, EINVAL, ENFILE, EMFILE, ENOTTY, EFBIG, ENOSPC, ESPIPE, EROFS, EMLINK, EPIPE, EDOM, ERANGE,
		EDEADLK, ENAMETOOLONG, ENOLCK, ENOSYS, ENOTEMPTY, ELOOP, VN_ENOATTR, EPROTO, EBADMSG, EOVERFLOW, ENOTUNIQ,
		EILSEQ, EUSERS, EOPNOTSUPP, ENOBUFS, ENOTCONN, ETIMEDOUT, EHOSTDOWN, EALREADY, EINPROGRESS, ESTALE, EUCLEAN,
		EDQUOT, ECANCELED,
	};

	for (size_t i = 0; i < VN_ARRAY_LEN(known); i++) {
		ck_assert_int_eq(vf_errno_table(known[i]), known[i]);
		ck_assert_int_eq(vf_errno_linux(known[i]), known[i]);
	}
}
END_TEST

START_TEST(what_linux_does_not_know_is_an_io_error)
{
	ck_assert_int_eq(vf_errno_table(4000), EIO);
	ck_assert_int_eq(vf_errno_table(0), EIO);
}
END_TEST

VN_CHECK_MAIN("fuse/errno", every_error_has_the_number_of_linux, what_linux_does_not_know_is_an_io_error)
