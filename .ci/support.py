"""What scripts that break a running service have in common."""

import atexit
import contextlib
import socket
import subprocess
import sys
import time

processes = []
atexit.register(lambda: [process.kill() for process in processes])


def begin(words, **more):
    """A process that does not outlive this one."""
    processes.append(subprocess.Popen(words, **more))
    return processes[-1]


def check(what, is_good):
    print(f"{'ok  ' if is_good else 'MISS'} {what}", flush=True)
    if not is_good:
        sys.exit(1)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until_ready(process, ask, log):
    """Waits until a service answers that it is ready; where it ends instead, its log tells why."""
    for _ in range(400):
        with contextlib.suppress(OSError):
            if ask("GET", "/readyz")[0] == 200:
                return
        if process.poll() is not None:
            sys.exit(log.read_text()[-2000:])
        time.sleep(0.05)
    sys.exit("the service is not ready")
