#!/bin/bash
# Records one change of rights as one line of JSON in the local event log.
#
# SAP Privileges runs it after each change (PostChangeExecutablePath), as the user whose rights changed:
#
#     privileges_local_logger.sh USER admin|user
#
# It never fails its caller: the exit status is 0 whatever happens, and every wait has a bound. What cannot be recorded
# goes to the system log, line and all:  log show --last 1d --predicate 'eventMessage CONTAINS "privileges_local_logger"'
#
# Plain POSIX sh, so that it runs alike in macOS' bash 3.2, zsh and dash. No part of it needs perl, python or GNU tools.
[ -n "${ZSH_VERSION:-}" ] && emulate sh
set -u
umask 002
LC_ALL=C # bytes, not characters; and a point in numbers
export LC_ALL
# Tests put stand-ins in front. Whoever sets these can only do what he could do by hand: this runs with his own rights.
PATH=${PRIVILEGES_LOGGER_PATH:-/usr/bin:/bin:/usr/sbin:/sbin}
export PATH

readonly VERSION=2.0
readonly TAG=privileges_local_logger
readonly LOG="${PRIVILEGES_LOG:-/usr/local/var/log/privileges/events.ndjson}"
# A folder of its own, so that users may make and remove a lock there, but not touch the log's own folder.
readonly LOCK="${LOG%/*}/.lock/events"
readonly ATTEMPTS=40 # to get the lock, or to find the log while newsyslog exchanges it: 40 × 50 ms = 2 s
readonly PAUSE=0.05
readonly PATIENCE=3 # seconds that one program may take that we ask for a fact

# ── Asking the system ──────────────────────────────────────────────────────────────────────────────────────────

# bounded COMMAND…: its output; it is killed after PATIENCE seconds. (macOS has no timeout(1).)
bounded() {
    "$@" 2> /dev/null < /dev/null &
    bounded_child=$!
    # The watchdog holds no pipe of ours open: an orphaned sleep delays nobody.
    (sleep "$PATIENCE" && kill -9 "$bounded_child") > /dev/null 2>&1 < /dev/null &
    bounded_watchdog=$!
    wait "$bounded_child" 2> /dev/null
    kill "$bounded_watchdog" 2> /dev/null
    return 0
}

# property NAME TEXT: the quoted value of  "NAME" = "value"  in ioreg's output.
property() {
    property_mark="\"$1\" = \""
    property_rest=${2#*"$property_mark"}
    [ "$property_rest" != "$2" ] || return 0
    property_rest=${property_rest%%'"'*}
    printf '%s' "$property_rest"
}

first_line() {
    first_line_feed='
'
    printf '%s' "${1%%"$first_line_feed"*}"
}

# ── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────

is_time() {
    case $1 in
        [12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9].[0-9][0-9][0-9]Z) return 0 ;;
    esac
    return 1
}

