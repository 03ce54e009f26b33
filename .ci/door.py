#!/usr/bin/env python3
"""Breaks what a door tells others, and looks whether they know in the end: .ci/door.py BINARY. Exits with 77 where a part is skipped.

A camera of pictures and a simulated lock. Kills, a full disk; webhooks whose signatures an independent library checks (standardwebhooks of
PyPI), through a receiver that refuses and is away; a broker (mosquitto) with TLS and users that dies and comes back, with an independent client
(paho-mqtt); discovery checked against the schemas of Home Assistant (set HOME_ASSISTANT to a Python that has it). CPU of an idle door.
"""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from support import begin, check, free_port, until_ready

BINARY = str(pathlib.Path(sys.argv[1]).resolve())
ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME_ASSISTANT = os.environ.get("HOME_ASSISTANT")
PARTS = os.environ.get("PARTS", "killed full webhooks broker discovery idle").split()
PICTURE = ROOT / "tests/pictures/collins.jpg"
skipped = []


def until(what, found, seconds=60):
    """Waits until `found` returns something."""
    end = time.time() + seconds
    while time.time() < end:
        if value := found():
            return value
        time.sleep(0.05)
    check(f"{what} within {seconds} s", False)


class Terminal:
    """A service with a door and a token for all of it."""

    def __init__(self, folder, more="", door='mode = "identify"', device=f"file:{PICTURE}", events=None):
        self.folder, self.port = pathlib.Path(folder), free_port()
        made = subprocess.run([BINARY, "token", "new", "all", "door", "claim", "events", "people", "camera", "metrics"], capture_output=True, text=True, check=True)
        self.token = made.stderr.split("Bearer ")[1].split()[0]
        events = events or self.folder / "events.redb"
        self.file = self.folder / "faceplate.toml"
        self.file.write_text(
            f'[inference]\nworkers = 1\n[camera]\ndevice = "{device}"\n[people]\nstore = "{self.folder}/people.redb"\n'
            f'[events]\ndevice = "front"\nstore = "{events}"\n{more}\n[door]\nliveness = true\nrelay = "simulated"\npulse_ms = 300\nreentry_ms = 0\n{door}\n{made.stdout}'
        )
        self.start()

    def start(self):
        self.log = open(self.folder / "log", "a")
        self.process = begin([BINARY, "--settings", str(self.file), "--listen", f"127.0.0.1:{self.port}"], stderr=self.log)
        until_ready(self.process, self.ask, self.folder / "log")

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait()

    def said(self):
        return (self.folder / "log").read_text()

    def ask(self, verb, path, body=None, kind="application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = kind
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(verb, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if answer.getheader("Content-Type") == "application/json" else text.decode()

    def enroll(self, id="ann", picture=PICTURE):
        assert self.ask("POST", "/v1/people", {"id": id, "name": f"Name of {id}"})[0] == 201
        assert self.ask("POST", f"/v1/people/{id}/templates", picture.read_bytes(), "image/jpeg")[0] == 201

    def events(self, after=0):
        return self.ask("GET", f"/v1/events?limit=1000&after={after}")[1]["events"]

    def numbers(self):
        return [int(event["sequence"]) for event in self.events()]


def killed(folder):
    """Kills at any moment: no number is missing or used twice, and each opening that the log tells of has its event."""
    door = Terminal(folder)
    door.enroll()
    for kill in range(12):
        for _ in range(3):
            door.ask("POST", "/v1/door/open")
        door.ask("PUT", "/v1/people/ann", {"name": f"Ann {kill}"})
        time.sleep(0.05 * (kill % 5))
        door.kill()
        door.start()
    numbers = door.numbers()
    check(f"12 kills: {len(numbers)} events without gaps", numbers == list(range(1, len(numbers) + 1)))
    openings = door.said().count("lock is open")
    granted = sum(event["type"] == "faceplate.access.granted" for event in door.events())
    check(f"each of {openings} openings has its event ({granted}; those that follow each other open once)", granted >= openings > 0)
    door.kill(signal.SIGTERM)


def full(folder):
    """A full disk: the lock stays shut, and opens once there is room."""
    place = pathlib.Path(folder) / "small"
    place.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], capture_output=True).returncode:
        skipped.append("a full disk (no file system can be mounted here)")
        return
    try:
        door = Terminal(folder, events=place / "events.redb")
        check("the lock opens while there is room", door.ask("POST", "/v1/door/open")[0] == 200)
        time.sleep(0.5)
        with contextlib.suppress(OSError), open(place / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        refused = until("a refusal", lambda: (answer := door.ask("POST", "/v1/door/open"))[0] == 503 and answer[1], 90)
        check(f"on a full disk the lock stays shut: {refused['message']}", refused["code"] == "BPE-007003")
        opened = door.said().count("lock is open")
        time.sleep(1)
        check("and nothing opens it", door.said().count("lock is open") == opened)
        (place / "filler").unlink()
        until("an opening once there is room", lambda: door.ask("POST", "/v1/door/open")[0] == 200, 30)
        check("the lock opens once there is room", True)
        door.kill(signal.SIGTERM)
    finally:
        subprocess.run(["umount", "-l", place])


class Receiver(http.server.BaseHTTPRequestHandler):
    """A receiver of webhooks that refuses every third request."""

    got, requests, secret = [], 0, ""

    def do_POST(self):
        import standardwebhooks

        kind = type(self)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        kind.requests += 1
        if kind.requests % 3 == 1:
            self.send_response(500)
        else:
            # Raises if the signature, the time or the id is not right.
            standardwebhooks.Webhook(kind.secret).verify(body, {k.lower(): v for k, v in self.headers.items()})
            kind.got.append(json.loads(body))
            self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def webhooks(folder):
    try:
        import standardwebhooks
    except ImportError:
        skipped.append("signatures of webhooks (no standardwebhooks)")
        return
    secret = subprocess.run([BINARY, "key", "webhook"], capture_output=True, text=True, check=True).stdout.strip()
    (pathlib.Path(folder) / "secret").write_text(secret + "\n")
    Receiver.secret, port = secret, free_port()
    serve = lambda: http.server.ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    server = serve()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    door = Terminal(folder, f'[[events.webhooks]]\nurl = "http://127.0.0.1:{port}/hook"\nsecret = "{folder}/secret"\n')
    door.enroll()
    until("a granted event at the receiver", lambda: any(e["type"].endswith("granted") for e in Receiver.got), 90)
    # The receiver goes away, and the service is killed meanwhile.
    server.shutdown()
    server.server_close()
    door.ask("POST", "/v1/door/mode", {"mode": "off"})
    time.sleep(1)
    door.kill()
    server = serve()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    door.start()
    last = int(door.events()[-1]["sequence"])
    until("all events at the receiver", lambda: {int(e["sequence"]) for e in Receiver.got} >= set(range(2, last + 1)), 120)
    numbers = [int(e["sequence"]) for e in Receiver.got]
    check(f"{len(numbers)} events, in order and verified by standardwebhooks, {Receiver.requests} requests", sorted(set(numbers)) == list(range(1, max(numbers) + 1)))
    check("the order is kept but for what is sent twice after a kill", all(b > a - 64 for a, b in zip(numbers, numbers[1:])))
    wrong = standardwebhooks.Webhook("whsec_" + "A" * 32)
    with contextlib.suppress(standardwebhooks.WebhookVerificationError):
        wrong.verify("{}", {"webhook-id": "a", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"})
        check("another secret is refused", False)
    door.kill(signal.SIGTERM)
    server.shutdown()


def certificates(folder):
    """An authority and a certificate for localhost."""
    run = lambda *words: subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "b.key", "-out", "b.csr", "-subj", "/CN=localhost")
    (pathlib.Path(folder) / "ext").write_text("subjectAltName=DNS:localhost\n")
    run("x509", "-req", "-in", "b.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", "b.pem", "-extfile", "ext")


class Broker:
    def __init__(self, folder):
        self.folder, self.plain, self.tls = pathlib.Path(folder), free_port(), free_port()
        certificates(folder)
        subprocess.run(["mosquitto_passwd", "-b", "-c", "users", "door", "secret"], check=True, cwd=folder)
        (self.folder / "broker.conf").write_text(
            f"allow_anonymous false\npassword_file {folder}/users\nlistener {self.plain} 127.0.0.1\n"
            f"listener {self.tls} 127.0.0.1\ncafile {folder}/ca.pem\ncertfile {folder}/b.pem\nkeyfile {folder}/b.key\nuser root\n"
        )
        self.start()

    def start(self):
        self.log = open(self.folder / "broker.log", "a")
        self.process = begin(["mosquitto", "-c", str(self.folder / "broker.conf")], stderr=self.log, stdout=self.log)
        until("a broker", lambda: not socket.socket().connect_ex(("127.0.0.1", self.plain)), 10)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Listener:
    """Keeps the last message of each topic, and all events."""

    def __init__(self, port):
        import paho.mqtt.client as paho

        self.topics, self.events = {}, []
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.username_pw_set("door", "secret")
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.on_message = self.message
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def message(self, _, __, message):
        self.topics[message.topic] = message.payload.decode()
        if message.topic == "faceplate/front/event":
            self.events.append(json.loads(message.payload))


def mqtt_settings(broker, commands=True):
    (broker.folder / "password").write_text("secret\n")
    return (
        f'[mqtt]\nbroker = "mqtts://localhost:{broker.tls}"\nauthority = "{broker.folder}/ca.pem"\nuser = "door"\n'
        f'password = "{broker.folder}/password"\ncommands = {str(commands).lower()}\n'
    )


def has_broker():
    try:
        import paho.mqtt.client  # noqa: F401
    except ImportError:
        return False
    return bool(shutil.which("mosquitto"))


def broker(folder):
    if not has_broker():
        skipped.append("a broker (no mosquitto, or no paho-mqtt)")
        return
    broker = Broker(folder)
    listener = Listener(broker.plain)
    door = Terminal(folder, mqtt_settings(broker))
    door.enroll()
    state = lambda: json.loads(listener.topics.get("faceplate/front/door/state", "{}"))
    until("online", lambda: listener.topics.get("faceplate/front/availability") == "online")
    until("a granted event", lambda: any(e["type"].endswith("granted") for e in listener.events))
    check("events come over TLS, without names", all("name" not in e["data"] for e in listener.events))
    face = json.loads(listener.topics["faceplate/front/face/state"])
    check(f"the last person is told by id: {face}", face["person"] == "ann" and face["name"] is None)
    listener.client.publish("faceplate/front/recognition/command", "OFF", 1)
    until("recognition off", lambda: state().get("recognition") == "OFF")
    time.sleep(0.6)  # a lock that is open already is opened for longer, without another line
    before = door.said().count("lock is open")
    listener.client.publish("faceplate/front/door/command", "OPEN", 1)
    until("an opening by command", lambda: door.said().count("lock is open") > before, 10)
    check("commands open the lock and switch recognition", True)
    time.sleep(0.6)
    # A retained command is one of before for whoever subscribes again.
    broker.kill()
    door.ask("PUT", "/v1/people/ann", {"name": "Ann while the broker was away"})
    time.sleep(2)
    broker.start()
    listener.client.publish("faceplate/front/door/command", "OPEN", 1, retain=True)
    until("the event of meanwhile", lambda: any(e["type"].endswith("people.changed") and int(e["sequence"]) > 4 for e in listener.events[-3:]), 90)
    numbers = {int(e["sequence"]) for e in listener.events}
    check(f"after the broker was killed nothing is missing: {len(numbers)} events", numbers >= set(range(2, max(numbers) + 1)))
    time.sleep(1)
    by_command = lambda: sum(e["data"].get("method") == "command" for e in door.events())
    opened = by_command()
    door.kill()
    until("the last will", lambda: listener.topics.get("faceplate/front/availability") == "offline", 60)
    check("a door that was killed is offline by its last will", True)
    door.start()
    until("online again", lambda: listener.topics.get("faceplate/front/availability") == "online", 60)
    time.sleep(2)
    check("a retained command opens nothing at the next connection", by_command() == opened)
    door.kill(signal.SIGTERM)
    until("offline at an orderly end", lambda: listener.topics.get("faceplate/front/availability") == "offline", 10)
    # Who is not believed gets nothing.
    (broker.folder / "ca.pem").write_bytes((broker.folder / "b.pem").read_bytes())
    door.start()
    time.sleep(3)
    check("a broker of another authority is refused", "mqtt: connected" not in door.said().split("ready on")[-1])
    door.kill(signal.SIGTERM)


def discovery(folder):
    if not has_broker():
        skipped.append("discovery (no mosquitto, or no paho-mqtt)")
        return
    broker = Broker(folder)
    listener = Listener(broker.plain)
    for commands in (True, False):
        door = Terminal(folder, mqtt_settings(broker, commands))
        topic = "homeassistant/device/faceplate-front/config"
        message = until("discovery", lambda: listener.topics.get(topic))
        listener.topics.pop(topic)
        (pathlib.Path(folder) / f"discovery-{commands}.json").write_text(message)
        there = {name for name, one in json.loads(message)["components"].items() if "unique_id" in one}
        wanted = {"lock", "recognition"} if commands else {"lock_state", "recognition_state"}
        check(f"discovery with commands = {commands}: {', '.join(sorted(there))}", there == {"event", "last_person", "problem"} | wanted)
        door.kill(signal.SIGTERM)
    if not HOME_ASSISTANT:
        skipped.append("the schemas of Home Assistant (HOME_ASSISTANT is not set)")
        return
    for commands in (True, False):
        done = subprocess.run([HOME_ASSISTANT, ROOT / ".ci/discovery.py", f"{folder}/discovery-{commands}.json"], capture_output=True, text=True)
        check(f"the schemas of Home Assistant accept it: {done.stdout.strip() or done.stderr[-500:]}", done.returncode == 0)


def idle(folder):
    """Processor time of a door that looks at an empty scene, five times a second."""
    door = Terminal(folder, device=f"file:{ROOT / 'tests/pictures/nobody.png'}")
    time.sleep(5)
    spent = lambda: sum(map(int, pathlib.Path(f"/proc/{door.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")
    begun, before = time.time(), spent()
    time.sleep(20)
    share = 100 * (spent() - before) / (time.time() - begun)
    state = door.ask("GET", "/v1/door")[1]["state"]
    check(f"an idle door takes {share:.1f} % of one core", state == "looking")
    door.kill(signal.SIGTERM)


for part in PARTS:
    with tempfile.TemporaryDirectory() as folder:
        globals()[part](folder)
for part in skipped:
    print(f"skipped: {part}")
sys.exit(77 if skipped else 0)
