#!/bin/sh
# Finds a Python and hands over to cs231n/commands/setup.py; ./setup.sh help says what it does.
unset PYTHONHOME    # it would keep any other Python from starting
kit=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit
job='import sys; sys.path.insert(0, sys.argv.pop(1)); from cs231n.__main__ import main; sys.exit(main())'
[ "${1:-}" = start ] || set -- setup "$@"
for python in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11 python3.10 python "$kit/.venv/bin/python"; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
    case $version in 3.1[0-4]) exec "$python" -c "$job" "$kit" "$@" ;; esac
    [ -z "${PYTHON:-}" ] || break
done
wrong=${PYTHON:+PYTHON=$PYTHON${version:+ (Python $version)} is not a}
echo "setup: ${wrong:-found no} Python 3.10 to 3.14; try: install one (python.org, apt, brew), or PYTHON=/path/to/python3.12 ./setup.sh ..." >&2
exit 1
