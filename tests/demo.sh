#!/bin/sh
# `make demo`: the whole of mycli on this machine, on this repository, in under a minute.
# It has a home of its own, so nothing of yours is touched, and it leaves nothing behind.
set -eu
cd "$(dirname "$0")/.."
here=$PWD
PATH=$here/.venv/bin:$PATH
MYCLI_HOME=$(mktemp -d "${TMPDIR:-/tmp}/mycli-demo.XXXXXX")
export PATH MYCLI_HOME

clean_up() {
    code=$?
    if [ -d "$MYCLI_HOME/local" ]; then
        mycli destroy --force >/dev/null 2>&1 || mycli local stop || true
    fi
    rm -rf "$MYCLI_HOME"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

show() {
    printf '\n$ mycli'
    for word; do
        case $word in *[!A-Za-z0-9_./:=-]*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    mycli "$@"
}

fail() {
    echo "demo: $1" >&2
    exit 1
}

echo "An AWS account on this machine, and in it the stack that mycli makes on AWS:"
show init --local --force --runtime process

echo
echo "A command on a git repository: the task clones it, runs the command, and its output comes live:"
# shellcheck disable=SC2016 # it is the task that expands this
show exec --follow --repo "file://$here" \
    'git log -1 --format="at %h: %s"; for d in mycli orchestrator tests; do sleep 0.5; cat $(git ls-files "$d/*.py") | wc -l | sed "s|^ *|lines of Python in $d: |"; done'

run=$(mycli list --json --limit 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["executions"][0]["execution_id"])')
show status "$run"
show logs "$run"

echo
echo "A command that fails, and its exit code:"
set +e
show exec --follow --skip-git 'echo "about to fail"; exit 7'
code=$?
set -e
echo "mycli ended with exit code $code"
[ "$code" -eq 7 ] || fail "the exit code should have been 7"

show list
show destroy --force
[ ! -e "$MYCLI_HOME/local" ] || fail "destroy left something behind in $MYCLI_HOME"
echo
echo "Done: it ran, it told the truth about its exit code, and nothing is left."
