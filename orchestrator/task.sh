#!/bin/sh
# The program of every task: the text of `sh -c`, so there is no file to read again and $0 is the
# shell. Phase 1 clones the repository; phase 2, which watches the command, is exec'ed, so that not
# even the environment of process 1 still holds the git credentials; phase 3 becomes the command.
# Exit codes: the command's own; 124 it ran out of time; 125 it never began. Markers: see wire/.
# Variables begin with _, so that none that the image sets for the command is changed.

set -u
exec </dev/null 2>&1 # one stream: of two, the end marker could overtake the last error message

# ECS sends the STOPSIGNAL of the image: QUIT for nginx, INT for postgres, WINCH for httpd.
_stop_signals='TERM INT QUIT WINCH' _scratch='' _job=''
trap 'rm -rf "$_scratch"' EXIT
# shellcheck disable=SC2086 # several words
trap 'kill "$_job" 2>/dev/null; say "stopped before the command began"; finish 143' $_stop_signals

say() { printf 'mycli: %s\n' "$1"; }

finish() {
  printf '[mycli %s] exit code %s.\n' "$MYCLI_EXECUTION_ID" "$1"
  exit "$1"
}

fail() {
  say "$1"
  say "$2"
  finish 125
}

# In the background, because a shell notices no signal while it waits for a foreground program.
quietly() {
  "$@" >"$_scratch/log" 2>&1 &
  _job=$!
  wait "$_job"
}

without_user() { sed 's#://[^/@ ]*@#://#g'; }

forget_secrets() { unset MYCLI_GITHUB_TOKEN MYCLI_GITLAB_TOKEN MYCLI_SSH_PRIVATE_KEY; }

has_git() {
  for _program in git ${_over_ssh:+ssh}; do
    command -v "$_program" >/dev/null || return
  done
}

install_with() {
  forget_secrets
  case $1 in
  apk) apk add --no-cache git ca-certificates ${_over_ssh:+openssh-client} ;;
  apt-get)
    export DEBIAN_FRONTEND=noninteractive
    set -- git ca-certificates ${_over_ssh:+openssh-client}
    apt-get update && apt-get install -y --no-install-recommends "$@"
    ;;
  *) "$1" install -y git ca-certificates ${_over_ssh:+openssh-clients} ;;
  esac
}

need_git() {
  has_git && return
  _hint="provide $_program, or run without a repository (--skip-git)"
  [ "${MYCLI_INSTALL_GIT:-1}" != 0 ] ||
    fail "this machine has no $_program, and mycli installs nothing on it" "$_hint"
  for _manager in apk apt-get dnf yum microdnf ''; do
    command -v "$_manager" >/dev/null && break
  done
  [ -n "$_manager" ] ||
    fail "the image has no $_program, and no apk, apt-get, dnf, yum or microdnf to get it" "$_hint"
  [ "$(id -u)" = 0 ] ||
    fail "the image has no $_program, and its user is not root, who could install it" "$_hint"
  say "installing $_program with $_manager"
  quietly install_with "$_manager"
  has_git && return
  cat "$_scratch/log"
  fail "$_manager could not install $_program" "$_hint"
}

# As the two hosts publish them: nobody else can pose as these. Other hosts are accepted once.
_known_hosts='github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl
github.com ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=
gitlab.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf
gitlab.com ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFSMqzJeV9rUzU4kWitGjeR4PWSa29SPqJ1fVkhtj3Hw9xjLVXVYrU9QlYWrOLXBpQ6KWjbjTDTdDkoohFzgbEY='

configure_ssh() (
  umask 077
  if [ -n "${MYCLI_SSH_PRIVATE_KEY:-}" ]; then
    # ssh refuses a key without its final newline, or with the line ends of Windows.
    printf '%s\n' "$MYCLI_SSH_PRIVATE_KEY" | tr -d '\r' >"$_scratch/key"
    printf 'IdentityFile "%s/key"\n' "$_scratch" >"$_scratch/ssh_config"
  fi
  printf '%s\n' "$_known_hosts" >"$_scratch/known_hosts"
  cat >>"$_scratch/ssh_config" <<CONFIG
BatchMode yes
IdentitiesOnly yes
ConnectTimeout 30
ServerAliveInterval 30
GlobalKnownHostsFile /dev/null
UserKnownHostsFile "$_scratch/known_hosts"
Host github.com gitlab.com
StrictHostKeyChecking yes
Host *
StrictHostKeyChecking accept-new
CONFIG
)