# Now, in UTC, to the millisecond. macOS' date knows no fractions and bash 3.2 no EPOCHREALTIME, but zsh is part of every macOS
# since 10.3 and has a clock of its own; perl is, for now. Without any of them: whole seconds, which still tell events apart,
# for the process id is in the line too.
now() {
    # shellcheck disable=SC2016 # zsh's variables
    now_text=$(TZ=UTC0 bounded zsh -f -c 'zmodload zsh/datetime && t=$EPOCHREALTIME && strftime -s d %Y-%m-%dT%H:%M:%S ${t%.*} &&
        f=${t#*.}000 && print -r -- "$d.${f[1,3]}Z"')
    is_time "$now_text" && printf '%s' "$now_text" && return 0
    # shellcheck disable=SC2016 # perl's variables
    now_text=$(bounded perl -MTime::HiRes=gettimeofday -MPOSIX=strftime -e '
        my ($s, $u) = gettimeofday; printf "%s.%03dZ", strftime("%Y-%m-%dT%H:%M:%S", gmtime $s), $u / 1000')
    is_time "$now_text" && printf '%s' "$now_text" && return 0
    now_text=$(date -u '+%Y-%m-%dT%H:%M:%S.%3NZ' 2> /dev/null)
    is_time "$now_text" && printf '%s' "$now_text" && return 0
    date -u '+%Y-%m-%dT%H:%M:%S.000Z'
}

# ── JSON ───────────────────────────────────────────────────────────────────────────────────────────────────────

# unicode_escape OCTAL: a control character as JSON writes it, for printf's format.
unicode_escape() {
    printf '\\134u%04x' "0$1"
}

# json_text TEXT LIMIT: a JSON string with its quotation marks, of at most LIMIT bytes of TEXT. Bytes that are no UTF-8 become
# U+FFFD, for one such byte would make the whole line unreadable to others.
json_text() {
    case $1 in
        *[!A-Za-z0-9\ ._:/@+,=-]*) ;;
        *)
            # Nothing to escape. %.Ns counts bytes in this locale.
            printf '"%.*s"' "$2" "$1"
            return 0
            ;;
    esac
    # Every byte by its octal number, which no locale and no shell reads in its own way. json_out is a format for printf.
    json_out='' json_pending='' json_wanted=0 json_low=200 json_high=277
    for json_byte in $(printf "%.${2}s" "$1" | od -An -v -to1); do
        if [ "$json_wanted" -gt 0 ]; then
            if [ "$json_byte" -ge "$json_low" ] && [ "$json_byte" -le "$json_high" ]; then
                json_pending="$json_pending\\$json_byte" json_wanted=$((json_wanted - 1)) json_low=200 json_high=277
                [ "$json_wanted" -gt 0 ] || json_out="$json_out$json_pending"
                continue
            fi
            json_out="$json_out\\357\\277\\275" json_wanted=0
        fi
        json_low=200 json_high=277
        case $json_byte in
            042 | 134) json_out="$json_out\\134\\$json_byte" ;;
            0[0-3]? | 177) json_out="$json_out$(unicode_escape "$json_byte")" ;;
            0?? | 1??) json_out="$json_out\\$json_byte" ;;
            # The lead bytes of UTF-8 (RFC 3629, section 4), with what may follow each.
            30[2-7] | 3[123]?) json_wanted=1 ;;
            340) json_wanted=2 json_low=240 ;;
            355) json_wanted=2 json_high=237 ;;
            34? | 35?) json_wanted=2 ;;
            360) json_wanted=3 json_low=220 ;;
            36[1-3]) json_wanted=3 ;;
            364) json_wanted=3 json_high=217 ;;
            *) json_out="$json_out\\357\\277\\275" ;;
        esac
        json_pending="\\$json_byte"
    done
    # A character that the limit has cut is left out.
    # shellcheck disable=SC2059 # it is a format: octal escapes, nothing else
    printf "\"$json_out\""
}

# ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────────

# tell TEXT: into the system log. Nothing else can be done, so nothing is checked. The tag is in the text too: macOS' log keeps no other.
tell() {
    bounded logger -p user.err -t "$TAG" "$TAG: $1" > /dev/null
}

# The lock is a symbolic link whose target is its holder's process id: made whole or not at all, and macOS has no flock(1).
lock() {
    lock_tries=0
    while [ "$lock_tries" -lt "$ATTEMPTS" ]; do
        # -n: were it a link to a folder, that is no place to make one in.
        ln -sn "$$" "$LOCK" 2> /dev/null && return 0
        [ -d "${LOCK%/*}" ] || return 1
        lock_holder=''
        # Whether its holder lives is asked at once and then twice a second: asking takes as much as the rest of an attempt.
        [ $((lock_tries % 10)) -ne 0 ] || lock_holder=$(readlink "$LOCK" 2> /dev/null)
        # ps, not kill -0: the holder may be another user's.
        if [ -n "$lock_holder" ] && ! ps -p "$lock_holder" > /dev/null 2>&1; then
            break_lock "$lock_holder"
        else
            sleep "$PAUSE"
        fi
        lock_tries=$((lock_tries + 1))
    done
    return 1
}

