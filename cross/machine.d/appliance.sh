#!/bin/bash
# Runs as root in the emulated board: installs the package and does to the service what life does to a device.
# Started at every boot; /var/lib/test/stage says how far it is. The first thing that is not as it should be ends it.
set -euo pipefail
FILES=/opt/test
URL=http://127.0.0.1:8080
DOC=/usr/share/doc/faceplate
STAGE=/var/lib/test/stage
mkdir -p /var/lib/test

. $FILES/common.sh
fail() { echo "TEST FAILED: $*"; systemctl --no-pager --full status faceplate || true; journalctl --no-pager -n 60 || true; exit 1; }
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
# A command that has to fail; `set -e` does not look at negated ones.
refused() { if "$@" >/dev/null 2>&1; then fail "went well, but must not: $*"; fi; }
same() { [ "$1" = "$2" ] || fail "'$1' is not '$2'"; }
differ() { [ "$1" != "$2" ] || fail "'$1' stayed"; }

property() { systemctl show faceplate -p "$1" --value; }
pid() { property MainPID; }
memory() { awk -v key="$1:" '$1 == key { printf "%d", $2 / 1024 }' "/proc/$(pid)/status"; }

active() { [ "$(property ActiveState)" = active ]; }
another_process() { active && [ "$(pid)" != "$1" ] && [ "$(pid)" != 0 ]; }

# A template to ask about, made once: an inference takes ten seconds here.
TEMPLATE=/var/lib/test/template
enroll() {
    curl -sS -m 120 -f -H 'Content-Type: image/jpeg' --data-binary @$DOC/tests/pictures/collins.jpg -o $TEMPLATE $URL/v1/face/pattern/extract
}

# The same person in another picture is recognized. (That another person is not, the README's lines show.)
verify() {
    local reply
    reply=$(curl -sS -m 120 -f -F "bio_template=@$TEMPLATE" -F sample=@$DOC/tests/pictures/collins_dim.png $URL/v1/face/pattern/verify | tr -d '\0')
    grep -q '"score":0.9' <<<"$reply" || fail "verify: $reply"
}

# It answers: two templates are compared.
answers() {
    local answer
    answer=$(curl -sS -m 120 -f -F "bio_feature=@$TEMPLATE" -F "bio_template=@$TEMPLATE" "${1:-$URL}/v1/face/pattern/compare")
    grep -q '"approved"' <<<"$answer" || fail "compare: $answer"
}

installs() {
    say "a bare system"
    refused command -v faceplate
    # What a board does in a second takes half a minute here.
    mkdir -p /etc/systemd/system/faceplate.service.d
    printf '[Service]\nEnvironment=FACEPLATE__LIMITS__REQUEST_MS=300000\nWatchdogSec=120\n' >/etc/systemd/system/faceplate.service.d/slow.conf
    say "the package installs and the unit is ready"
    local start=$SECONDS
    dpkg -i $FILES/faceplate.deb
    active
    figure "seconds from dpkg -i to ready (emulated): $((SECONDS - start))"
    figure "milliseconds from start to ready (emulated): $((($(property ActiveEnterTimestampMonotonic) - $(property ExecMainStartTimestampMonotonic)) / 1000))"
    figure "memory when idle: $(memory VmRSS) MiB"
    say "the README's lines"
    answers=$(cd $DOC && sed -n '/^## Sixty/,/^## On/s/^curl /curl -sS -m 120 /p' README.md | bash | grep -oE 'approved|declined|BPE-[0-9]+' | xargs)
    [ "$answers" = "approved declined BPE-003002" ] || fail "the README's lines: $answers"
    say "verification"
    enroll
    verify
    figure "memory at the most after verifications: $(memory VmHWM) MiB"
    curl -sS -m 120 -f -F "m=@$DOC/tests/pictures/collins.jpg" $URL/v1/face/liveness/detect | grep -q confidence_spoofing
    figure "memory at the most after liveness: $(memory VmHWM) MiB"
    say "the camera, out of the sandbox"
    curl -sS -m 120 -f $URL/v1/camera/frame -o /tmp/frame.jpg || fail "no frame: $(curl -sS -m 60 $URL/v1/camera)"
    same "$(head -c 2 /tmp/frame.jpg | od -An -tx1 | tr -d ' ')" ffd8
    same "$(stat -c %U "/proc/$(pid)")" faceplate # a user that is in no file
    refused grep -q faceplate /etc/passwd
}

