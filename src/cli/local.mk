# SPDX-License-Identifier: Apache-2.0
# cli: the veneer command; knows every other part.
noinst_LTLIBRARIES += libcli.la
libcli_la_SOURCES = \
	src/cli/args.c src/cli/args.h \
	src/cli/chain.c src/cli/chain.h \
	src/cli/child.c src/cli/child.h \
	src/cli/cmd.c src/cli/cmd.h \
	src/cli/cmd_cat.c \
	src/cli/cmd_check.c \
	src/cli/cmd_diff.c \
	src/cli/cmd_fork.c \
	src/cli/cmd_index.c \
	src/cli/cmd_log.c \
	src/cli/cmd_ls.c \
	src/cli/cmd_mount.c \
	src/cli/cmd_run.c \
	src/cli/cmd_snapshot.c \
	src/cli/cmd_stat.c \
	src/cli/control.c src/cli/control.h \
	src/cli/control_call.c \
	src/cli/control_socket.c src/cli/control_socket.h \
	src/cli/daemon.c src/cli/daemon.h \
	src/cli/deep.c src/cli/deep.h \
	src/cli/difference.c src/cli/difference.h \
	src/cli/hostmounts.c src/cli/hostmounts.h \
	src/cli/idmap.c src/cli/idmap.h \
	src/cli/jobs.c src/cli/jobs.h \
	src/cli/layers.c src/cli/layers.h \
	src/cli/link.c src/cli/link.h \
	src/cli/mount_options.c src/cli/mount_options.h \
	src/cli/out.c src/cli/out.h \
	src/cli/progress.c src/cli/progress.h \
	src/cli/rest.c src/cli/rest.h \
	src/cli/say.c \
	src/cli/server.c src/cli/server.h \
	src/cli/stats.c src/cli/stats.h \
	src/cli/view.c src/cli/view.h \
	src/cli/words.c
if LINUX
libcli_la_SOURCES += \
	src/cli/cmd_serve.c \
	src/cli/serve.h \
	src/cli/serve_control.c \
	src/cli/serve_keeper.c \
	src/cli/serve_mount.c \
	src/cli/sandbox.h \
	src/cli/serve_options.c \
	src/cli/serve_sandbox.c \
	src/cli/serve_values.c src/cli/serve_values.h \
	src/cli/serve_worker.c
if SANDBOX
libcli_la_SOURCES += src/cli/sandbox_calls.c src/cli/sandbox_files.c
else
libcli_la_SOURCES += src/cli/sandbox_absent.c
endif
endif
cli_libs = libcli.la $(vhost_libs) $(overlay_libs) $(JANSSON_LIBS) $(LIBSECCOMP_LIBS) $(LIBCAPNG_LIBS)

bin_PROGRAMS += veneer
veneer_SOURCES = src/cli/main.c
veneer_LDADD = $(cli_libs)

# mount(8) looks for its helpers by these names in /sbin.
install-exec-hook: install-mount-helpers
install-mount-helpers: install-binPROGRAMS
	$(MKDIR_P) '$(DESTDIR)$(sbindir)'
	cd '$(DESTDIR)$(sbindir)' && for n in mount.veneer mount.fuse.veneer; do \
		rm -f $$n && $(LN_S) '$(bindir)/veneer' $$n || exit 1; done
uninstall-hook:
	rm -f '$(DESTDIR)$(sbindir)/mount.veneer' '$(DESTDIR)$(sbindir)/mount.fuse.veneer'
.PHONY: install-mount-helpers
