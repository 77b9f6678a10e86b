#!/bin/sh
# install.sh PYTHON: puts the lock into that Python's environment. GPU=1 takes the CUDA build of torch, ten times as large.
set -e
lock=$(dirname "$0")/requirements.lock
if [ "$GPU" = 1 ]; then
    "$1" -m pip install --quiet --requirement "$lock"
else
    cpu=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
    "$1" -m pip install --quiet --no-deps --retries 1 --extra-index-url "$cpu" "$(grep '^torch==' "$lock")"
    "$1" -m pip install --quiet --no-deps --requirement "$lock"
fi
