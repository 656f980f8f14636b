#!/bin/sh
# alive.sh [ready]: whether slapd answers; with `ready` also whether it may be asked (run.sh says when).
set -eu
: "${RUN_DIR:=/run/slapd}"
[ "${1:-}" != ready ] || [ -f "$RUN_DIR/ready" ] || exit 1
LDAPNOINIT=1 exec ldapwhoami -Q -Y EXTERNAL -o nettimeout=4 -H "ldapi://$(printf '%s/ldapi' "$RUN_DIR" | sed 's,/,%2F,g')" >/dev/null