# break_lock PID: removes a dead holder's lock. Only the one who moves it away removes it, and who finds that he has moved a
# living one's (it was taken between our look and our move) puts it back.
break_lock() {
    mv "$LOCK" "$LOCK.$$" 2> /dev/null || return 0
    break_lock_found=$(readlink "$LOCK.$$" 2> /dev/null)
    # Everyone may write into that folder: what is no process id may be an option to ln.
    case $break_lock_found in
        "$1" | '' | *[!0-9]*) ;;
        *) ln -sn "$break_lock_found" "$LOCK" 2> /dev/null ;;
    esac
    rm -f "$LOCK.$$"
}

unlock() {
    [ "$(readlink "$LOCK" 2> /dev/null)" = "$$" ] && rm -f "$LOCK"
}

# newsyslog renames the log and makes a new one at once: between the two there is none. Nobody else makes it, so that it
# always has newsyslog's owner and mode.
await_log() {
    await_log_tries=0
    while [ ! -e "$LOG" ]; do
        [ "$await_log_tries" -lt "$ATTEMPTS" ] || return 1
        sleep "$PAUSE"
        await_log_tries=$((await_log_tries + 1))
    done
}

# Whether the log's last line has no end.
ends_in_half() {
    [ -f "$LOG" ] || return 1
    case $(tail -c 1 "$LOG" 2> /dev/null | od -An -to1) in
        '' | *012*) return 1 ;;
    esac
}

# append LINE: in one write, for a line is shorter than any shell's buffer (see the limits in main) and the log is opened to append.
append() {
    append_start=''
    # A disk that was full may have left half a line: ours starts on a new one, so that only the half is lost. What somebody writes
    # without the lock looks like one, but only for a moment.
    if ends_in_half && { sleep "$PAUSE"; ends_in_half; }; then
        append_start='
'
    fi
    # In a subshell: a redirection that fails would end some shells.
    (printf '%s%s\n' "$append_start" "$1" >> "$LOG") 2> /dev/null
}

record() {
    record_tries=0
    while await_log; do
        record_locked=no
        # Without the lock we write all the same: an append of one short line is whole on a local disk, and a lost event is worse.
        lock && record_locked=yes
        append "$1"
        record_status=$?
        [ "$record_locked" = no ] || unlock
        [ "$record_status" -ne 0 ] || return 0
        # It may have been renamed between our look and our write: then there is a new one soon.
        if [ -e "$LOG" ] || [ "$record_tries" -ge 3 ]; then return 1; fi
        record_tries=$((record_tries + 1))
    done
    return 1
}

# ── One event ──────────────────────────────────────────────────────────────────────────────────────────────────

main() {
    time=$(now)
    user=${1:-}
    state=${2:-}
    [ -n "$user" ] || user=$(id -un 2> /dev/null)
    case $state in
        admin) action=grant ;;
        user) action=revoke ;;
        *) action=unknown ;; # recorded, and left to the server's schema to refuse and keep
    esac
    parent=$(first_line "$(bounded ps -o comm= -p "$PPID")")
    hardware=$(bounded ioreg -rd1 -c IOPlatformExpertDevice)
    name=$(first_line "$(bounded scutil --get ComputerName)")
    [ -n "$name" ] || name=$(hostname 2> /dev/null)
    # The limits keep the line below 4,096 bytes even when each byte needs six.
    line=$(
        printf '{"event_type":"privileges_change","username":%s,"state":%s,"action":"%s","timestamp":"%s"' \
            "$(json_text "$user" 255)" "$(json_text "$state" 32)" "$action" "$time"
        printf ',"serial":%s,"hostname":%s,"hardware_uuid":%s' "$(json_text "$(property IOPlatformSerialNumber "$hardware")" 64)" \
            "$(json_text "$name" 128)" "$(json_text "$(property IOPlatformUUID "$hardware")" 64)"
        printf ',"parent_process":%s,"parent_pid":%d,"script_pid":%d,"script_version":"%s"}' \
            "$(json_text "${parent##*/}" 64)" "$PPID" "$$" "$VERSION"
    )
    record "$line" || tell "not recorded, $LOG cannot be written (disk full, or the kit's installer has to be run again): $line"
}

main "$@" > /dev/null 2>&1 < /dev/null
exit 0
