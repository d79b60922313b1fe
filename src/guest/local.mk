# SPDX-License-Identifier: Apache-2.0
# guest: the guest's first process; a static program that links no other part.
