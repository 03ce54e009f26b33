#!/bin/bash
# Runs as root in the emulated board, in whose kernel there is a loopback camera: the program `feed` shows it a head that follows the prompts of
# the running challenge, and then a sheet of paper with the same portrait that follows them as well. The board's clock has to count
# instructions (CLOCK=instructions), or the emulator is slower than a challenge allows.
set -euo pipefail
FILES=/opt/test
BINARY=$FILES/faceplate
ADDRESS=127.0.0.1:8080
LOOP=/dev/video10
log=/tmp/service.log

. $FILES/common.sh
fail() { echo "TEST FAILED: $*"; tail -30 $log || true; tail -30 /tmp/prompts || true; exit 1; }
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

feed() {
    # At the portrait's own size.
    "$FILES/feed" $LOOP YUYV 512x512 10 "$@" >/tmp/prompts &
    feeder=$!
    # It has to decode its pictures first.
    until_true 60 grep -q '^feeding' /tmp/prompts
}
unfeed() {
    kill $feeder
    wait $feeder || true
}
# Asks for a challenge once there are frames; the headers are in /tmp/head, the body in /tmp/body.
challenge() {
    until_true 60 curl -sf -m 20 -o /dev/null "http://$ADDRESS/v1/camera/frame"
    curl -sS -m 120 -X POST -D /tmp/head -o /tmp/body "http://$ADDRESS/v1/camera/pattern/extract?liveness=challenge"
    tr -d '\r' </tmp/head | grep -i '^server-timing' || true
}
# refused CODE REASON: the reply is this error.
refused() { grep -q "\"$1\"" /tmp/body && grep -q "($2)" /tmp/body || fail "$(head -c 300 /tmp/body)"; }

modprobe v4l2loopback devices=1 video_nr=10 exclusive_caps=0 card_label=Loopback
until_true 10 test -c $LOOP
feed $FILES/poses/head $ADDRESS
"$BINARY" --set camera.device=$LOOP --set camera.lock_out_s=0 --set camera.warm=true \
    --set inference.workers=1 2>>$log &
service=$!
until_true 30 curl -sf -m 10 -o /dev/null http://$ADDRESS/version

say "a head that follows the prompts meets the challenge"
# This rendering turns to the left of the picture by just what is needed, and lowered it is hardly the same person, so that some challenges
# are too much for it.
for _ in 1 2 3 4 5 6; do
    challenge
    ! grep -q '^HTTP/1.1 200' /tmp/head || break
    figure "a head that follows: $(head -c 300 /tmp/body)"
done
grep -q '^HTTP/1.1 200' /tmp/head || fail "$(head -c 300 /tmp/body)"
liveness=$(tr -d '\r' </tmp/head | sed -n 's/^x-liveness: //Ip')
grep -q '"turns":\[{.*},{.*}\]' <<<"$liveness" || fail "$liveness"
figure "a head that follows: $liveness"
figure "prompts: $(tr '\n' ';' </tmp/prompts | tr -s ' ;')"
figure "memory at the most: $(awk '$1 == "VmHWM:" { printf "%d", $2 / 1024 }' /proc/$service/status) MiB"

say "the same portrait on a sheet that follows the prompts does not, twice"
unfeed
feed $FILES/poses/sheet $ADDRESS
challenge
refused BPE-004006 too_slow
figure "a sheet that follows: $(head -c 300 /tmp/body)"

say "nor does a portrait that does nothing"
unfeed
feed $FILES/poses/head/ahead.jpg
challenge
refused BPE-004006 too_slow
kill $service
wait $service || fail "the service ended with $?"
grep -q panicked $log && fail "something panicked"
say "done"
