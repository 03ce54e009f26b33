# Sourced by the scripts beside it: names, folders and versions that they share.
#
# FACEPLATE_PREFIX  folder of the cross toolchain (default: target/toolchain); cross/toolchain fills it
# PROFILE           cargo profile: dist (what is shipped, the default) or release (quick)

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PREFIX=${FACEPLATE_PREFIX:-$ROOT/target/toolchain}
PROFILE=${PROFILE:-dist}
# A folder of its own: another compiler makes these files.
export CARGO_TARGET_DIR=$ROOT/target/cross

# The oldest C library that the binaries run on: Ubuntu 18.04, JetPack 4.
GLIBC=2.27
ZIG=0.17.1
ZIGBUILD=0.24.1

fail() { echo "${0##*/}: $*" >&2; exit 1; }

# Sets TRIPLE, and for emulators QEMU (program, none for the building machine's own processor) and SYSROOT (where the target's C
# library lies), from a short or a full name.
target() {
    case ${1:-} in
        aarch64 | arm64 | aarch64-unknown-linux-gnu)
            TRIPLE=aarch64-unknown-linux-gnu DEB_ARCH=arm64 SHORT=aarch64 QEMU=qemu-aarch64 SYSROOT=/usr/aarch64-linux-gnu ;;
        armv7 | armhf | armv7-unknown-linux-gnueabihf)
            TRIPLE=armv7-unknown-linux-gnueabihf DEB_ARCH=armhf SHORT=armv7 QEMU=qemu-arm SYSROOT=/usr/arm-linux-gnueabihf ;;
        x86_64 | amd64 | x86_64-unknown-linux-gnu)
            TRIPLE=x86_64-unknown-linux-gnu DEB_ARCH=amd64 SHORT=x86_64 QEMU= SYSROOT= ;;
        # Static ones, which need no C library.
        aarch64-musl | aarch64-unknown-linux-musl)
            TRIPLE=aarch64-unknown-linux-musl DEB_ARCH=arm64 SHORT=aarch64-musl QEMU=qemu-aarch64 SYSROOT=/ ;;
        x86_64-musl | x86_64-unknown-linux-musl)
            TRIPLE=x86_64-unknown-linux-musl DEB_ARCH=amd64 SHORT=x86_64-musl QEMU= SYSROOT= ;;
        *) fail "no target '${1:-}': aarch64, armv7, x86_64, aarch64-musl or x86_64-musl" ;;
    esac
    BINARY=$CARGO_TARGET_DIR/$TRIPLE/$PROFILE/faceplate
}

# Sets EMULATOR, the words before a program of the target, and installs it. It shows this machine's processor, in which the
# inference library does not find what the board has.
emulator() {
    EMULATOR=
    [ -n "$QEMU" ] || return 0
    packages qemu-user-static libc6-"$DEB_ARCH"-cross
    EMULATOR="$QEMU-static -L $SYSROOT"
    export TRACT_CPU_ARM32_NEON=1 TRACT_CPU_AARCH64_KIND=a72
}

# Puts the toolchain into the environment.
toolchain() {
    [ -f "$PREFIX/env" ] || "$ROOT/cross/toolchain"
    # shellcheck source=/dev/null
    . "$PREFIX/env"
    # Of the static targets it has none at first, and Debian's compiler never: then 77 says that they cannot be built here.
    [ -d "$(rustc --print target-libdir --target "$TRIPLE")" ] || timeout 60 rustup target add "$TRIPLE" || {
        echo "${0##*/}: the compiler has no standard library for $TRIPLE" >&2
        exit 77
    }
    # No path of the building machine in the binary: the same source gives the same bytes in any folder.
    export RUSTFLAGS="--remap-path-prefix=$ROOT=/faceplate --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
}

# The name that zigbuild takes: with the C library's version, where that is glibc.
zig_target() {
    case $TRIPLE in
        *-musl) echo "$TRIPLE" ;;
        *) echo "$TRIPLE.$GLIBC" ;;
    esac
}

# Installs Debian packages that are missing.
packages() {
    local missing=()
    for package in "$@"; do dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package"); done
    [ ${#missing[@]} = 0 ] && return
    [ "$(id -u)" = 0 ] || fail "these packages are needed: ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Sets what is shipped's VERSION and time, OUT, where it goes, and STAGE, an empty folder. To be called in ROOT.
release() {
    export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
    VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
    OUT=target/packages
    STAGE=target/stage/$SHORT
    rm -rf "$STAGE"
    mkdir -p "$OUT" "$STAGE"
}

# put MODE SOURCE DESTINATION: a file, with its folders.
put() { install -D -m "$1" "$2" "$3"; }

# Makes an apt that sees neither this machine's settings nor its packages, only its Debian mirror: private_apt FOLDER
# "ARCHITECTURE..." SUITE... The first architecture is its own. Prints what APT_CONFIG has to be; 77 if there is no mirror.
private_apt() {
    local folder=$1 architectures=$2 mirror suite
    shift 2
    mirror=$(apt-cache policy | grep -oE 'https?://[^ ]*/debian/? ' | tr -d ' ' | sort -u | head -1)
    [ -n "$mirror" ] || { echo "${0##*/}: no Debian mirror is configured" >&2; return 77; }
    mkdir -p "$folder"/etc/{apt.conf.d,preferences.d,sources.list.d} "$folder/state/lists/partial" "$folder/cache/archives/partial"
    : >"$folder/status"
    cat >"$folder/conf" <<CONF
Dir::Etc "$folder/etc"; Dir::State "$folder/state"; Dir::Cache "$folder/cache"; Dir::State::status "$folder/status";
APT::Architecture "${architectures%% *}"; APT::Architectures { $(printf '"%s"; ' $architectures) };
Acquire::Languages "none"; APT::Sandbox::User "root";
CONF
    for suite; do
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
    done >"$folder/etc/sources.list"
    echo "$folder/conf"
}
