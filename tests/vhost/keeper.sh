#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The keeper under front ends and workers that fail; keeper.c says what is looked at.
exec "${top_builddir:-build}/tests/vhost/keeper"
