#!/bin/sh
# Runs a TypeScript file of the project on the Node that the project brings along: the machine's own may be too old to read TypeScript, and would
# say so in a way that tells nobody what to do.
node=node_modules/.bin/node
if [ ! -x "$node" ]; then
  echo 'keystead: the dependencies are not installed: run npm ci first' >&2
  exit 1
fi
exec "$node" "$@"
