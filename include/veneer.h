// SPDX-License-Identifier: Apache-2.0
/*
 * libveneer: a layered file system in user space.
 *
 * Conventions. Functions that can fail return 0 or a negative errno. Strings are
 * NUL-terminated and borrowed for the call unless a function says otherwise.
 */
#ifndef VENEER_H
#define VENEER_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VENEER_API __attribute__((visibility("default")))
#else
#define VENEER_API
#endif

/* The library's version, "MAJOR.MINOR.PATCH"; a constant string that is never freed. */
VENEER_API const char *veneer_version(void);

#ifdef __cplusplus
}
#endif

#endif
