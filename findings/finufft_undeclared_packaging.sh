#!/usr/bin/env bash
# finufft 2.3.0 and 2.3.1 can't be imported where nothing but they and what they ask for is installed.
#
# Both import "packaging" at the top, and their wheels' metadata require numpy only. In most environments some other
# package brings it, so that the missing requirement shows in bare ones alone, a container for example. 2.4.0 imports by
# itself.
#
# Seen: "2.3.0: ModuleNotFoundError packaging", "2.3.1: ModuleNotFoundError packaging", "2.4.0: imports". Fails if that
# changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for version in 2.3.0 2.3.1 2.4.0; do
  python3 -m venv --without-pip "venv$version"
  python3 -m venv pip
  pip/bin/pip --python "venv$version/bin/python" install -q "finufft==$version" "numpy<3" 2> /dev/null
  "venv$version/bin/python" - "$version" >> seen <<'PYTHON'
import sys

try:
    import finufft
except ModuleNotFoundError as error:
    print(f"{sys.argv[1]}: {type(error).__name__} {error.name}")
else:
    print(f"{finufft.__version__}: imports")
PYTHON
done
cat seen
diff seen - <<'SEEN'
2.3.0: ModuleNotFoundError packaging
2.3.1: ModuleNotFoundError packaging
2.4.0: imports
SEEN
