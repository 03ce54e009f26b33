#!/bin/bash
# Runs inside the sandbox of faceplate.service and fails if something is allowed that must not be, or the other way round.
set -u
wrong=0
# A program that is missing would look like a denial.
there() { command -v "$1" >/dev/null || { echo "sandbox: MISSING: $1"; wrong=1; }; }
denied() { there "$2"; if "${@:2}" 2>/dev/null >/dev/null; then echo "sandbox: ALLOWED: $1"; wrong=1; else echo "sandbox: denied: $1"; fi; }
allowed() { if "${@:2}" 2>/dev/null >/dev/null; then echo "sandbox: allowed: $1"; else echo "sandbox: DENIED: $1"; wrong=1; fi; }

denied 'reading the disk' dd if=/dev/vda of=/dev/null count=1
denied 'writing the kernel log' bash -c 'echo x >/dev/kmsg'
denied 'writing below /etc' touch /etc/x
denied 'writing below /usr' touch /usr/x
denied 'writing below /var' touch /var/x
denied 'reading /root' ls /root
denied 'seeing other processes' ls /proc/1
denied 'signaling process 1' kill -0 1
denied 'mounting' mount -t tmpfs none /tmp
denied 'a user namespace' unshare -U true
denied 'kernel settings' bash -c 'echo 1 >/proc/sys/kernel/sysrq'
denied 'the clock' date -s @0
denied 'the host name' bash -c 'echo other >/proc/sys/kernel/hostname'
denied 'real-time scheduling' chrt -f 1 true
denied 'another priority' renice -n -5 "$$"
denied 'core dumps' bash -c 'ulimit -c unlimited'
denied 'being root' test "$(id -u)" = 0
allowed 'reading the settings' cat /etc/faceplate/faceplate.toml
allowed 'reading what the processor can do' cat /proc/cpuinfo
allowed 'loopback' bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080'
if [ -e /dev/video0 ]; then allowed 'the camera' bash -c 'exec 3<>/dev/video0'; else echo 'sandbox: no camera here to try'; fi
exit $wrong
