// SPDX-License-Identifier: Apache-2.0
#include "fuse/vhost_fault.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/scope.h"
#include "fuse/vhost_memory.h"

/* Two sets of guest memory (the old one is in use until the last request ends), log, in-flight region. */
#define WATCHED_MAX (2 * VHOST_MEMORY_SLOTS + 8)

struct watched {
	_Atomic(uintptr_t) start; /* 0: free */
	atomic_size_t length;
};

static struct watched table[WATCHED_MAX];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER; /* guards changes of the table, and installed */
static bool installed;
static struct sigaction before;
static atomic_bool seen;

/* For the handler: no locks, nothing that is not safe in a signal. */
static bool fault_replace(uintptr_t address)
{
	for (unsigned i = 0; i < WATCHED_MAX; i++) {
		uintptr_t start = atomic_load(&table[i].start);
		size_t length = atomic_load(&table[i].length);

		if (!start || address < start || address - start >= length || atomic_load(&table[i].start) != start)
			continue;
		return mmap((void *)start, length, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
	}
	return false;
}

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (info->si_code == BUS_ADRERR && fault_replace((uintptr_t)info->si_addr))
		atomic_store(&seen, true);
	else
		sigaction(signal, &before, NULL); /* the access is tried again, and its fault goes where it went before */
	errno = saved;
}

static int install_locked(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

	if (installed)
		return 0;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, &action, &before))
		return -errno;
	installed = true;
	return 0;
}

int vhost_fault_watch(void *at, size_t length)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&table_lock);
	int err = install_locked();

	for (unsigned i = 0; i < WATCHED_MAX && !err; i++) {
		if (atomic_load(&table[i].start))
			continue;
		atomic_store(&table[i].length, length);
		atomic_store(&table[i].start, (uintptr_t)at);
		return 0;
	}
	return err ? err : -ENOSPC;
}

void vhost_fault_forget(void *at)
{
	vn_autounlock pthread_mutex_t *held = vn_lock(&table_lock);

	for (unsigned i = 0; i < WATCHED_MAX; i++) {
		if (atomic_load(&table[i].start) == (uintptr_t)at) {
			atomic_store(&table[i].start, 0);
			return;
		}
	}
}

bool vhost_fault_seen(void)
{
	return atomic_load_explicit(&seen, memory_order_relaxed) && atomic_exchange(&seen, false);
}
