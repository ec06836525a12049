#!/bin/sh
# Starts Fluent Bit with the token from its file: what launchd runs. The token is in no property list (launchctl print shows those
# to everybody) and on no command line (ps does). With --check it only says whether root may run the Fluent Bit that is there.
set -eu
umask 077
readonly CONFIGURATION="${PRIVILEGES_CONFIGURATION:-/usr/local/etc/fluent-bit}"
readonly TOKEN="$CONFIGURATION/token"
# Made by install.sh --trust-local-admins.
readonly TRUSTED="$CONFIGURATION/trust-local-admins"
readonly LONGEST_LOG=1048576

fail() {
    printf 'privileges_fluent_bit: %s\n' "$*" >&2
    exit 78 # EX_CONFIG; launchd tries again, no sooner than ThrottleInterval
}

# setting NAME: what fluent-bit.conf says.
setting() {
    sed -n "s/^@SET $1=//p" "$CONFIGURATION/fluent-bit.conf" | tail -n 1
}

fluent_bit() {
    for program in "${FLUENT_BIT:-}" /opt/fluent-bit/bin/fluent-bit /opt/homebrew/bin/fluent-bit /usr/local/bin/fluent-bit; do
        if [ -n "$program" ] && [ -x "$program" ]; then
            printf '%s' "$program"
            return 0
        fi
    done
    return 1
}

# check_entry PATH: this file or folder may be changed by root only (or by us).
check_entry() {
    check_entry_path=$1
    # shellcheck disable=SC2012,SC2046 # ls: stat has other options on each system. Split on purpose: mode, links, owner.
    set -- $(ls -ldn "$check_entry_path")
    check_entry_bad=
    [ "$3" = 0 ] || [ "$3" = "$(id -u)" ] || check_entry_bad="belongs to user $3"
    case $1 in
        l* | ?????w???[tT]* | ????????w[tT]*) ;;
        ?????w* | ????????w*) check_entry_bad="can be written to by others ($1)" ;;
    esac
    [ -n "$check_entry_bad" ] || return 0
    [ -f "$TRUSTED" ] || fail "$check_entry_path $check_entry_bad, and root shall run $program: whoever changes it becomes root. Install Fluent Bit
  where only root can write, such as /opt/fluent-bit, or accept it with install.sh --trust-local-admins."
}

# check_program PATH: it, every folder above it and every link on the way there.
check_program() {
    check_done='' check_rest=${1#/} check_links=0
    check_entry /
    while [ -n "$check_rest" ]; do
        check_part=${check_rest%%/*}
        case $check_rest in
            */*) check_rest=${check_rest#*/} ;;
            *) check_rest= ;;
        esac
        case $check_part in
            '' | .) continue ;;
            ..) check_done=${check_done%/*} && continue ;;
        esac
        check_entry "$check_done/$check_part"
        if [ -L "$check_done/$check_part" ]; then
            check_links=$((check_links + 1))
            [ "$check_links" -le 40 ] || fail "$1 is a link that leads nowhere"
            check_target=$(readlink "$check_done/$check_part")
            case $check_target in /*) check_done= ;; esac
            check_rest=${check_target#/}/$check_rest
        else
            check_done=$check_done/$check_part
        fi
    done
}

# launchd opened the logs; they grow by a line for each failed try, and by one for each start that fails. At a megabyte the end of it is kept.
trim_logs() {
    for log in /usr/local/var/log/fluent-bit.log /usr/local/var/log/fluent-bit-error.log; do
        if [ -f "$log" ] && [ -w "$log" ] && [ "$(wc -c < "$log")" -gt "$LONGEST_LOG" ]; then
            tail -c "$LONGEST_LOG" "$log" > "$log.0" && : > "$log"
        fi
    done
}

# Without a log the logger can write nothing, and makes none. Appended to: newsyslog may be making it now.
make_log() {
    if [ ! -e "$events" ] && [ -d "${events%/*}" ] && (: >> "$events") 2> /dev/null; then
        chown root:everyone "$events" 2> /dev/null
        chmod 664 "$events"
    fi
}

events=
[ ! -r "$CONFIGURATION/fluent-bit.conf" ] || events=$(setting PRIVILEGES_LOG)
# Also while Fluent Bit cannot be started: events are recorded meanwhile.
if [ "${1:-}" != --check ]; then
    trim_logs || true
    make_log || true
fi

if ! program=$(fluent_bit); then
    printf 'privileges_fluent_bit: Fluent Bit is not installed: see README.md\n' >&2
    exit 69 # EX_UNAVAILABLE
fi
check_program "$program"
[ "${1:-}" != --check ] || exit 0

[ -r "$CONFIGURATION/fluent-bit.conf" ] || fail "$CONFIGURATION/fluent-bit.conf is missing: run the kit's install.sh"
[ -r "$TOKEN" ] || fail "$TOKEN is missing: put the token there, chmod 600"
case $(ls -ldn "$TOKEN") in
    -r[w-]-------*) ;;
    *) fail "$TOKEN can be read by others than its owner, or is no file: chmod 600 $TOKEN" ;;
esac
SLUICE_TOKEN=$(tr -d ' \t\r\n' < "$TOKEN")
case $SLUICE_TOKEN in
    '') fail "$TOKEN is empty" ;;
    *[!A-Za-z0-9._~+/=-]*) fail "$TOKEN holds something that is no token" ;;
esac
export SLUICE_TOKEN

# All rotated files: what Fluent Bit has noted of the log tells nothing about one that was rotated after it died. It forgets a file a minute
# after it was rotated, so it reads the old ones again; Sluice takes an event twice and stores it once.
state=$(setting PRIVILEGES_STATE)
mkdir -p "$state/storage"
PRIVILEGES_ROTATED=
for number in 10 9 8 7 6 5 4 3 2 1 0; do
    rotated=$events.$number
    [ ! -f "$rotated" ] || PRIVILEGES_ROTATED=$PRIVILEGES_ROTATED,$rotated
done
export PRIVILEGES_ROTATED

cd "$CONFIGURATION"
exec "$program" -c "$CONFIGURATION/fluent-bit.conf"
