#!/bin/sh
# Runs a program of the project on the Node that the project brings along, in the package for this system: the machine's own may be too old, and would
# say so in a way that tells nobody what to do. By the package and not by node_modules/.bin, where npm 10 leaves no link to it.
for node in node_modules/node-*/bin/node; do
  [ -x "$node" ] || continue
  # For the programs that it starts in turn.
  PATH=$PWD/${node%/node}:$PATH
  export PATH
  exec "$node" "$@"
done
if [ -d node_modules/vitest ]; then
  echo 'keystead: Node for this system is not installed: run npm ci (without --no-optional) on Linux or macOS, x64 or arm64' >&2
else
  echo 'keystead: the dependencies are not installed: run npm ci first' >&2
fi
exit 1
