#!/bin/sh
# Bazel's own choice of interpreter may lack the packages that come from Debian.
PYTHONPATH="$PWD" PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "$@"
