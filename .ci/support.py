"""What scripts that break a running service have in common."""

import atexit
import socket
import subprocess
import sys

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
