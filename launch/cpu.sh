#!/bin/sh
# Runs a command with the settings that training on a CPU wants:
#
#   launch/cpu.sh haqagen train --config configs/haqagen.py:small --data DIR --workdir W
#
# DEVICES (default 2) virtual devices share each batch, because a sequential scan keeps one core
# busy; train.batch_size must be a multiple of it. Memory comes from jemalloc where it is
# installed, and in huge pages from glibc otherwise: first-touch page faults cost a third of a step.
set -eu

# A collective holds a thread of XLA's pool until every device has come to it, and the pool has as
# many as there are cores or devices: with collectives at the same time none is left to come.
threads=$((8 * ${DEVICES:-2}))
if [ "$threads" -gt "$(getconf _NPROCESSORS_ONLN)" ]; then
  export NPROC="${NPROC:-$threads}"
fi
export XLA_FLAGS="--xla_force_host_platform_device_count=${DEVICES:-2} ${XLA_FLAGS:-}"
jemalloc=$(ldconfig -p 2>/dev/null | awk '/libjemalloc\.so\.2/ {print $NF; exit}')
if [ -n "$jemalloc" ]; then
  export LD_PRELOAD="$jemalloc"
  # One arena: a step runs on any thread, and each arena would keep a step's memory for ever.
  export MALLOC_CONF="narenas:1,thp:always,dirty_decay_ms:-1,muzzy_decay_ms:-1"
else
  export GLIBC_TUNABLES="glibc.malloc.hugetlb=1"
fi
exec "$@"
