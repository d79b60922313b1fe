// SPDX-License-Identifier: Apache-2.0
/*
 * Owners that release by scope. They are initialised where they are declared:
 *
 *	vn_autofree char *text = NULL;
 *	vn_autoclose int fd = -1;
 *	vn_autounlock pthread_mutex_t *held = vn_lock(&t->lock);
 *
 * and hand over with vn_steal_fd(&fd) and vn_steal_ptr(&text).
 */
#ifndef VN_BASE_SCOPE_H
#define VN_BASE_SCOPE_H

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cfg.h"

#define vn_autofree __attribute__((cleanup(vn_scope_free)))
#define vn_autoclose __attribute__((cleanup(vn_scope_close)))
#define vn_autoclosedir __attribute__((cleanup(vn_scope_closedir)))
#define vn_autounlock __attribute__((cleanup(vn_scope_unlock)))
#define vn_autounlock_rw __attribute__((cleanup(vn_scope_unlock_rw)))

/* Locks m and returns it, for a vn_autounlock variable. */
static inline pthread_mutex_t *vn_lock(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	return m;
}

/* Locks l shared (rd) or alone (wr) and returns it, for a vn_autounlock_rw variable. */
static inline pthread_rwlock_t *vn_lock_rd(pthread_rwlock_t *l)
{
	pthread_rwlock_rdlock(l);
	return l;
}

static inline pthread_rwlock_t *vn_lock_wr(pthread_rwlock_t *l)
{
	pthread_rwlock_wrlock(l);
	return l;
}

/* Takes the descriptor out of its owner, which then holds -1. */
static inline int vn_steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Takes the pointer out of its owner, which then holds NULL. */
#define vn_steal_ptr(owner)                                    \
	(__extension__({                                       \
		__typeof__(owner) vn_owner_ = (owner);         \
		__typeof__(*vn_owner_) vn_taken_ = *vn_owner_; \
		*vn_owner_ = NULL;                             \
		vn_taken_;                                     \
	}))

/* What the attributes above call; errno stays, as they run on the way out of a failure. */
static inline void vn_scope_free(void *owner)
{
	int saved = errno;

	free(*(void **)owner);
	errno = saved;
}

static inline void vn_scope_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void vn_scope_closedir(DIR **dir)
{
	int saved = errno;

	if (*dir)
		closedir(*dir);
	errno = saved;
}

static inline void vn_scope_unlock(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

static inline void vn_scope_unlock_rw(pthread_rwlock_t **l)
{
	if (*l)
		pthread_rwlock_unlock(*l);
}

#endif