# shellcheck disable=SC2016 # the helper reads the token from its own environment
_github_helper='!f() { printf "%s\n" username=x-access-token "password=$MYCLI_GITHUB_TOKEN"; }; f' \
  _gitlab_helper='!f() { printf "%s\n" username=oauth2 "password=$MYCLI_GITLAB_TOKEN"; }; f'

# A folder that the task may read is not its user's, as a rule: git would call that dubious. What
# sends the repository is a git of its own, which takes the settings of no other way than a file.
trust_folders() {
  case $MYCLI_REPO in
  file://*) printf '[safe]\n\tdirectory = *\n' ;;
  esac >"$_scratch/.gitconfig"
}

# For a subshell. Asks nobody, and reads none of the image's settings. git runs a helper only for its
# protocol, host and port, and gives up a server that stays silent: a task that waits costs money.
become_git() {
  for _scheme in https http; do
    [ -z "${MYCLI_GITHUB_TOKEN:-}" ] || set -- -c \
      "credential.$_scheme://${MYCLI_GITHUB_HOST:-github.com}.helper=$_github_helper" "$@"
    [ -z "${MYCLI_GITLAB_TOKEN:-}" ] || set -- -c \
      "credential.$_scheme://${MYCLI_GITLAB_HOST:-gitlab.com}.helper=$_gitlab_helper" "$@"
  done
  export HOME="$_scratch" XDG_CONFIG_HOME="$_scratch" LC_ALL=C \
    GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL="$_scratch/.gitconfig" \
    GIT_TERMINAL_PROMPT=0 GIT_ASKPASS='' \
    GIT_ALLOW_PROTOCOL="$_protocols" GIT_SSH_COMMAND="ssh -F '$_scratch/ssh_config'"
  exec git -c credential.helper= -c http.lowSpeedLimit=1 -c http.lowSpeedTime=120 "$@"
}

# Some servers refuse to send a bare commit, all an abbreviated one: then everything is fetched.
fetch_commit() {
  (become_git init --quiet .) && (become_git remote add origin "$MYCLI_REPO") || return
  (become_git fetch --quiet --depth 1 origin "$_branch") ||
    (become_git fetch --quiet --tags origin) &&
    (become_git checkout --quiet --detach "$_branch" --)
}

clone() {
  quietly become_git clone --quiet --depth 1 ${_branch:+"--branch=$_branch"} \
    -- "$MYCLI_REPO" . && return
  case $_branch in *[!0-9a-fA-F]*) return 1 ;; ????*) ;; *) return 1 ;; esac
  grep -q 'Remote branch .* not found' "$_scratch/log" && quietly fetch_commit
}

clone_failed() {
  without_user <"$_scratch/log"
  case $(cat "$_scratch/log") in
  *"Remote branch"*"not found"* | *"invalid reference"* | *"not a tree"*)
    fail "the repository has no branch, tag or commit $_branch" \
      "check the name, or leave it out for the default branch"
    ;;
  *"could not read Username"*)
    fail "the server asks for a token, and this stack has none for it" \
      "check the address; a private repository needs a token in the stack"
    ;;
  *"Permission denied ("* | *"Authentication failed"* | *"error: 403"*)
    fail "the server refused the stack's git credentials" \
      "check that the token or SSH key is valid and may read this repository"
    ;;
  *"Host key verification failed"*)
    fail "the server's SSH host key is not the published one" "check who answers there"
    ;;
  *"not found"* | *"not appear to be a git repo"* | *"does not exist"*)
    fail "there is no repository at $_address" \
      "check the address; a private one needs git credentials that may read it"
    ;;
  *"not allowed"*) fail "this stack does not clone over that protocol" "it allows $_protocols" ;;
  *) fail "git could not clone $_address" "check that the task can reach this address" ;;
  esac
}

