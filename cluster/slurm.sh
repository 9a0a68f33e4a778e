#!/bin/bash
# SER_WORK=/shared/work sbatch cluster/slurm.sh interaffection --data /shared/corpora --tracking-uri http://HOST:5000
# Everything behind the script's name goes to `ser run`; see README.md.
#SBATCH --job-name=ser
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=0
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --signal=B:USR1@300
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
# --exclusive: one Ray per machine. --requeue: a preempted job comes back, and the same command goes on. --no-kill: a
# machine that is lost does not end the others. --signal: five minutes before its time is up the job queues again.
set -euo pipefail

: "${SER_WORK:?name a folder that all nodes see, on the file system of the cluster}"
export SER_WORK
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))') # this job's own; srun hands it to the nodes
export RAY_AUTH_TOKEN
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300 # seconds; Ray's own 30 are too few for a Python on a shared disk

# This script runs on the first node, which becomes the head. SER_HEAD_IP: where the first address is the wrong network.
read -r -a addresses <<<"${SER_HEAD_IP:-$(hostname --all-ip-addresses)}"

trap 'scontrol requeue "$SLURM_JOB_ID"' USR1
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" \
  --no-kill --kill-on-bad-exit=0 \
  ray symmetric-run --address="${addresses[0]}:6379" --min-nodes="$SLURM_JOB_NUM_NODES" \
  --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" -- \
  ser run --address auto --profile gpu "$@" &
wait "$!"
