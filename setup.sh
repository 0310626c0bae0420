#!/usr/bin/env bash
# The one entry to the kit; ./setup.sh help says what it does. Runs with the bash 3.2 of macOS as well.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Threads of small matrix products wait for each other, for minutes where the cores have other work.
export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
VENV=.venv
STAMP=$VENV/installed.lock     # a copy of the lock, made once everything in it is installed
MEGABYTES=1500                 # the packages take about 550; their downloads and the data the rest

help() {
    cat <<'END'
Usage: ./setup.sh COMMAND

  run     execute the four notebooks, write them as pages under reports/,
          and print a table of what was measured
  test    run the tests, then the notebooks against their stored outputs
  lab     open the notebooks in JupyterLab; what follows is handed to it,
          as in: ./setup.sh lab --no-browser
  help    this text

Each command first makes .venv, installs requirements.lock into it and gets
the data, where that has not been done. Every step may be interrupted and
repeated.

  PYTHON=/path/to/python    the Python to use, 3.10 to 3.14
  CS231N_CIFAR10=...        where CIFAR-10 lies, see datasets/README.md
  OPENBLAS_NUM_THREADS=2    threads of a matrix product, 1 if you do not say
END
}

die() {
    echo "setup: $1" >&2
    exit 1
}

version() {     # prints major.minor, or nothing where $1 is no Python
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

find_python() {
    local candidate found
    if [ -n "${PYTHON:-}" ]; then
        found=$(version "$PYTHON")
        case $found in 3.1[0-4]) python=$PYTHON; return ;; esac
        die "PYTHON=$PYTHON is ${found:+Python $found, }not a Python 3.10 to 3.14; try: PYTHON=/path/to/python3.12 ./setup.sh ..."
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do
        case $(version "$candidate") in 3.1[0-4]) python=$candidate; return ;; esac
    done
    die "found no Python 3.10 to 3.14; install one (python.org, apt, brew), or try: PYTHON=/path/to/python3.12 ./setup.sh ..."
}

make_venv() {
    find_python
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        die "$python cannot make a venv, its venv module is missing; on Debian or Ubuntu try: sudo apt install python$(version "$python")-venv"
    [ -w . ] || die "cannot write to $PWD; try: copy the kit to a folder of your own"
    local free
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
    [ "${free:-$MEGABYTES}" -ge "$MEGABYTES" ] ||
        die "only $free MB free under $PWD, $MEGABYTES are needed; try: free some, or move the kit to a larger disk"
    echo "Making $VENV with Python $(version "$python")"
    rm -rf "$VENV"
    "$python" -m venv "$VENV" || die "$python could not make $VENV; what it said is above; try: another PYTHON=..."
}

install_packages() {
    local log=$VENV/install.log
    echo "Installing the packages, about two minutes the first time"
    rm -f "$STAMP"      # should this be interrupted, the next run starts from a fresh .venv
    if ! "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
            --require-hashes -r requirements.lock 2>&1 | tee "$log" | show_count; then
        tail -n 5 "$log" >&2
        if grep -qi 'no space left' "$log"; then
            die "the disk is full; try: free some space, then the same command again"
        elif grep -q 'DO NOT MATCH THE HASHES' "$log"; then
            die "a download is not what requirements.lock names; try: again, or from another network"
        elif grep -qiE 'connection|resolution|timed out|unreachable|retries|proxy|SSL' "$log"; then
            die "the packages could not be downloaded; try: check the network, then the same command again"
        fi
        die "the packages could not be installed (all of it: $log); try: another PYTHON=..."
    fi
    cp requirements.lock "$STAMP.part"
    mv "$STAMP.part" "$STAMP"
}

show_count() {      # pip's many lines as one that counts, on a terminal
    if [ -t 1 ]; then
        awk '/^Collecting/ { printf "\r  %d packages", ++n; fflush() }
             /^Installing collected/ { printf ", unpacking ..."; fflush() }
             END { print "" }'
    else
        cat >/dev/null
    fi
}

prepare() {
    # Without the stamp the venv is half made; and it must still run after its Python was upgraded or removed.
    if [ ! -f "$STAMP" ] || [ -z "$(version "$VENV/bin/python")" ]; then
        make_venv
    elif [ -n "${PYTHON:-}" ] && [ "$(version "$PYTHON")" != "$(version "$VENV/bin/python")" ]; then
        make_venv
    fi
    cmp -s requirements.lock "$STAMP" || install_packages
    "$VENV/bin/python" -m cs231n data || die "no data to work on; the lines above say why"
}

stage() {           # stage TITLE COMMAND...: run it, remember how it ended
    local title=$1 log=$VENV/stage.log status=0
    shift
    echo
    echo "--- $title"
    "$@" 2>&1 | tee "$log" || status=$?
    [ "$status" -eq 0 ] || failed=1
    summary="$summary$title: $([ "$status" -eq 0 ] && echo passed || echo FAILED)
$(tail -n 1 "$log")
"
}

run_tests() {
    local pytest="$VENV/bin/python -m pytest --color=$([ -t 1 ] && echo yes || echo no)"
    failed=0 summary=
    stage "Tests" $pytest
    stage "Notebooks 1 to 3, against their stored outputs" $pytest --nbval --nbval-current-env \
        notebooks/1_*.ipynb notebooks/2_*.ipynb notebooks/3_*.ipynb
    stage "Notebook 4, every cell on less work" env CS231N_QUICK=1 $pytest --nbval-lax --nbval-current-env \
        notebooks/4_*.ipynb
    echo
    printf '%s' "$summary"
    return $failed
}

trap 'echo; echo "setup: interrupted; the same command goes on from here" >&2; exit 130' INT

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
    run)  prepare; exec "$VENV/bin/python" -m cs231n run ;;
    test) prepare; run_tests ;;
    lab)  prepare; exec "$VENV/bin/python" -m jupyterlab --LabApp.default_url=/lab/tree/notebooks ${1+"$@"} ;;
    help | -h | --help) help ;;
    '')   help >&2; exit 2 ;;
    *)    echo "setup: unknown command '$command'; try: ./setup.sh help" >&2; exit 2 ;;
esac
