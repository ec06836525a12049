#!/bin/sh
# Starts Fluent Bit with the token from its file: what launchd runs. The token is in no property list (launchctl print shows those
# to everybody) and on no command line (ps does).
set -eu
umask 077
readonly CONFIGURATION="${PRIVILEGES_CONFIGURATION:-/usr/local/etc/fluent-bit}"
readonly TOKEN="$CONFIGURATION/token"
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
program=$(fluent_bit) || fail "Fluent Bit is not installed: see README.md"

# launchd opened the logs; they grow by a line for each failed try. At a megabyte, one old one is kept.
for log in /usr/local/var/log/fluent-bit.log /usr/local/var/log/fluent-bit-error.log; do
    if [ -f "$log" ] && [ -w "$log" ] && [ "$(wc -c < "$log")" -gt "$LONGEST_LOG" ]; then
        cp -f "$log" "$log.0" && : > "$log"
    fi
done

# All rotated files: what Fluent Bit has noted of the log tells nothing about one that was rotated after it died. It knows those that it
# has read by their inodes, and Sluice takes an event twice and stores it once, so one file too many does no harm.
events=$(setting PRIVILEGES_LOG)
state=$(setting PRIVILEGES_STATE)
mkdir -p "$state/storage"
PRIVILEGES_ROTATED=
for number in 9 8 7 6 5 4 3 2 1 0; do
    rotated=$events.$number
    [ ! -f "$rotated" ] || PRIVILEGES_ROTATED=$PRIVILEGES_ROTATED,$rotated
done
export PRIVILEGES_ROTATED

cd "$CONFIGURATION"
exec "$program" -c "$CONFIGURATION/fluent-bit.conf"
