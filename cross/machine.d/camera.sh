#!/bin/bash
# Runs as root in the emulated board, in whose kernel there are two cameras: vivid's test picture (/dev/video0) and a loopback
# (/dev/video10) that the program `feed` shows portraits to. Does to both what life does to a camera.
set -euo pipefail
FILES=/opt/test
BINARY=$FILES/faceplate
URL=http://127.0.0.1:8080
LOOP=/dev/video10
VIVID=/dev/video0
PATTERN=/v1/camera/pattern
log=/tmp/service.log
service='' feeder=''

. $FILES/common.sh
fail() { echo "TEST FAILED: $*"; curl -sS -m 60 $URL/v1/camera || true; tail -30 $log || true; head -c 300 /tmp/frame.jpg | tr -cd '[:print:]'; dmesg | tail -5; exit 1; }
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
# Whoever waits for this script's output waits for its children too.
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

get() { curl -sS -m 600 "$URL$1"; }
# What /v1/camera says has this in it.
says() { get /v1/camera | grep -q "$1"; }
# start DEVICE [SETTING=VALUE...]: what takes a second on a board takes half a minute here.
start() {
    local words=(--set "camera.device=$1") setting
    shift
    for setting; do words+=(--set "$setting"); done
    "$BINARY" --set limits.request_ms=600000 --set camera.deadline_ms=300000 --set inference.workers=1 "${words[@]}" 2>>$log &
    service=$!
    until_true 120 curl -sf -m 60 -o /dev/null $URL/version
}
stop() {
    kill $service
    wait $service || fail "the service ended with $?"
}
feed() {
    "$FILES/feed" $LOOP "$@" >/dev/null &
    feeder=$!
}
unfeed() {
    kill $feeder
    wait $feeder || true
}
# shows SIZE: one frame is a JPEG of that size, WIDTHxHEIGHT.
shows() {
    get "/v1/camera/frame?deadline_ms=60000" >/tmp/frame.jpg
    [ "$(jpeg_size /tmp/frame.jpg)" = "$1" ]
}
# Width and height in a JPEG's frame header (SOF0).
jpeg_size() {
    local height width
    read -r height width < <(od -An -v -tx1 "$1" | tr -d ' \n' | sed -n 's/.*ffc0001108\(....\)\(....\).*/\1 \2\n/p') || return 1
    echo "$((16#$width))x$((16#$height))"
}
# answers CODE PATH [CURL ARGUMENTS]: the reply carries that code.
answers() {
    local code=$1 path=$2 reply
    shift 2
    reply=$(curl -sS -m 600 -X POST "$@" "$URL$path")
    grep -q "\"$code\"" <<<"$reply" || fail "$path: $reply"
}

