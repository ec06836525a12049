#!/bin/sh
# Installs the kit on this Mac, or brings an installed one up to date; as often as you like. As root:
#
#     sudo ./install.sh [--token-file FILE] [--no-start] [--trust-local-admins]
#
# Without --token-file: the file `token` beside this script, else the token that is installed. With DESTDIR set, everything goes below
# that folder, nothing is started, and root is not needed. --trust-local-admins accepts that others than root could change what root runs.
set -eu
umask 022

readonly LABEL=com.privileges.fluent-bit
kit=$(cd "$(dirname "$0")" && pwd)
readonly kit
readonly ROOT="${DESTDIR:-}"
readonly BIN="$ROOT/usr/local/bin"
readonly CONFIGURATION="$ROOT/usr/local/etc/fluent-bit"
readonly LOGS="$ROOT/usr/local/var/log/privileges"
readonly STATE="$ROOT/usr/local/var/lib/privileges-fluent-bit"
readonly NEWSYSLOG="$ROOT/etc/newsyslog.d"
readonly DAEMONS="$ROOT/Library/LaunchDaemons"

fail() {
    printf 'install: %s\n' "$*" >&2
    exit 1
}

warn() {
    printf 'install: %s\n' "$*" >&2
}

token=
start=yes
trust=no
while [ $# -gt 0 ]; do
    case $1 in
        --token-file)
            [ $# -gt 1 ] || fail "--token-file needs a file"
            token=$2
            shift
            ;;
        --no-start) start=no ;;
        --trust-local-admins) trust=yes ;;
        *) fail "knows --token-file FILE, --no-start and --trust-local-admins; not $1" ;;
    esac
    shift
done
if [ -z "$token" ] && [ -f "$kit/token" ]; then token=$kit/token; fi

owner=0
if [ -n "$ROOT" ]; then
    owner=$(id -u)
    start=no
    mkdir -p "$ROOT"
elif [ "$(id -u)" -ne 0 ]; then
    fail "must run as root: sudo $0"
fi

for file in privileges_local_logger.sh privileges_fluent_bit.sh fluent-bit.conf parsers.conf newsyslog-privileges.conf "$LABEL.plist" uninstall.sh; do
    [ -f "$kit/$file" ] || fail "$kit/$file is missing: the kit is not whole"
done
if [ -n "$token" ] && ! [ -s "$token" ]; then fail "$token is missing or empty"; fi

# set_owner OWNER:GROUP PATH
set_owner() {
    [ -n "$ROOT" ] || chown "$1" "$2"
}

# make_folder PATH MODE OWNER:GROUP
make_folder() {
    [ -L "$1" ] && fail "$1 is a symbolic link: remove it"
    mkdir -p "$1"
    set_owner "$3" "$1"
    chmod "$2" "$1"
}

