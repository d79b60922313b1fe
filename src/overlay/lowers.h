// SPDX-License-Identifier: Apache-2.0
/* Which directories a tree stands on: the configured ones, checked against those that the upper was made over. */
#ifndef OVL_LOWERS_H
#define OVL_LOWERS_H

#include "overlay/tree.h"

/*
 * Opens base and store (*store NULL: lowers only). Nothing is created when a
 * lower is missing or is not what the upper was made over. Error sentences name
 * the directory.
 */
int ovl_lowers_open(const struct ovl_config *config, struct base **base, struct store **store, struct vn_err *err);

#endif
