# SPDX-License-Identifier: Apache-2.0
# cli: the veneer command; knows every other part.
bin_PROGRAMS += veneer
veneer_SOURCES = src/cli/main.c
veneer_LDADD = $(fuse_libs) $(overlay_libs) $(JANSSON_LIBS) $(LIBSECCOMP_LIBS) $(LIBCAPNG_LIBS)
