# shellcheck shell=bash
#
# What both kinds of lab, the guest and the namespace, do once they are inside.
# To be sourced. scripts/kernel-lab has prepared a folder; in it, each entry ended
# by a NUL:
#
#   arguments    the command and its arguments
#   environment  the caller's variables
#   place        the caller's umask and working directory
#
# Files and NULs, because a newline or a quote in an argument must arrive as it
# was given, and no kernel command line carries them unharmed.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# Without loopback every IPv4 destination is refused with EINVAL, because the
# kernel finds no route to it.
bring_up_loopback() {
  ip link set lo up
}

# run_command FOLDER: runs the caller's command. Returns what a shell would have
# seen as its exit status.
#
# The command gets a process group of its own: `kill 0` in it ends the command
# and not the lab around it. Job control does that; it is off again before the
# wait, which would otherwise end as soon as the command is merely stopped.
run_command() {
  local -a arguments environment place
  mapfile -d '' -t arguments <"$1/arguments"
  mapfile -d '' -t environment <"$1/environment"
  mapfile -d '' -t place <"$1/place"

  # `env` takes a command with "=" in its name for one more variable.
  if [[ ${arguments[0]} == *=* ]]; then
    # shellcheck disable=SC2016 # that $@ belongs to the inner shell
    arguments=(sh -c 'exec "$@"' sh "${arguments[@]}")
  fi

  set -m
  (
    umask "${place[0]}"
    cd -- "${place[1]}" || exit 125
    exec env -i "${environment[@]}" "${arguments[@]}"
  ) </dev/null &
  set +m

  # Bash would report a command that was killed; the exit status says it all.
  wait "$!" 2>/dev/null
}
