#!/usr/bin/env bash
# The one entry to the kit; ./setup.sh help says what it does. Runs with the bash 3.2 of macOS as well.
# As in `sh setup.sh`, where sh is no bash:
if [ -z "${BASH_VERSION:-}" ]; then
    command -v bash >/dev/null || { echo "setup: needs bash; try: install it, then ./setup.sh $*" >&2; exit 1; }
    exec bash "$0" "$@"
fi
set -euo pipefail

# What names a file from where the user stands must do so from here as well.
here=$PWD
case ${PYTHON:-} in /*) ;; */*) PYTHON=$PWD/$PYTHON ;; esac
case ${CS231N_CIFAR10:-} in
    '' | /* | '~'* | *://* | file:*) ;;
    *) export CS231N_CIFAR10=$PWD/$CS231N_CIFAR10 ;;
esac
CDPATH= cd "$(dirname "${BASH_SOURCE[0]}")"
# These would lead pip and Python past the .venv.
unset PIP_TARGET PIP_PREFIX PIP_USER PYTHONHOME PYTHONSAFEPATH

# Threads of small matrix products wait for each other, for minutes where the cores have other work.
export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
VENV=.venv
MARK=$VENV/made-by-setup       # in a .venv of our own making, which may be made again
STAMP=$VENV/installed.lock     # a copy of the lock, made once everything in it is installed
BUSY=.setup.lock               # a folder that is there while a set-up is at work, with its process in pid
MEGABYTES=1500                 # the packages take about 550; their downloads and the data the rest
again="the same command"       # with what to go on after a failure

help() {
    cat <<'END'
Usage: ./setup.sh COMMAND

  start [FOLDER] [--no-lab]
          the assignment: make it in a folder of your own, which is not there
          yet (default: batchnorm-assignment, next to this folder), set it up,
          say what to do first, open notebook 1. In that folder: without FOLDER
  run     execute the four notebooks, write them as pages under reports/,
          and print a table of what was measured
  test    run the tests, then the notebooks against their stored outputs
  lab     open the notebooks in JupyterLab; what follows is handed to it, as in:
          ./setup.sh lab --no-browser; as root (a container) add --allow-root
  help    this text

Each command first makes .venv, installs requirements.lock into it and gets
the data, where that has not been done; start does so in the folder it makes.
Every step may be interrupted and repeated. A .venv that you made yourself is
kept and installed into.

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
    local candidate actual
    if [ -n "${PYTHON:-}" ]; then
        actual=$(version "$PYTHON")
        case $actual in 3.1[0-4]) python=$PYTHON; return ;; esac
        die "PYTHON=$PYTHON is ${actual:+Python $actual, }not a Python 3.10 to 3.14; try: PYTHON=/path/to/python3.12 ./setup.sh ..."
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do
        case $(version "$candidate") in 3.1[0-4]) python=$candidate; return ;; esac
    done
    die "found no Python 3.10 to 3.14; install one (python.org, apt, brew), or try: PYTHON=/path/to/python3.12 ./setup.sh ..."
}

make_venv() {
    [ -n "${python:-}" ] || find_python
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        die "$python cannot make a venv, its venv module is missing; on Debian or Ubuntu try: sudo apt install python$(version "$python")-venv"
    local free
    # The name of the disk may hold spaces: the free blocks stand before the percentage.
    free=$(df -Pk . | awk 'NR == 2 { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/) {
                                         print int($(i - 1) / 1024); exit } }') || true
    [ "${free:-$MEGABYTES}" -ge "$MEGABYTES" ] ||
        die "only $free MB free under $PWD, $MEGABYTES are needed; try: free some, or move the kit to a larger disk"
    echo "Making $VENV with Python $(version "$python")"
    rm -rf "$VENV"
    mkdir "$VENV"
    touch "$MARK"       # first: what an interruption leaves is known as ours
    "$python" -m venv "$VENV" || die "$python could not make $VENV; what it said is above; try: another PYTHON=..."
}

install_packages() {
    local log=$VENV/install.log
    echo "Installing the packages, about two minutes the first time"
    rm -f "$STAMP"      # should this be interrupted, the next run starts from a fresh .venv, if it is ours
    if ! "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
            --require-hashes -r requirements.lock 2>&1 | tee "$log" | show_count; then
        tail -n 5 "$log" >&2
        if grep -qi 'no space left' "$log"; then
            die "the disk is full; try: free some space, then $again"
        elif grep -q 'DO NOT MATCH THE HASHES' "$log"; then
            die "a download is not what requirements.lock names; try: $again, or another network"
        elif grep -qiE 'connection|resolution|timed out|unreachable|retries|proxy|SSL' "$log"; then
            die "the packages could not be downloaded; try: check the network, then $again"
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

fits() {            # the .venv runs, and with the Python that was asked for
    local actual
    actual=$(version "$VENV/bin/python")
    [ -n "$actual" ] && { [ -z "${PYTHON:-}" ] || [ "$(version "$PYTHON")" = "$actual" ]; }
}

intact() {          # what the stamp names is there, to the last .py
    "$VENV/bin/python" - "$STAMP" 2>/dev/null <<'END'
import csv, sys
from importlib.metadata import distribution
from packaging.requirements import Requirement
for line in open(sys.argv[1]):
    if line[0].isalnum():
        item = Requirement(line.rstrip(" \\\n"))
        if item.marker is None or item.marker.evaluate():
            package = distribution(item.name)
            # Not package.files: from Python 3.12 on it leaves out what is missing.
            record = csv.reader(package.read_text("RECORD").splitlines())
            if not all(package.locate_file(f).exists() for f, *_ in filter(None, record) if f.endswith(".py")):
                sys.exit(1)
END
}

ready() {
    [ -f "$STAMP" ] && cmp -s requirements.lock "$STAMP" && fits && intact
}

set_up() {
    local actual
    actual=$(version "$VENV/bin/python")
    if [ -z "$actual" ]; then            # none, or its Python was upgraded or removed
        make_venv
    elif [ -f "$MARK" ]; then           # ours: half made, damaged, of another Python, or of an older lock only
        [ -f "$STAMP" ] && fits && intact || make_venv
    else
        local away="was not made by setup.sh; try: mv $VENV $VENV.mine, then $again"
        fits || die "PYTHON=$PYTHON is not the Python $actual of $VENV, which $away"
        case $actual in 3.1[0-4]) ;; *) die "Python 3.10 to 3.14 is needed, not the $actual of $VENV, which $away" ;; esac
        "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || die "there is no pip in $VENV, which $away"
        echo "Using the $VENV that is here"
    fi
    install_packages
    intact || die "$VENV is damaged; try: mv $VENV $VENV.old, then $again"
}

at_work() {         # whether process $1 is a set-up; its number may have passed on to another program
    [ "$1" != $$ ] && kill -0 "$1" 2>/dev/null || return 1
    case $(ps -o args= -p "$1" 2>/dev/null || echo setup.sh) in *setup.sh*) ;; *) return 1 ;; esac
}

wait_for_others() {     # two at once would make and remove the same .venv
    local owner waited=0
    until mkdir "$BUSY" 2>/dev/null; do
        if [ ! -d "$BUSY" ]; then       # it has just gone, or it cannot be made
            mkdir "$BUSY" 2>/dev/null && break
            [ -d "$BUSY" ] || die "cannot write to $PWD; try: free some space, or copy the kit to a folder of your own"
        fi
        # One who has just made the folder has not yet written its number.
        owner=$(cat "$BUSY/pid" 2>/dev/null) || owner=
        if { [ -n "$owner" ] && ! at_work "$owner"; } || { [ -z "$owner" ] && [ "$waited" -ge 5 ]; }; then
            rm -rf "$BUSY" || die "cannot remove $PWD/$BUSY, which a killed set-up left; try: remove it"
            continue
        fi
        [ "$waited" -ne 1 ] || echo "Another ./setup.sh (process $owner) is setting up this folder; waiting for it"
        waited=$((waited + 1))
        sleep 1
    done
    trap 'rm -rf "$BUSY"' EXIT
    echo $$ > "$BUSY/pid"
}

prepare() {
    if ! ready; then
        [ -z "${PYTHON:-}" ] && [ -n "$(version "$VENV/bin/python")" ] || find_python
        wait_for_others
        ready || set_up
        rm -rf "$BUSY"
        trap - EXIT
    fi
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
    if [ ! -d tests ]; then     # a learner's edition
        stage "Exercises" "$VENV/bin/python" -m cs231n check
        return $failed
    fi
    stage "Tests" $pytest -m "not slow"
    stage "Notebooks 1 to 3, against their stored outputs" $pytest --nbval --nbval-current-env \
        notebooks/1_*.ipynb notebooks/2_*.ipynb notebooks/3_*.ipynb
    stage "Notebook 4, every cell on less work" env CS231N_QUICK=1 $pytest --nbval-lax --nbval-current-env \
        notebooks/4_*.ipynb
    echo
    printf '%s' "$summary"
    return $failed
}

start() {           # in the kit: make the assignment, whose own setup.sh start goes on; there: set up and open it
    local word
    if [ -d classroom ]; then
        for word; do
            shift
            case $word in -* | /* | '~'*) ;; *) word=$here/$word ;; esac
            set -- ${1+"$@"} "$word"
        done
        find_python
        exec "$python" -m cs231n start ${1+"$@"}
    fi
    again="cd \"$PWD\" && ./setup.sh lab"
    case ${*-} in
        '' | --no-lab) ;;
        *) die "this folder is the assignment already; try: $again" ;;
    esac
    prepare
    PYTHONIOENCODING=:backslashreplace "$VENV/bin/python" -c \
        'from cs231n.commands.start import print_first_steps; print_first_steps()'
    [ "${*-}" != --no-lab ] || return 0
    if [ "$(id -u)" -eq 0 ]; then
        echo "You are root, so JupyterLab is not opened. If you mean it, use the line with --allow-root."
        return 0
    fi
    # Without JupyterLab's log the lines above stay in view.
    exec "$VENV/bin/python" -m jupyterlab --log-level=WARN \
        --LabApp.default_url=/lab/tree/notebooks/1_gradient_checking.ipynb
}

trap 'echo; echo "setup: interrupted; to go on: $again" >&2; exit 130' INT

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
    run | test | help | -h | --help)
        [ $# -eq 0 ] || { echo "setup: $command takes no further words, got '$*'; try: ./setup.sh help" >&2; exit 2; } ;;
esac
case $command in
    run)  prepare; exec "$VENV/bin/python" -m cs231n run ;;
    test) prepare; run_tests ;;
    start) start ${1+"$@"} ;;
    lab)  prepare; exec "$VENV/bin/python" -m jupyterlab --LabApp.default_url=/lab/tree/notebooks ${1+"$@"} ;;
    help | -h | --help) help ;;
    '')   help >&2; exit 2 ;;
    *)    echo "setup: unknown command '$command'; try: ./setup.sh help" >&2; exit 2 ;;
esac