say "32-bit programs find their libraries"
if [ -d $FILES/armhf ]; then
    mkdir -p /lib/arm-linux-gnueabihf
    cp $FILES/armhf/* /lib/arm-linux-gnueabihf/
    ln -sf arm-linux-gnueabihf/ld-linux-armhf.so.3 /lib/ld-linux-armhf.so.3
fi
modprobe v4l2loopback devices=1 video_nr=10 exclusive_caps=0 card_label=Loopback
until_true 10 test -c $LOOP
until_true 10 test -c $VIVID

say "both cameras are found"
feed YUYV 640x480 15 $FILES/hopper.jpg
sleep 1
"$BINARY" cameras >/tmp/cameras
grep -q '^/dev/video0 .*vivid' /tmp/cameras && grep -q '^/dev/video10 .*Loopback' /tmp/cameras || fail "$(cat /tmp/cameras)"
grep -q '640x480' /tmp/cameras && grep -q -i 'brightness' /tmp/cameras || fail "$(cat /tmp/cameras)"

say "a test picture is captured; the camera is off before and after"
start $VIVID camera.width=640 camera.height=360 camera.linger_ms=0
says '"state":"off"'
until_true 60 shows 640x360
says '"format":"YUYV"'
until_true 60 says '"state":"off"'

say "another program has the camera: told; then a value that a control does not take, with its range"
curl -sS -N $URL/v1/camera/stream >/tmp/stream &
stream=$!
until_true 60 says '"state":"on"'
OTHER=http://127.0.0.1:8081
"$BINARY" --listen 127.0.0.1:8081 --set camera.device=$VIVID --set camera.gain=300 --set inference.workers=1 2>>$log &
second=$!
until_true 120 curl -sf -m 60 -o /dev/null $OTHER/version
curl -sS -m 600 $OTHER/v1/camera/frame | grep -q '"BPE-004002"' || fail "a second reader is not told that the camera is in use"
grep -a -q 'Content-Type: image/jpeg' /tmp/stream || fail "the stream is empty"
kill $stream
until_true 60 says '"state":"off"'
curl -sS -m 600 $OTHER/v1/camera/frame | grep -q 'camera.gain: 300 is not in 0..=255' || fail "a gain of 300 is not refused with the range"
kill $second
wait $second || fail "the second service ended with $?"

say "the camera is pulled out while it is on, and comes back"
curl -sS -N $URL/v1/camera/stream >/dev/null &
until_true 60 says '"state":"on"'
echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind
until_true 60 says '"kind":"\(gone\|absent\)"'
answers BPE-004001 $PATTERN/extract
says '"kind":"absent"'
echo vivid.0 >/sys/bus/platform/drivers/vivid/bind
until_true 60 shows 640x360
stop

say "a portrait is recognized, and another person's template is not"
start $LOOP camera.linger_ms=1000
for person in hopper collins; do
    curl -sS -f -m 600 -H 'Content-Type: image/jpeg' --data-binary @$FILES/$person.jpg -o /tmp/$person $URL/v1/face/pattern/extract
done
verify() { curl -sS -f -m 600 -D /tmp/head -F "bio_template=@/tmp/$1;type=application/octet-stream" $URL$PATTERN/verify | tr -d '\0' | grep -a -o '"score":[0-9.]*'; }
score=$(verify hopper)
grep -q '"score":0\.9' <<<"$score" || fail "the same person: $score"
figure "the same person before the camera: $score"
figure "$(tr -d '\r' </tmp/head | grep -i '^server-timing')"
score=$(verify collins)
grep -q '"score":0\.[0-6]' <<<"$score" || fail "another person: $score"
figure "another person: $score"
says '"format":"YUYV"'

say "the portrait stops: told; it comes back: used"
unfeed
until_true 60 bash -c "curl -sS -m 60 '$URL/v1/camera/frame?deadline_ms=5000' | grep -q '\"BPE-004001\"'"
says '"kind":"stalled"\|"kind":"driver"\|"kind":"unsupported"\|"kind":"gone"'
feed YUYV 640x480 15 $FILES/hopper.jpg
until_true 60 shows 640x480

say "the feeder changes size and format"
unfeed
feed MJPG 320x240 15 $FILES/hopper.jpg
until_true 90 shows 320x240
says '"format":"MJPG"'
unfeed
feed MJPG 640x480 15 $FILES/collins.jpg
until_true 90 shows 640x480
score=$(verify collins)
grep -q '"score":0\.9' <<<"$score" || fail "as Motion JPEG: $score"
figure "as Motion JPEG: $score"

say "the module goes and comes back"
unfeed
until_true 60 rmmod v4l2loopback
answers BPE-004001 $PATTERN/extract
says '"kind":"absent"'
modprobe v4l2loopback devices=1 video_nr=10 exclusive_caps=0 card_label=Loopback
until_true 10 test -c $LOOP
feed YUYV 640x480 15 $FILES/hopper.jpg
until_true 60 shows 640x480
figure "memory at the most: $(awk '$1 == "VmHWM:" { printf "%d", $2 / 1024 }' /proc/$service/status) MiB"
stop
unfeed
grep -q panicked $log && fail "something panicked"
say "done"
