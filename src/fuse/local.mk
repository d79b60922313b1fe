# SPDX-License-Identifier: Apache-2.0
# fuse: protocol, dispatcher, sessions, transports; knows base.
fuse_libs = $(base_libs) $(LIBURING_LIBS)
