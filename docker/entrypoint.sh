#!/bin/sh
# The door of this image for whoever runs it without mycli: it hands task.sh, the program of every
# task, what it needs under its names. mycli itself does not come in here: its task definitions
# bring their own task.sh. Exit codes: as in task.sh; 125 if there was nothing it could begin.

set -u

fail() {
  printf 'mycli: %s\n' "$1" "$2"
  exit 125
}

[ "$#" = 0 ] || fail "this image takes no arguments" "give the command in USER_COMMAND"
[ -n "${REPO_URL:-}" ] || fail "REPO_URL is missing" "name the repository to clone"
[ -n "${USER_COMMAND:-}" ] || fail "USER_COMMAND is missing" "give a command, such as 'make test'"

_timeout=${TIMEOUT_SECONDS:-1800}
case $_timeout in
*[!0-9]* | 0*) fail "TIMEOUT_SECONDS is not a number of seconds" "give a whole number above 0" ;;
esac

# git keeps the address where the command can read it.
_host=${REPO_URL#*://}
case $REPO_URL in
http://* | https://*)
  case ${_host%%/*} in
  *@*)
    fail "REPO_URL has a user name or token in it" \
      "give the address without it, and the token in GITHUB_TOKEN or GITLAB_TOKEN"
    ;;
  esac
  ;;
esac

# As it is, or in base64, which stands on one line.
_key=${SSH_PRIVATE_KEY:-}
case $_key in
'' | -----BEGIN*) ;;
*)
  _key=$(printf '%s' "$_key" | base64 -d 2>/dev/null) ||
    fail "SSH_PRIVATE_KEY is neither a private key nor base64" "give it as it is, or as base64"
  ;;
esac

_task=$(cat "${0%/*}/task.sh") || fail "this image has no task.sh" "build it again"

export MYCLI_REPO="$REPO_URL" MYCLI_BRANCH="${REPO_BRANCH:-}" MYCLI_COMMAND="$USER_COMMAND" \
  MYCLI_EXECUTION_ID="${EXECUTION_ID:-executor}" MYCLI_TIMEOUT_SECONDS="$_timeout" \
  MYCLI_IMAGE="${MYCLI_IMAGE:-mycli/executor}" MYCLI_SSH_PRIVATE_KEY="$_key" \
  MYCLI_GITHUB_TOKEN="${GITHUB_TOKEN:-}" MYCLI_GITLAB_TOKEN="${GITLAB_TOKEN:-}"
unset REPO_URL REPO_BRANCH USER_COMMAND EXECUTION_ID TIMEOUT_SECONDS \
  GITHUB_TOKEN GITLAB_TOKEN SSH_PRIVATE_KEY
exec /bin/sh -c "$_task"
