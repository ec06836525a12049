#!/bin/sh
# Installs what building and testing need and this machine lacks (Debian, Ubuntu); elsewhere says what to install.
# Nothing happens when all is there. With the argument `bench` also what only the benchmarks need, with `test` what only tests need.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-}

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

check_swift() {
    command -v swift > /dev/null 2>&1 ||
        fail "Swift is missing: install 6.2 or newer from https://www.swift.org/install and put it into PATH."
    version=$(swift --version 2> /dev/null | sed -n 's/.*Swift version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | head -n 1)
    case $version in
        '') fail "swift --version gives no version: reinstall Swift from https://www.swift.org/install." ;;
        [0-5].* | 6.0 | 6.1) fail "Swift $version is too old: install 6.2 or newer from https://www.swift.org/install." ;;
    esac
}

# The places where LocalCluster's PostgresBinaries looks, roughly: the server's programs are often not in PATH.
has_postgres() {
    if [ -n "${SLUICE_BIN_POSTGRES:-}" ]; then
        [ -x "$SLUICE_BIN_POSTGRES/initdb" ] || fail "SLUICE_BIN_POSTGRES is $SLUICE_BIN_POSTGRES, but there is no initdb in it."
        return 0
    fi
    command -v initdb > /dev/null 2>&1 && return 0
    for initdb in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb /opt/homebrew/opt/postgresql*/bin/initdb; do
        [ -x "$initdb" ] && return 0
    done
    return 1
}

# For the tests. Its folder is often not in PATH.
has_pgbouncer() {
    command -v pgbouncer > /dev/null 2>&1 || [ -x /usr/sbin/pgbouncer ]
}

has_library() {
    command -v pkg-config > /dev/null 2>&1 && pkg-config --exists "$1" 2> /dev/null
}

# What is missing, by Debian's package names.
missing() {
    command -v make > /dev/null 2>&1 || echo make
    command -v pkg-config > /dev/null 2>&1 || echo pkg-config
    has_library libpq || echo libpq-dev
    has_library libssl || echo libssl-dev
    has_library zlib || echo zlib1g-dev
    has_library sqlite3 || echo libsqlite3-dev
    has_postgres || echo postgresql
    command -v curl > /dev/null 2>&1 || echo curl
    command -v setpriv > /dev/null 2>&1 || echo util-linux
    [ "$purpose" != bench ] || missing_for_bench
    [ "$purpose" != test ] || missing_for_test
}

# pgbench and psql come with the server's packages; Debian's postgresql-client-common puts both into PATH.
missing_for_bench() {
    command -v wrk > /dev/null 2>&1 || echo wrk
    command -v cc > /dev/null 2>&1 || echo gcc libc6-dev
    { command -v pgbench > /dev/null 2>&1 && command -v psql > /dev/null 2>&1; } || echo postgresql postgresql-client-common
}

# Real ones stand before the API in the tests, and check what it says of itself. Debian starts them when it installs them; nobody needs that.
missing_for_test() {
    has_pgbouncer || echo pgbouncer
    # Exports are read back with it, a data.db is made with it, and the Mac kit's tests are written in it.
    command -v python3 > /dev/null 2>&1 || echo python3
    # For what comes from PyPI; Debian's python3 has no ensurepip by itself.
    python3 -c 'import ensurepip, venv' > /dev/null 2>&1 || echo python3-venv
    command -v shellcheck > /dev/null 2>&1 || echo shellcheck
    command -v plistutil > /dev/null 2>&1 || echo libplist-utils
    command -v ps > /dev/null 2>&1 || echo procps
    command -v psql > /dev/null 2>&1 || echo postgresql-client-common postgresql-client
    command -v zsh > /dev/null 2>&1 || echo zsh
    # For make faults: its library goes into programs whose clock is to be ahead.
    command -v faketime > /dev/null 2>&1 || echo faketime
    for program in nginx haproxy caddy prometheus promtool; do
        [ -x "/usr/sbin/$program" ] || command -v "$program" > /dev/null 2>&1 || echo "$program" | sed 's/promtool/prometheus/; s/^nginx$/nginx-light/'
    done | sort -u
}

# Python programs that Debian does not have, in a folder of our own: it is made anew when the list changes.
install_from_pypi() {
    [ "$purpose" = test ] || return 0
    wanted=Tests/OpenAPI/requirements.txt
    ! cmp -s "$wanted" .build/venv/requirements.txt || return 0
    echo "setup: installs from PyPI into .build/venv: $(grep '^schemathesis==' "$wanted")"
    mkdir -p .build
    { python3 -m venv --clear .build/venv && .build/venv/bin/pip install -q --disable-pip-version-check -r "$wanted"; } ||
        fail "PyPI's packages of $wanted were not installed: see above. Python 3.10 or newer and a way to PyPI are needed."
    cp "$wanted" .build/venv/requirements.txt
}

case $purpose in
    '' | bench | test) ;;
    *) fail "knows the arguments bench and test, or none; not $purpose." ;;
esac
check_swift
packages=$(missing | tr '\n' ' ')
packages=${packages% }
if [ -z "$packages" ]; then
    install_from_pypi
    exit 0
fi

command -v apt-get > /dev/null 2>&1 || fail "missing, by Debian's names: $packages. Install what your system calls them (Fedora:
  dnf install make libpq-devel openssl-devel sqlite-devel pkgconf postgresql-server pgbouncer curl python3 util-linux ShellCheck
  libplist zsh; macOS: brew install libpq openssl pkgconf postgresql pgbouncer shellcheck libplist),
  then run this again."

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null 2>&1 || fail "missing: $packages. There is no sudo here; as root run: apt-get install $packages"
    as_root=sudo
    echo "setup: uses sudo, which may ask for your password, to install: $packages"
else
    echo "setup: installs: $packages"
fi

# Debian makes and starts a server of its own with the package, which nobody here wants. Where PostgreSQL's packages are
# already, that was somebody's choice and stays.
case " $packages " in
    *' postgresql '*)
        if ! dpkg-query -W -f '${db:Status-Status}\n' postgresql-common 2> /dev/null | grep -qx installed; then
            echo "setup: Debian's own server \"main\" is not made: /etc/postgresql-common/createcluster.d/sluice.conf says so"
            $as_root mkdir -p /etc/postgresql-common/createcluster.d
            echo 'create_main_cluster = false' | $as_root tee /etc/postgresql-common/createcluster.d/sluice.conf > /dev/null
        fi
        ;;
esac
# Debian starts PgBouncer as a service, which nobody here wants either: it stays off from the start where it is new.
case " $packages " in
    *' pgbouncer '*)
        if command -v systemctl > /dev/null 2>&1; then
            echo "setup: PgBouncer's own service stays off: systemctl unmask pgbouncer brings it back"
            $as_root systemctl mask -q pgbouncer || true
        fi
        ;;
esac

# Servers that a package starts by itself are for tests of ours only: RUNLEVEL keeps them from being started.
$as_root apt-get update -q
# shellcheck disable=SC2086 # one word for each package
$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y --no-install-recommends $packages

packages=$(missing | tr '\n' ' ')
[ -z "$packages" ] || fail "still missing after the installation: ${packages% }. See what apt-get said above."
install_from_pypi
echo "setup: done"
