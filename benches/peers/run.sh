#!/usr/bin/env bash
# Other stream processors beside Tidegate, on the same input: `benches/peers/run.sh --help`.
set -euo pipefail

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "benches/peers/run.sh needs Python 3.10 or later, as \`python3\`" >&2
    exit 2
fi
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$(dirname "$0")/run.py" "$@"
