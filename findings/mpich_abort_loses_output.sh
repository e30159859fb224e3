#!/usr/bin/env bash
# mpiexec of the mpich 5.0.2 wheel loses what a process wrote to stderr, and flushed, right before MPI_Abort.
#
# The text is in the pipe to mpiexec when Abort is called; mpiexec ends the processes without reading it. So the usual
# order of a program that gives up, say why, then Abort, at times ends with a status and no word: 6 of 120 runs on two
# cores, so that the first is looked for among 300. Nothing is lost where the process waits until the pipe is empty
# (ioctl FIONREAD) first.
#
# Seen: "Abort: some lost", "empty pipe, then Abort: none lost". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > program.py <<'PYTHON'
import fcntl
import sys
import termios
import time

from mpi4py import MPI

MPI.COMM_WORLD.Barrier()
if MPI.COMM_WORLD.rank == 1:
    sys.stderr.write("last words\n")
    sys.stderr.flush()
    while sys.argv[1] == "wait" and any(fcntl.ioctl(2, termios.FIONREAD, bytes(4))):
        time.sleep(0.001)
    MPI.COMM_WORLD.Abort(3)
MPI.COMM_WORLD.Barrier()
PYTHON
python3 -m venv venv
venv/bin/pip install -q mpich==5.0.2 mpi4py==4.1.2 2> /dev/null
lost() { # whether the line is lost in one of so many runs
  for _ in $(seq "$2"); do
    venv/bin/mpiexec -n 2 venv/bin/python program.py "$1" > out 2>&1 < /dev/null && exit 1
    grep -q "last words" out || { echo some lost; return; }
  done
  echo none lost
}
diff - <(echo "Abort: $(lost go 300)"; echo "empty pipe, then Abort: $(lost wait 60)") <<'SEEN'
Abort: some lost
empty pipe, then Abort: none lost
SEEN
echo as seen
