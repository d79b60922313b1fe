#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Requests with absurd arguments to a real tree; hostile_tree.c says which.
exec "${top_builddir:-build}/tests/vhost/hostile_tree"
