#!/bin/sh
# npm of a builder that base.sh makes: its own link would name a path of the machine that it came from.
exec node /usr/local/lib/node_modules/npm/bin/npm-cli.js "$@"
