# Sourced by the tests that run in the emulated board. They define `fail`, which tells what happened and ends the test.

say() { echo "TEST $(cut -d. -f1 /proc/uptime)s: $*"; }
# What is printed at the end.
figure() { echo "FIGURE $*"; }

# Waits until the command succeeds: until_true SECONDS COMMAND...
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do [ $SECONDS -lt $end ] || fail "waited in vain for: $*"; sleep 0.5; done
}
