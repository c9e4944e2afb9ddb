#!/bin/sh
#SBATCH --job-name=haqagen
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4     # a process for each GPU
#SBATCH --gpus-per-node=4       # not per task: each process looks for its own among all
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@300       # before the time is over: the run saves
#SBATCH --requeue
# Trains on a SLURM cluster:
#
#   sbatch launch/slurm.sh --data DIR --workdir W --config configs/haqagen.py:paper --vgg vgg19.pth
#
# DIR and W lie where all nodes see them, and `haqagen` is on the PATH. Options before the file's
# name go before those above: `sbatch --array=1-9%1 launch/slurm.sh ...` queues nine jobs that run
# one after another, each going on where the last one stopped; after the end, the rest do nothing.
# A process that is lost ends the job; after a lost node SLURM starts it again.
exec srun --kill-on-bad-exit=1 haqagen train --distributed "$@"
