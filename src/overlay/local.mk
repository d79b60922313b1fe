# SPDX-License-Identifier: Apache-2.0
# overlay: the tree; knows store and base.
overlay_headers = src/overlay/base.h src/overlay/overlay.h
EXTRA_DIST += $(overlay_headers)

overlay_libs = $(store_libs)
