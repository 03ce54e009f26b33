#!/bin/bash
# Runs as root in the emulated board: a door whose lock is a line of the board's GPIO controller. The program `feed` shows the camera a head that
# follows the prompts of the challenge, first of somebody who is enrolled, then of nobody who is, then a sheet that follows them as well. At last
# the service is killed while the lock is open. What the line does is read from the kernel (debugfs) and from the controller's register.
# The board's clock has to count instructions (CLOCK=instructions).
set -euo pipefail
FILES=/opt/test
BINARY=$FILES/faceplate
ADDRESS=127.0.0.1:8080
LOOP=/dev/video10
LINE=gpiochip0/5
# Line 5 alone of the PL061 at 0x9030000 (Arm DDI 0190, 3.3.1: the address masks the bits).
REGISTER=0x09030080
log=/tmp/service.log

. $FILES/common.sh
fail() { echo "TEST FAILED: $*"; tail -30 $log || true; tail -20 /tmp/prompts || true; events || true; cat /sys/kernel/debug/gpio || true; exit 1; }
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

feed() {
    "$FILES/feed" $LOOP YUYV 512x512 10 "$@" >/tmp/prompts &
    feeder=$!
    until_true 60 grep -q '^feeding' /tmp/prompts
}
unfeed() {
    kill $feeder
    wait $feeder || true
}
ask() { curl -sS -m 60 "${@:2}" "http://$ADDRESS$1"; }
events() { ask '/v1/events?format=csv&limit=1000'; }
# Events of this type after this number.
count() { events | awk -F, -v type="faceplate.$1" -v after="${2:-0}" '$1 > after && $3 == type' | wc -l; }
happened() { [ "$(count "$@")" -gt 0 ]; }
newest() { events | tail -1 | cut -d, -f1; }
claimed() { grep -q 'faceplate.*out' /sys/kernel/debug/gpio; }
is_high() { grep -q 'faceplate.*out hi' /sys/kernel/debug/gpio; }
# Keeps in /tmp/high how often the line was seen high.
watch_line() {
    echo 0 >/tmp/high
    while sleep 0.2; do ! is_high || echo $(($(cat /tmp/high) + 1)) >/tmp/high; done &
}
seen_high() { [ "$(cat /tmp/high)" != 0 ]; }
# The lock stayed shut up to now.
shut() { ! seen_high || fail "the lock opened $*"; }
# A refusal that is told now is of somebody who stands there now.
no_attempt() { ! ask /v1/door | grep -q '"state":"challenge"'; }
ended() { case $(systemctl is-active door) in failed | inactive) ;; *) false ;; esac; }
start() {
    "$BINARY" --set camera.device=$LOOP --set camera.warm=true --set camera.lock_out_s=1 --set inference.workers=1 \
        --set people.store=/tmp/people.redb --set events.store=/tmp/events.redb \
        --set door.mode=identify --set door.relay=$LINE "$@" 2>>$log &
    service=$!
    until_true 60 curl -sf -m 10 -o /dev/null http://$ADDRESS/version
}
# Ends it, so that the next part begins without pauses after refusals.
stop() {
    kill $service
    wait $service || fail "the service ended with $?"
    ! claimed || fail "the line is still claimed"
}

modprobe v4l2loopback devices=1 video_nr=10 exclusive_caps=0 card_label=Loopback
until_true 10 test -c $LOOP
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
figure "the chip: $(grep -m1 '^gpiochip' /sys/kernel/debug/gpio)"

say "the line is claimed, and off"
feed $FILES/poses/head $ADDRESS
start
claimed
! is_high || fail "it is on"
watch_line

say "nobody is enrolled: a head that meets the challenge is unknown"
until_true 400 happened access.unknown
shut "for nobody"
stop

say "another person is enrolled: it stays shut"
start
ask /v1/people -H 'Content-Type: application/json' -d '{"id": "bob", "name": "Bob"}' >/dev/null
ask /v1/people/bob/templates -H 'Content-Type: image/jpeg' --data-binary @$FILES/hopper.jpg | grep -q '"number":1' || fail "bob is not enrolled"
until_true 60 no_attempt
before=$(newest)
until_true 400 happened access.unknown "$before"
shut "for somebody else"
ask /v1/people -H 'Content-Type: application/json' -d '{"id": "ann", "name": "Ann"}' >/dev/null
ask /v1/people/ann/templates -H 'Content-Type: image/jpeg' --data-binary @$FILES/collins.jpg | grep -q '"number":1' || fail "ann is not enrolled"
stop

say "an enrolled person who meets the challenge opens the lock"
start
until_true 400 happened access.granted
until_true 10 seen_high
figure "granted: $(events | grep access.granted | head -1 | tr -d '\r')"
unfeed
sleep 5
! is_high || fail "the pulse did not end"
stop

say "the same portrait on a sheet that follows the prompts does not"
feed $FILES/poses/sheet $ADDRESS
start
before=$(newest)
echo 0 >/tmp/high
until_true 400 happened access.denied "$before"
[ "$(count access.granted "$before")" = 0 ] || fail "a sheet was let in"
shut "for a sheet"
figure "a sheet: $(events | awk -F, -v after="$before" '$1 > after && $3 == "faceplate.access.denied"' | head -1 | tr -d '\r')"
unfeed
stop

say "kill -9 while the lock is open: the line goes off"
"$BINARY" token new test door >/tmp/token.toml 2>/tmp/token
secret=$(sed -n 's/^Authorization: Bearer //p' /tmp/token)
cat >/tmp/door.toml <<TOML
[camera]
device = "off"
[people]
store = "/tmp/people.redb"
[door]
relay = "$LINE"
pulse_ms = 30000
$(cat /tmp/token.toml)
TOML
systemd-run --quiet --unit=door -p ExecStopPost="$BINARY door release --settings /tmp/door.toml" "$BINARY" serve --settings /tmp/door.toml
until_true 60 curl -sf -m 10 -o /dev/null http://$ADDRESS/version
curl -sS -m 20 -X POST -H "Authorization: Bearer $secret" http://$ADDRESS/v1/door/open | grep -q opened || fail "it was not opened"
until_true 5 is_high
level() { busybox devmem $REGISTER 8 2>/dev/null || echo unreadable; }
open=$(level)
systemctl kill --kill-whom=main -s KILL door
until_true 20 ended
figure "the register: $open while it is open, $(level) after kill -9 and faceplate door release"
[ "$open" = 0x20 ] || fail "the register can't be trusted: $open"
[ "$(level)" = 0x00 ] || fail "the line is still on"
grep -q panicked $log && fail "something panicked"
say "done"
