#!/bin/sh
# Makes an installer package of this folder, for MDM; on a Mac, with Apple's pkgbuild:
#
#     ./build-pkg.sh [--sign "Developer ID Installer: …"] [OUTPUT.pkg]
#
# The package has no payload: its postinstall is install.sh, so that there is one way to install. A file `token` beside this
# script goes into the package, which is then a secret.
set -eu
umask 077

readonly IDENTIFIER=com.privileges.fluent-bit
kit=$(cd "$(dirname "$0")" && pwd)
readonly kit
sign=
if [ "${1:-}" = --sign ]; then
    [ $# -gt 1 ] || { printf 'build-pkg: --sign needs a name\n' >&2 && exit 1; }
    sign=$2
    shift 2
fi
output=${1:-$kit/privileges-sluice.pkg}
command -v pkgbuild > /dev/null || { printf 'build-pkg: pkgbuild is missing: run this on a Mac\n' >&2 && exit 1; }

version=$(sed -n 's/^readonly VERSION=//p' "$kit/privileges_local_logger.sh")
scripts=$(mktemp -d)
trap 'rm -rf "$scripts"' EXIT
for file in privileges_local_logger.sh privileges_fluent_bit.sh fluent-bit.conf parsers.conf newsyslog-privileges.conf \
    com.privileges.fluent-bit.plist install.sh; do
    cp "$kit/$file" "$scripts/$file"
done
[ ! -f "$kit/token" ] || cp "$kit/token" "$scripts/token"
# The installer passes paths that install.sh has no use for.
cat > "$scripts/postinstall" << 'END'
#!/bin/sh
exec "$(dirname "$0")/install.sh"
END
chmod 755 "$scripts/postinstall" "$scripts/install.sh"

set -- --nopayload --identifier "$IDENTIFIER" --version "$version" --scripts "$scripts"
[ -z "$sign" ] || set -- "$@" --sign "$sign"
pkgbuild "$@" "$output"