# A shell in the unit's own sandbox tries what the service has no business doing.
sandboxed() {
    say "the sandbox"
    systemd-analyze security faceplate.service --threshold=20 --no-pager | tail -1
    sed -e 's/^Type=.*/Type=oneshot/; s/^Restart=.*/Restart=no/; s/^Watchdog.*//; s#^ExecStart=.*#ExecStart=/bin/bash /opt/test/sandbox.sh#' \
        -e 's/^WantedBy=.*//' /lib/systemd/system/faceplate.service >/run/systemd/system/probe.service
    systemctl daemon-reload
    systemctl start probe || { journalctl --no-pager -u probe; fail "the sandbox is not as it should be"; }
    journalctl --no-pager -o cat -u probe | grep '^sandbox: '
    rm /run/systemd/system/probe.service
    systemctl daemon-reload
}

survives() {
    local before restarts
    say "a hang: the watchdog ends it and it comes back"
    before=$(pid)
    kill -STOP "$before"
    until_true 300 another_process "$before"
    journalctl --no-pager -u faceplate | grep -q 'Watchdog timeout'
    answers

    say "kill -9 while the disk is full"
    dd if=/dev/zero of=/fill bs=1M 2>/dev/null || true
    dd if=/dev/zero of=/fill2 bs=1k 2>/dev/null || true
    refused dd if=/dev/zero of=/fill3 bs=64k count=1
    answers
    before=$(pid)
    kill -9 "$before"
    until_true 120 another_process "$before"
    answers
    rm -f /fill /fill2 /fill3

    say "kill -9 while the root is read-only"
    sync
    mount -o remount,ro /
    refused touch /etc/x
    answers
    before=$(pid)
    kill -9 "$before"
    until_true 120 another_process "$before"
    answers
    mount -o remount,rw /

    say "the clock jumps"
    before=$(pid)
    restarts=$(property NRestarts)
    date -s '+400 days' >/dev/null
    answers
    date -s '-800 days' >/dev/null
    answers
    date -s '+400 days' >/dev/null
    same "$(pid) $(property NRestarts)" "$before $restarts"

    say "the supervisor's socket: the first request starts the service"
    systemctl stop faceplate
    systemctl start faceplate.socket
    answers
    active
    systemctl stop faceplate.socket faceplate
}

settings() {
    say "settings: wrong ones are refused with their name, right ones hold"
    echo 'nonsense = 1' >>/etc/faceplate/faceplate.toml
    systemctl start faceplate --no-block
    sleep 5
    refused active
    journalctl --no-pager -u faceplate | grep -q nonsense
    sed -i -e '$d' -e 's/^#listen = .*/listen = "127.0.0.1:8090"/' /etc/faceplate/faceplate.toml
    until_true 120 active # by itself
    answers http://127.0.0.1:8090

    say "keys that it may read by a group, where there are no credentials"
    groupadd --system faceplate-keys
    faceplate key new >/etc/faceplate/template.keys
    chmod 640 /etc/faceplate/template.keys
    sed -i 's/^#keys = .*/keys = "\/etc\/faceplate\/template.keys"/' /etc/faceplate/faceplate.toml
    refused timeout 30 systemctl restart faceplate
    chgrp faceplate-keys /etc/faceplate/template.keys
    printf '[Service]\nSupplementaryGroups=faceplate-keys\n' >/etc/systemd/system/faceplate.service.d/keys.conf
    systemctl daemon-reload
    systemctl restart faceplate
    active
    sed -i 's/^keys = .*/#keys = "\/etc\/faceplate\/template.keys"/' /etc/faceplate/faceplate.toml
    rm /etc/faceplate/template.keys /etc/systemd/system/faceplate.service.d/keys.conf
    groupdel faceplate-keys
    systemctl daemon-reload
    systemctl restart faceplate
}

upgrades() {
    local before
    say "an upgrade keeps the settings and runs the new version"
    before=$(pid)
    DEBIAN_FRONTEND=noninteractive dpkg -i --force-confdef --force-confold $FILES/next.deb
    grep -q '^listen = "127.0.0.1:8090"' /etc/faceplate/faceplate.toml
    differ "$(pid)" "$before"
    active
    answers http://127.0.0.1:8090
    sed -i 's/^listen = .*/#listen = "127.0.0.1:8080"/' /etc/faceplate/faceplate.toml
}

purges() {
    say "purge leaves nothing"
    rm -r /etc/systemd/system/faceplate.service.d
    dpkg --purge faceplate
    refused curl -s -m 5 $URL/version
    local left
    left=$(find / -xdev -iname '*faceplate*' -not -path '/opt/test/*' -not -path '/proc/*' -not -path '/sys/*')
    [ -z "$left" ] || fail "left: $left"
    same "$(systemctl list-unit-files --no-pager --no-legend 'faceplate*')" ''
    refused getent passwd faceplate
}

case $(cat $STAGE 2>/dev/null || echo first) in
    first)
        installs
        sandboxed
        survives
        settings
        upgrades
        say "a reboot"
        echo second >$STAGE
        systemctl reboot
        sleep 600
        ;;
    second)
        say "back after the reboot"
        until_true 180 active
        verify
        purges
        say "all is well"
        ;;
esac