# put FILE FOLDER MODE [NAME]: whole or not at all, and readable by nobody else before its mode is set.
put() {
    put_target=$2/${4:-${1##*/}}
    [ -d "$put_target" ] && fail "$put_target is a folder: remove it"
    put_new=$(mktemp "$2/.install.XXXXXX") || fail "$2 cannot be written"
    if ! cat "$1" > "$put_new"; then
        rm -f "$put_new"
        fail "$put_target cannot be written"
    fi
    set_owner root:wheel "$put_new"
    chmod "$3" "$put_new"
    mv -f "$put_new" "$put_target"
}

# What root will run, or write to, must be in folders that only root can change: else whoever can, becomes root.
check_folders() {
    check_folder=$1
    while [ -n "$check_folder" ] && [ "$check_folder" != "$ROOT" ] && [ "$check_folder" != / ]; do
        # shellcheck disable=SC2012,SC2046 # ls: stat has other options on each system. Split on purpose: mode, links, owner.
        set -- $(ls -ldn "$check_folder")
        check_bad=
        [ "$3" = "$owner" ] || check_bad="belongs to user $3"
        case $1 in
            ?????w???[tT]* | ????????w[tT]*) ;;
            ?????w* | ????????w*) check_bad="can be written to by others ($1)" ;;
        esac
        if [ -n "$check_bad" ]; then
            [ "$trust" = yes ] || fail "$check_folder $check_bad, so others than root could change what root runs. Mend it
  (chown root, chmod go-w; Homebrew on Intel Macs makes it so), or accept it with --trust-local-admins."
            warn "$check_folder $check_bad: accepted"
        fi
        check_folder=${check_folder%/*}
    done
}

for folder in "$BIN" "$CONFIGURATION" "$LOGS" "$STATE" "$NEWSYSLOG" "$DAEMONS"; do mkdir -p "$folder"; done
make_folder "$CONFIGURATION" 755 root:wheel
make_folder "$LOGS" 755 root:wheel
make_folder "$LOGS/.lock" 775 root:everyone
make_folder "$STATE" 700 root:wheel
for folder in "$BIN" "$CONFIGURATION" "$LOGS" "$STATE" "$NEWSYSLOG" "$DAEMONS"; do check_folders "$folder"; done

put "$kit/privileges_local_logger.sh" "$BIN" 755
put "$kit/privileges_fluent_bit.sh" "$BIN" 755
# Under a name that says whose it is: a Mac that MDM has set up has no folder of the kit.
put "$kit/uninstall.sh" "$BIN" 755 privileges_uninstall.sh
put "$kit/fluent-bit.conf" "$CONFIGURATION" 644
put "$kit/parsers.conf" "$CONFIGURATION" 644
put "$kit/newsyslog-privileges.conf" "$NEWSYSLOG" 644
put "$kit/$LABEL.plist" "$DAEMONS" 644
[ -z "$token" ] || put "$token" "$CONFIGURATION" 600 token
# At each start too, for privileges_fluent_bit.sh looks again.
rm -f "$CONFIGURATION/trust-local-admins"
[ "$trust" = no ] || put /dev/null "$CONFIGURATION" 644 trust-local-admins

# Users write the log, newsyslog exchanges it; what is in it stays. The group is everyone: a directory's accounts are not in staff.
log=$LOGS/events.ndjson
if [ -L "$log" ] || { [ -e "$log" ] && ! [ -f "$log" ]; }; then fail "$log is no plain file: remove it"; fi
[ -f "$log" ] || : > "$log"
set_owner root:everyone "$log"
chmod 664 "$log"

if grep -q '^@SET SLUICE_HOST=sluice\.example\.com$' "$CONFIGURATION/fluent-bit.conf"; then
    warn "fluent-bit.conf still names sluice.example.com: write your server's name, or make the kit with sluice profile fluent-bit"
fi
if ! [ -s "$CONFIGURATION/token" ]; then
    warn "there is no token yet: run this again with --token-file FILE. Events are recorded meanwhile and sent afterwards."
    start=no
fi

# Root runs Fluent Bit as well. Below DESTDIR only when it is named: this machine's is not the one that will run.
if [ -z "$ROOT" ] || [ -n "${FLUENT_BIT:-}" ]; then
    program_status=0
    PRIVILEGES_CONFIGURATION=$CONFIGURATION sh "$BIN/privileges_fluent_bit.sh" --check || program_status=$?
    case $program_status in
        0) ;;
        69) warn "Fluent Bit can be installed later: launchd tries again" ;;
        *) fail "all is installed, and nothing is started: see above" ;;
    esac
fi

if [ "$start" = yes ]; then
    launchctl bootout "system/$LABEL" 2> /dev/null || true
    # bootout may come back before the old one has gone; bootstrap says so with an error.
    tries=0
    until launchctl bootstrap system "$DAEMONS/$LABEL.plist" 2> /dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 20 ] || fail "launchctl bootstrap system $DAEMONS/$LABEL.plist does not work: try it by hand to see why"
        sleep 1
    done
fi
printf 'install: done\n'
