#!/usr/bin/env bash
# Trains on all hosts of a Cloud TPU slice:
#
#   launch/tpu.sh NAME ZONE --data DIR --workdir W --config configs/haqagen.py:paper --vgg vgg19.pth
#
# NAME is a TPU VM where `pip install . "jax[tpu]"` was run on every host (the same ssh line does
# it); DIR and W lie on a file system that all hosts mount, such as Filestore. PROGRAM is how the
# hosts call haqagen. Ctrl-C and a lost host end the command; run again, it goes on.
set -euo pipefail

if [ $# -lt 3 ]; then
  echo "usage: launch/tpu.sh NAME ZONE ARGUMENTS OF haqagen train" >&2
  exit 2
fi
name=$1 zone=$2
shift 2
exec gcloud compute tpus tpu-vm ssh "$name" --zone "$zone" --worker=all \
  --command "${PROGRAM:-haqagen} train --distributed$(printf ' %q' "$@")"
