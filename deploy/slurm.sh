#!/bin/bash
# Bulk work by a Slurm array: task I does the parts I, I+TASKS, I+2·TASKS … of a manifest, each resumable.
# The project lies in $PROJECT on every node, as for vgg16.service; pictures, parts and results on a file system
# that all share. docs/bulk.md has the commands before and after, and what each exit code means.
#   sbatch deploy/slurm.sh                  all tasks
#   sbatch --array=3,7 deploy/slurm.sh      two of them again: TASKS stays what it was
#SBATCH --job-name=vgg16
#SBATCH --array=1-64
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# To this script alone, two minutes before the time is over.
#SBATCH --signal=B:USR1@120
set -uo pipefail

PROJECT=${PROJECT:-/opt/vgg16}
DATA=${DATA:-/data}
# The size of the whole array. Slurm's own count is that of the tasks that are repeated.
TASKS=${TASKS:-64}
export DENO_DIR=${DENO_DIR:-$PROJECT/.deno} DENO_NO_UPDATE_CHECK=1 NO_COLOR=1

# The same task again, from the part that it was at: its other parts are there.
again() {
  local restarts=${SLURM_RESTART_COUNT:-0}
  if [ "$restarts" -ge "${RESTARTS:-20}" ]; then
    echo "requeued $restarts times: given up" >&2
    return 1
  fi
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
}

pid='' is_over='' is_ending=''
end() {
  is_ending=1
  [ -z "$pid" ] || kill -TERM "$pid"
}
trap 'is_over=1; end' USR1
trap end TERM

cd "$PROJECT" || exit 2
deno run --cached-only --no-prompt --no-code-cache --allow-env='SLURM_ARRAY_TASK_*' \
  --allow-read="lib,$DATA" --allow-write="$DATA/results" cli.ts \
  classify --manifest "$DATA/parts" --part "auto/$TASKS" --out-dir "$DATA/results" --max-errors 1% \
  --threads "${SLURM_CPUS_PER_TASK:-1}" &
pid=$!
# It may have come before there was anything to end.
[ -z "$is_ending" ] || kill -TERM "$pid"
# A signal ends `wait`, and not the program.
while wait "$pid"; code=$?; kill -0 "$pid" 2>/dev/null; do :; done

# 75: the disk or the network, which may be well again.
if [ -n "$is_over" ] || [ "$code" -eq 75 ]; then again; fi
exit "$code"
