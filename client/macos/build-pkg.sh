#!/bin/sh
# Makes an installer package of this folder, for MDM; on a Mac, with Apple's pkgbuild:
#
#     ./build-pkg.sh [--sign "Developer ID Installer: …"] [--trust-local-admins] [OUTPUT.pkg]
#
# The package's payload is empty, so that macOS keeps a receipt of it (with --nopayload there is none); its postinstall is install.sh, so
# that there is one way to install. --trust-local-admins is handed on to it. A file `token` beside this script goes into the package,
# which is then a secret.
set -eu
umask 077

readonly IDENTIFIER=com.privileges.fluent-bit
kit=$(cd "$(dirname "$0")" && pwd)
readonly kit
sign=
install_options=
while [ $# -gt 0 ]; do
    case $1 in
        --sign)
            [ $# -gt 1 ] || { printf 'build-pkg: --sign needs a name\n' >&2 && exit 1; }
            sign=$2
            shift
            ;;
        --trust-local-admins) install_options=' --trust-local-admins' ;;
        -*) printf 'build-pkg: knows --sign NAME and --trust-local-admins; not %s\n' "$1" >&2 && exit 1 ;;
        *) break ;;
    esac
    shift
done
output=${1:-$kit/privileges-sluice.pkg}
command -v pkgbuild > /dev/null || { printf 'build-pkg: pkgbuild is missing: run this on a Mac\n' >&2 && exit 1; }

# With the time, so that each package is newer than the one before it: else MDM would see nothing to install in one that brings a new token.
version=$(sed -n 's/^readonly VERSION=//p' "$kit/privileges_local_logger.sh").$(date -u +%Y%m%d%H%M)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
scripts=$work/scripts
mkdir "$scripts" "$work/payload"
# The package says of / what this is.
chmod 755 "$work/payload"
for file in privileges_local_logger.sh privileges_fluent_bit.sh fluent-bit.conf parsers.conf newsyslog-privileges.conf \
    com.privileges.fluent-bit.plist install.sh uninstall.sh; do
    cp "$kit/$file" "$scripts/$file"
done
[ ! -f "$kit/token" ] || cp "$kit/token" "$scripts/token"
# The installer passes paths that install.sh has no use for.
cat > "$scripts/postinstall" << END
#!/bin/sh
exec "\$(dirname "\$0")/install.sh"$install_options
END
chmod 755 "$scripts/postinstall" "$scripts/install.sh"

set -- --root "$work/payload" --identifier "$IDENTIFIER" --version "$version" --scripts "$scripts"
[ -z "$sign" ] || set -- "$@" --sign "$sign"
pkgbuild "$@" "$output"
