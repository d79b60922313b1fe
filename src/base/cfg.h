// SPDX-License-Identifier: Apache-2.0
/*
 * What differs between Linux and macOS, in one place. Code elsewhere uses the
 * names defined here and has no #ifdef for the platform unless a whole feature
 * exists on one of them only.
 */
#ifndef VN_BASE_CFG_H
#define VN_BASE_CFG_H

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#ifdef __linux__
#define VN_LINUX 1
#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <endian.h>
#define vn_st_atim(st) ((st)->st_atim)
#define vn_st_mtim(st) ((st)->st_mtim)
#define vn_st_ctim(st) ((st)->st_ctim)
#else
#define VN_LINUX 0
#include "base/darwin.h"
#define vn_st_atim(st) ((st)->st_atimespec)
#define vn_st_mtim(st) ((st)->st_mtimespec)
#define vn_st_ctim(st) ((st)->st_ctimespec)
#endif

/* A descriptor that only names a file; without O_PATH one that can be read has to do. */
#ifdef O_PATH
#define VN_O_PATH O_PATH
#else
#define VN_O_PATH O_RDONLY
#endif

/* "No such attribute"; macOS has ENODATA too, for something else. */
#ifdef __linux__
#define VN_ENOATTR ENODATA
#else
#define VN_ENOATTR ENOATTR
#endif

#define VN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define VN_MUST_CHECK __attribute__((warn_unused_result))
#define VN_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
