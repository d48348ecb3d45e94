#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# broken-daemon.sh TREE: the image of a release whose daemon ends as soon as it is started. For make.sh, as TREE_EDIT.
set -eu
printf '#!/bin/sh\necho "this release is broken" >&2\nexit 1\n' > "${1:?usage: broken-daemon.sh TREE}/usr/bin/platend"