enter() { mkdir -p "$1" 2>/dev/null && cd "$1" && [ -w . ] && [ -z "$(ls -A)" ]; }

_branch=${MYCLI_BRANCH:-}
say "execution:   $MYCLI_EXECUTION_ID"
say "image:       ${MYCLI_IMAGE:-unknown}"
if [ -n "${MYCLI_REPO:-}" ]; then
  _address=$(printf '%s' "$MYCLI_REPO" | without_user)
  say "repository:  $_address"
  say "branch:      ${_branch:-the default branch}"
fi
say "environment: ${MYCLI_ENV_NAMES:-none}"

if [ -n "${MYCLI_REPO:-}" ]; then
  _protocols=${MYCLI_GIT_PROTOCOLS:-https:ssh} _workspace=${MYCLI_WORKSPACE:-/workspace/repo}
  _no_tmp="the image needs a folder ${TMPDIR:-/tmp} that its user can write to"
  case $MYCLI_REPO in ssh://*) _over_ssh=1 ;; *://*) _over_ssh='' ;; *) _over_ssh=1 ;; esac
  _scratch=$(mktemp -d "${TMPDIR:-/tmp}/mycli.XXXXXX" 2>/dev/null) ||
    fail "there is no folder for temporary files" "$_no_tmp"
  need_git
  configure_ssh
  trust_folders
  enter "$_workspace" || {
    say "$_workspace cannot be written, or is not empty: using another folder"
    enter "$(mktemp -d "${_scratch%/*}/mycli-repo.XXXXXX" 2>/dev/null)" ||
      fail "there is no folder to clone into" "$_no_tmp"
  }
  clone || clone_failed
  _commit=$(become_git rev-parse --quiet --verify HEAD)
  say "cloned:      ${_commit:-an empty repository} into $PWD"
  rm -rf "$_scratch"
fi

if [ -n "${MYCLI_WORKDIR:-}" ]; then
  case $MYCLI_WORKDIR in
  /*) _workdir=$MYCLI_WORKDIR _hint="an absolute workdir is a folder of the image" ;;
  *) _workdir=./$MYCLI_WORKDIR _hint="the workdir is relative to $PWD" ;;
  esac
  [ -d "$_workdir" ] || fail "there is no folder $MYCLI_WORKDIR" "$_hint"
  cd "$_workdir" 2>/dev/null ||
    fail "the folder $MYCLI_WORKDIR cannot be entered" "let the user of the image enter it"
fi

forget_secrets
unset MYCLI_REPO MYCLI_BRANCH MYCLI_IMAGE MYCLI_WORKDIR MYCLI_WORKSPACE OLDPWD \
  MYCLI_GIT_PROTOCOLS MYCLI_GITHUB_HOST MYCLI_GITLAB_HOST MYCLI_INSTALL_GIT
export HOME="${HOME:-${TMPDIR:-/tmp}}"

# bash drops what it is given for names that are its own; they no longer are once they are unset.
# shellcheck disable=SC2016 # the text of another program, as are the next two
_set_variables='
set -e
for _name in ${MYCLI_ENV_NAMES:-}; do
  case $_name in GROUPS | DIRSTACK | FUNCNAME | BASH_*) unset "$_name" ;; esac
done
eval "${MYCLI_ENV:-}"'

# What becomes the command. Only here the user's variables are there: LD_PRELOAD, say, reaches no
# other program of ours. What is wrong with a value (LC_ALL), the command's own shell says again.
# shellcheck disable=SC2016
_phase_3="{ $_set_variables
} 2>/dev/null"'
set -- "$0" -c -- "$MYCLI_COMMAND"
unset MYCLI_COMMAND MYCLI_ENV MYCLI_ENV_NAMES MYCLI_TIMEOUT_SECONDS MYCLI_KILL_AFTER_SECONDS
exec "$@"'

# No single quote may stand in it.
# shellcheck disable=SC2016
_phase_2='
set -u

finish() {
  printf "[mycli %s] exit code %s.\n" "$MYCLI_EXECUTION_ID" "$1"
  exit "$1"
}

# To its group, so that it reaches what the command started, too; else to the command alone.
signal() { kill "-$1" "-$_child" || kill "-$1" "$_child"; }

# Zombies are not: there are inits that never take them away.
alive() {
  kill -0 "-$_child" || return
  [ ! -d /proc/1 ] || grep -qs ") [^Z] [0-9]* $_child " /proc/[0-9]*/stat
}

pass_on() {
  _stopping=1 _interrupted=1
  [ -z "$_child" ] || signal TERM
}

out_of_time() {
  printf "[mycli %s] stopped: it ran for longer than %s s\n" "$MYCLI_EXECUTION_ID" \
    "$MYCLI_TIMEOUT_SECONDS"
  _timed_out=1
  pass_on
}

give_up() {
  printf "[mycli %s] killed: it did not stop\n" "$MYCLI_EXECUTION_ID"
  _interrupted=1
  signal KILL
}

end() {
  kill -USR1 "$_watchdog"
  [ -z "$_timed_out" ] || set -- 124
  finish "$1"
}

# bash lets nobody set UID, for one: that must not pass for a command that failed.
_said=$("$0" -c "$1" 2>&1) || {
  printf "%s\n" "$_said" \
    "mycli: the shell of this image cannot set one of the environment variables"
  finish 125
}
exec 2>/dev/null # a shell has words of its own for a child that was killed
# shellcheck disable=SC3040 # bash alone has it, and else does not know a status twice
(set +o posix) && set +o posix

# Somebody who kills every sleep there is does not mean this one: it begins again.
rest() {
  while
    sleep "$1" &
    wait "$!"
    [ "$?" -gt 128 ]
  do :; done
}

# Started before there are traps, because a child loses a signal that comes before it has undone
# them. For the same reason its sleep is not asked to end, but killed. TERM is for the command, also
# where that sends it to all processes.
(
  trap "" TERM
  trap "kill -KILL \$!; exit" USR1
  rest "$MYCLI_TIMEOUT_SECONDS"
  kill -ALRM "$$"
  rest "${MYCLI_KILL_AFTER_SECONDS:-30}"
  kill -VTALRM "$$"
) >/dev/null &
_watchdog=$!

_child="" _stopping="" _timed_out=""
# shellcheck disable=SC2086
trap pass_on $3
trap out_of_time ALRM
trap give_up VTALRM

# A process group of its own comes from job control, or from setsid in a shell that has none without
# a terminal. Such a shell also makes the command deaf to INT and QUIT: a recent env can undo that.
# Where all is busybox, nothing can, and the command stays deaf to these two.
set -m
set -- "$0" -c "$2"
case $- in
*m*) ;;
*)
  _env=$(command -v env) && "$_env" --default-signal=INT,QUIT true &&
    set -- "$_env" --default-signal=INT,QUIT "$@"
  _setsid=$(command -v setsid) && set -- "$_setsid" "$@"
  ;;
esac
[ -z "$_stopping" ] || {
  printf "mycli: stopped before the command began\n"
  end 143
}
printf "[mycli %s] begin\n" "$MYCLI_EXECUTION_ID"
"$@" 2>&1 &
_child=$!
set +m
[ -z "$_stopping" ] || signal KILL # asked to stop before it could hear it

# A signal ends the wait before the command has ended, with a code above 128.
while
  _interrupted=""
  wait "$_child"
  _code=$?
  [ "$_code" -gt 128 ] && [ -n "$_interrupted" ]
do :; done

# A sh dies of TERM at once, but what it started (terraform) may still have a lock to give back.
while [ -n "$_stopping" ] && [ "$_code" = 143 ] && alive; do sleep 0.1 || sleep 1; done
kill -KILL "-$_child" # what the command left behind would keep the log open
end "$_code"
'
exec "$0" -c "$_phase_2" "$0" "$_set_variables" "$_phase_3" "$_stop_signals"
