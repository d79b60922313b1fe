// SPDX-License-Identifier: Apache-2.0
/*
 * Linux' numbers: include/uapi/asm-generic/errno-base.h and errno.h. Up to ERANGE (34) all systems
 * agree, but for EAGAIN and EDEADLK, which changed places with others on the BSDs.
 */
#include "fuse/errno.h"

#include "base/cfg.h"

/* For numbers that every system has alike. */
static int errno_common(int host)
{
	return host > 0 && host <= ERANGE && host != EAGAIN && host != EDEADLK ? host : EIO;
}

int vf_errno_table(int host)
{
	switch (host) {
	case EAGAIN:
		return 11;
	case EDEADLK:
		return 35;
	case ENAMETOOLONG:
		return 36;
	case ENOLCK:
		return 37;
	case ENOSYS:
		return 38;
	case ENOTEMPTY:
		return 39;
	case ELOOP:
		return 40;
	case VN_ENOATTR:
		return 61; /* ENODATA, ENOATTR's name there */
#if VN_ENOATTR != ENODATA
	case ENODATA:
		return 61;
#endif
	case EPROTO:
		return 71;
	case EBADMSG:
		return 74;
	case EOVERFLOW:
		return 75;
	case ENOTUNIQ:
		return 76;
	case EILSEQ:
		return 84;
	case EUSERS:
		return 87;
	case EOPNOTSUPP:
		return 95;
#if EOPNOTSUPP != ENOTSUP
	case ENOTSUP:
		return 95;
#endif
	case ENOBUFS:
		return 105;
	case ENOTCONN:
		return 107;
	case ETIMEDOUT:
		return 110;
	case EHOSTDOWN:
		return 112;
	case EALREADY:
		return 114;
	case EINPROGRESS:
		return 115;
	case ESTALE:
		return 116;
	case EUCLEAN:
		return 117;
	case EDQUOT:
		return 122;
	case ECANCELED:
		return 125;
	default:
		return errno_common(host);
	}
}

int vf_errno_linux(int host)
{
#ifdef __linux__
	return host;
#else
	return vf_errno_table(host);
#endif
}
