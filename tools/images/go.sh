#!/bin/sh
# Go of the base for builds, with a cache where the build may write.
HOME=/tmp exec /usr/local/go/bin/go "$@"
