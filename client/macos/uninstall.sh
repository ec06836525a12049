#!/bin/sh
# Removes the kit from this Mac; as often as you like. As root:
#
#     sudo ./uninstall.sh [--purge]
#
# The events that were recorded, and what Fluent Bit has not sent yet, stay unless --purge is given. DESTDIR as in install.sh.
set -eu

readonly LABEL=com.privileges.fluent-bit
readonly ROOT="${DESTDIR:-}"
purge=no
case ${1:-} in
    '') ;;
    --purge) purge=yes ;;
    *)
        printf 'uninstall: knows --purge; not %s\n' "$1" >&2
        exit 1
        ;;
esac

if [ -z "$ROOT" ]; then
    if [ "$(id -u)" -ne 0 ]; then
        printf 'uninstall: must run as root: sudo %s\n' "$0" >&2
        exit 1
    fi
    launchctl bootout "system/$LABEL" 2> /dev/null || true
    # bootout may come back before Fluent Bit has gone, which still writes.
    tries=0
    while launchctl print "system/$LABEL" > /dev/null 2>&1 && [ "$tries" -lt 20 ]; do
        tries=$((tries + 1))
        sleep 1
    done
    pkgutil --forget com.privileges.fluent-bit > /dev/null 2>&1 || true
fi

rm -f "$ROOT/Library/LaunchDaemons/$LABEL.plist" \
    "$ROOT/etc/newsyslog.d/newsyslog-privileges.conf" \
    "$ROOT/usr/local/bin/privileges_local_logger.sh" \
    "$ROOT/usr/local/bin/privileges_fluent_bit.sh" \
    "$ROOT/usr/local/bin/privileges_uninstall.sh" \
    "$ROOT/usr/local/etc/fluent-bit/fluent-bit.conf" \
    "$ROOT/usr/local/etc/fluent-bit/parsers.conf" \
    "$ROOT/usr/local/etc/fluent-bit/token" \
    "$ROOT/usr/local/etc/fluent-bit/trust-local-admins"
# Only when nothing of somebody else's is in it.
rmdir "$ROOT/usr/local/etc/fluent-bit" 2> /dev/null || true

if [ "$purge" = yes ]; then
    rm -rf "$ROOT/usr/local/var/lib/privileges-fluent-bit" "$ROOT/usr/local/var/log/privileges"
    rm -f "$ROOT/usr/local/var/log/fluent-bit.log" "$ROOT/usr/local/var/log/fluent-bit.log.0" \
        "$ROOT/usr/local/var/log/fluent-bit-error.log" "$ROOT/usr/local/var/log/fluent-bit-error.log.0"
fi
printf 'uninstall: done\n'
