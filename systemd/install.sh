#!/bin/sh
# Installs Faceplate on a system without .deb packages, or removes it:
#   sudo ./install.sh             binary to /usr/bin, unit, settings (kept if they are there), then start
#   sudo ./install.sh --remove    all of it but the settings
#   sudo ./install.sh --purge     the settings and the people who were enrolled too
# DESTDIR=DIR installs below DIR and starts nothing (for images and packages).
set -eu
cd "$(dirname "$0")"
ROOT=${DESTDIR:-}
UNITS=$ROOT/etc/systemd/system

[ -n "$ROOT" ] || [ "$(id -u)" = 0 ] || { echo "install.sh: run it as root" >&2; exit 1; }
live() { [ -z "$ROOT" ] && [ -d /run/systemd/system ]; }

install_all() {
    ./faceplate --version >/dev/null 2>&1 || [ -n "$ROOT" ] || {
        echo "install.sh: this binary does not run here: another processor, or a C library older than 2.27" >&2
        exit 1
    }
    mkdir -p "$ROOT/usr/share/faceplate" "$ROOT/usr/bin" "$ROOT/etc/faceplate" "$UNITS" "$ROOT/etc/udev/rules.d" "$ROOT/usr/share/doc/faceplate"
    # Beside the old binary and over it in one step: it may be running.
    install -m 755 faceplate "$ROOT/usr/bin/.faceplate.new"
    mv -f "$ROOT/usr/bin/.faceplate.new" "$ROOT/usr/bin/faceplate"
    install -m 644 systemd/faceplate.service systemd/faceplate.socket "$UNITS"
    install -m 644 systemd/60-faceplate.rules "$ROOT/etc/udev/rules.d"
    install -m 644 systemd/gpio.conf "$ROOT/usr/share/faceplate"
    cp -R README.md CHANGELOG.md SECURITY.md LICENSE LICENSES.txt sbom.cdx.json docs tests "$ROOT/usr/share/doc/faceplate"
    [ ! -d share ] || cp -R share "$ROOT/usr"
    if [ -e "$ROOT/etc/faceplate/faceplate.toml" ]; then
        install -m 644 systemd/faceplate.toml "$ROOT/etc/faceplate/faceplate.toml.new"
        echo "the settings are kept; the defaults of this version are in faceplate.toml.new"
    else
        install -m 644 systemd/faceplate.toml "$ROOT/etc/faceplate/faceplate.toml"
    fi
    if live; then
        for group in video gpio; do getent group $group >/dev/null || groupadd --system $group; done
        systemctl daemon-reload
        systemctl enable --quiet faceplate.service
        systemctl restart faceplate.service
        if command -v udevadm >/dev/null; then udevadm control --reload && udevadm trigger --subsystem-match=video4linux --subsystem-match=gpio; fi
        systemctl --no-pager --lines=3 status faceplate.service
    fi
}

remove_all() {
    if live; then systemctl disable --quiet --now faceplate.socket faceplate.service 2>/dev/null || true; fi
    rm -f "$ROOT/usr/bin/faceplate" "$UNITS/faceplate.service" "$UNITS/faceplate.socket" "$ROOT/etc/udev/rules.d/60-faceplate.rules"
    rm -rf "$ROOT/usr/share/faceplate" "$ROOT/usr/share/doc/faceplate" "$ROOT"/usr/share/man/man1/faceplate*.1.gz \
        "$ROOT/usr/share/bash-completion/completions/faceplate" "$ROOT/usr/share/zsh/vendor-completions/_faceplate" \
        "$ROOT/usr/share/fish/vendor_completions.d/faceplate.fish"
    if [ "$1" = --purge ]; then rm -rf "$ROOT/etc/faceplate" "$ROOT/var/lib/private/faceplate" "$ROOT/var/lib/faceplate"; fi
    if live; then systemctl daemon-reload; fi
}

case ${1:-} in
    '') install_all ;;
    --remove | --purge) remove_all "$1" ;;
    *) echo "usage: install.sh [--remove | --purge]" >&2; exit 2 ;;
esac
