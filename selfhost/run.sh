#!/bin/sh
# Runs a program of the project with the Node that the project installs for this system. The machine's own Node may be
# too old and would fail with an error that does not say what to do. The path is that of the package, because npm 10
# makes no link to it in node_modules/.bin.
for node in node_modules/node-*/bin/node; do
  [ -x "$node" ] || continue
  # Child processes find the same Node.
  PATH=$PWD/${node%/node}:$PATH
  # Programs start in half the time when Node need not compile them again. Where this folder cannot be written, Node
  # goes without.
  NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE:-$PWD/node_modules/.cache/node}
  export PATH NODE_COMPILE_CACHE
  exec "$node" "$@"
done
if [ -d node_modules/vitest ]; then
  advice='run npm ci (without --no-optional) on Linux or macOS, x64 or arm64'
  echo "keystead: Node for this system is not installed: $advice" >&2
else
  echo 'keystead: the dependencies are not installed: run npm ci first' >&2
fi
exit 1
