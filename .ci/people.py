#!/usr/bin/env python3
"""Breaks what stores people, and looks whether what was acknowledged is there: .ci/people.py BINARY. Exits with 77 where a part is skipped.

One device: kill -9 at random moments under changes, a full and a read-only disk (as root), a flipped file, records that were moved or
come from elsewhere. Several doors: two services and one etcd, then three members of which some are killed and a network that drops
(etcd, and `cryptography` of PyPI, by which records are sealed here a second time, after docs/ref/template.md and docs/ref/people.md).
"""

import base64
import contextlib
import hashlib
import http.client
import importlib.util
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

from support import begin, check, free_port

BINARY, KILLS = sys.argv[1], int(os.environ.get("KILLS", 200))
KEY, OTHER = "01" * 32, "02" * 32
noise, skipped = random.Random(5), []
LOGS = pathlib.Path(tempfile.mkdtemp())
PARTS = os.environ.get("PARTS", "killed moved disks doors absent users members").split()


def template(seed):
    """A template of quality 90 in a direction of its own: docs/ref/template.md."""
    values = [random.Random(seed * 1000 + i).randint(-126, 126) for i in range(127)] + [127]
    scale = round(2**24 / sum(v * v for v in values) ** 0.5)
    body = b"FPLT" + struct.pack("<BBHHHI", 1, 90, 1, 128, 0, scale) + struct.pack("128b", *values)
    return body + struct.pack("<I", zlib.crc32(body))


class Door:
    def __init__(self, store, *settings, door="door", keys=None):
        self.store, self.port, self.door = pathlib.Path(store), free_port(), door
        self.settings = [*settings, f"people.store={store}", f"people.door={door}", "camera.device=off", "inference.workers=1"]
        if keys:
            (self.store.parent / f"{door}.keys").write_text("\n".join(keys))
            # Templates that the script makes are not sealed.
            self.settings += [f"templates.keys={self.store.parent / f'{door}.keys'}", "templates.unsealed=true"]
        self.process = None
        self.start()

    def start(self):
        words = [word for setting in self.settings for word in ("--set", setting)]
        self.log = open(LOGS / f"{self.door}.log", "a")
        self.process = begin([BINARY, "--listen", f"127.0.0.1:{self.port}", *words], stderr=self.log)
        for _ in range(400):
            with contextlib.suppress(OSError):
                if self.ask("GET", "/readyz")[0] == 200:
                    return
            if self.process.poll() is not None:
                sys.exit(f"{self.door} did not start; see {self.log.name}:\n{pathlib.Path(self.log.name).read_text()[-2000:]}")
            time.sleep(0.05)
        sys.exit(f"{self.door} is not ready")

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait()
        self.log.close()

    def ask(self, verb, path, body=b"", kind="application/json", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        if body:
            headers["Content-Type"] = kind
        connection.request(verb, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        return answer.status, json.loads(said) if answer.getheader("Content-Type") == "application/json" else said

    def add(self, id, seed):
        status, said = self.ask("POST", "/v1/people", json.dumps({"id": id, "name": id}))
        if status == 201:
            status, said = self.ask("POST", f"/v1/people/{id}/templates", template(seed), "application/octet-stream")
        return status, said

    def people(self):
        """Id and version of everybody; none if they can't be used."""
        found, after = {}, ""
        while True:
            status, page = self.ask("GET", f"/v1/people?limit=1000{after}")
            if status != 200:
                return None
            found |= {person["id"]: (person["version"], len(person["templates"])) for person in page["people"]}
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"

    def wait(self, seconds, is_so):
        start = time.monotonic()
        while not is_so(self):
            if time.monotonic() - start > seconds:
                return None
            time.sleep(0.02)
        return time.monotonic() - start


def killed(folder):
    """Whatever was acknowledged before a kill is there after it."""
    door = Door(folder / "killed.redb", keys=[KEY])
    known, pending = {}, {}
    for round in range(KILLS):
        stop = threading.Timer(noise.uniform(0.002, 0.12), door.kill)
        stop.start()
        try:
            while True:
                id = f"p{noise.randrange(40)}"
                pending = {id: known.get(id)}
                if id in known and noise.random() < 0.3:
                    status, _ = door.ask("DELETE", f"/v1/people/{id}")
                    if status == 200:
                        del known[id]
                elif id not in known:
                    status, person = door.ask("POST", "/v1/people", json.dumps({"id": id, "name": "x" * noise.randrange(200)}))
                    if status == 201:
                        known[id] = (person["version"], 0)
                else:
                    path = f"/v1/people/{id}/templates"
                    status, person = door.ask("POST", path, template(noise.randrange(10**6)), "application/octet-stream")
                    if status == 201:
                        known[id] = (person["version"], len(person["templates"]))
                    elif status == 409:  # it has 16
                        door.ask("DELETE", f"/v1/people/{id}")
                        del known[id]
                pending = {}
        except (OSError, http.client.HTTPException):
            pass
        stop.join()
        door.process.wait()
        door.log.close()
        door.start()
        found = door.people()
        (id,) = pending or [None]
        # What was under way may have been done or not.
        same = {k: v for k, v in (found or {}).items() if k != id} == {k: v for k, v in known.items() if k != id}
        if found is None or not same:
            check(f"after kill {round} everything acknowledged is there", False)
        known = found
    check(f"{KILLS} kills under changes: everything acknowledged is there, {len(known)} people at the end", True)
    door.kill(signal.SIGTERM)
    return folder / "killed.redb", known


def disks(folder):
    """A full disk and a read-only one are told, and lose nothing."""
    place = folder / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], stderr=subprocess.DEVNULL).returncode:
        skipped.append("full and read-only disks: nothing can be mounted here")
        return
    try:
        door = Door(place / "people.redb", keys=[KEY])
        for i in range(3000):
            status, said = door.add(f"p{i}", i)
            if status != 201:
                break
        check(f"a full disk is told: {status} {said['code']} after {i} people", (status, said["code"]) == (503, "BPE-006003"))
        known = door.people()
        check("nobody is lost while it is full", known is not None and len(known) in (i, i + 1))
        door.kill()
        door.start()
        check("nor when it is started again", door.people() == known)
        door.kill(signal.SIGTERM)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        door.start()
        check("a read-only disk is read", door.people() == known)
        status, said = door.ask("POST", "/v1/people", json.dumps({"id": "new", "name": ""}))
        check("and changes are refused there", (status, said["code"]) == (503, "BPE-006003"))
        door.kill(signal.SIGTERM)
    finally:
        subprocess.run(["umount", "-l", place])


def damaged(folder, store, known):
    """A file that was changed is told apart from an empty one, and nobody wrong is known."""
    good, told = store.read_bytes(), 0
    for _ in range(12):
        bytes = bytearray(good)
        at = noise.randrange(len(bytes))
        bytes[at : at + 64] = noise.randbytes(min(64, len(bytes) - at))
        (folder / "damaged.redb").write_bytes(bytes)
        door = Door(folder / "damaged.redb", keys=[KEY])
        found = door.people()
        status, said = door.ask("GET", "/v1/people")
        if found != known and (status, said.get("code")) != (503, "BPE-006002"):
            check(f"damage at {at}", False)
        told += found is None
        door.kill()
    check(f"of 12 damages {told} are told (BPE-006002), the others are where nothing is", told > 0)


def seal(id, profile, templates, key=KEY):
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = bytes.fromhex(key)
    content = json.dumps({"profile": profile, "data": [base64.b64encode(t).decode() for t in templates]})
    head = b"FPSR\x01\x01\0\0" + hashlib.sha256(b"faceplate template key" + key).digest()[:8]
    nonce = os.urandom(12)
    return head + nonce + AESGCM(key).encrypt(nonce, b"\x01" + content.encode(), head + id.encode())


def record(id, seed, key=KEY):
    time = "2026-01-01T00:00:00Z"
    info = {"number": 1, "model": 1, "samples": 1, "quality": 90, "created": time, "source": "template", "liveness": None}
    profile = {"id": id, "name": id, "groups": [], "valid_from": None, "valid_until": None, "external_id": None, "version": 1,
               "created": time, "changed": time, "templates": [info]}
    return profile, seal(id, profile, [template(seed)], key)


def moved(folder):
    """A record is only imported under its own id and a known key."""
    door = Door(folder / "moved.redb", keys=[KEY])
    door.add("ann", 1)
    door.add("bob", 2)
    lines = [json.loads(line) for line in door.ask("GET", "/v1/people/export")[1].splitlines()]
    imported = lambda *lines: door.ask("POST", "/v1/people/import?replace=true", "\n".join(map(json.dumps, lines)).encode(), "application/x-ndjson")
    check("an export is imported again", imported(*lines)[0] == 200)
    swapped = [{"person": lines[0]["person"], "record": lines[1]["record"]}, {"people": 1}]
    renamed = [{"person": lines[1]["person"] | {"id": "ann"}, "record": lines[1]["record"]}, {"people": 1}]
    changed = [{"person": lines[0]["person"] | {"name": "Eve"}, "record": lines[0]["record"]}, {"people": 1}]
    for what, given in (("another person's record", swapped), ("a renamed one", renamed), ("a changed one", changed), ("a cut off file", lines[:2])):
        status, said = imported(*given)
        check(f"{what} is refused: {said['message'][:90]}", (status, said["code"]) == (400, "BPE-006012"))
    other = Door(folder / "other.redb", door="other", keys=[OTHER])
    status, said = other.ask("POST", "/v1/people/import", "\n".join(map(json.dumps, lines)).encode(), "application/x-ndjson")
    check(f"an export is refused under another key: {said['message'][:90]}", (status, said["code"]) == (400, "BPE-006012"))
    other.kill(signal.SIGTERM)
    door.kill(signal.SIGTERM)


class Etcd:
    """Members of an etcd, each behind a proxy that can drop everything."""

    def __init__(self, folder, count):
        self.folder, self.members, self.ports = folder, {}, [(free_port(), free_port()) for _ in range(count)]
        self.urls = [f"http://127.0.0.1:{client}" for client, _ in self.ports]
        for member in range(count):
            self.start(member)
        self.ready()

    def start(self, member):
        client, peer = self.ports[member]
        cluster = ",".join(f"m{i}=http://127.0.0.1:{p}" for i, (_, p) in enumerate(self.ports))
        words = {"name": f"m{member}", "data-dir": self.folder / f"etcd{len(self.ports)}-{member}", "listen-client-urls": f"http://127.0.0.1:{client}",
                 "advertise-client-urls": f"http://127.0.0.1:{client}", "listen-peer-urls": f"http://127.0.0.1:{peer}",
                 "initial-advertise-peer-urls": f"http://127.0.0.1:{peer}", "initial-cluster": cluster, "logger": "zap"}
        log = open(self.folder / f"etcd-{member}.log", "a")
        self.members[member] = begin(["etcd", *(f"--{k}={v}" for k, v in words.items())], stdout=log, stderr=log)

    def kill(self, member):
        self.members.pop(member).kill()

    def stop(self):
        for process in self.members.values():
            process.kill()
            process.wait()

    def ask(self, method, request):
        for client, _ in self.ports:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", client, timeout=5)
                connection.request("POST", f"/v3/{method}", json.dumps(request))
                answer = connection.getresponse()
                said = json.loads(answer.read())
                if answer.status == 200:
                    return said
            except (OSError, ValueError, http.client.HTTPException):
                pass
        return None

    def ready(self):
        for _ in range(200):
            if self.ask("kv/put", {"key": text(b"ready"), "value": ""}):
                return
            time.sleep(0.1)
        sys.exit("etcd does not start")


def text(bytes):
    return base64.b64encode(bytes).decode()


class Proxy:
    """Passes connections on to one port, or drops everything without a word."""

    def __init__(self, port):
        self.port, self.is_cut, self.socket = port, False, socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.socket.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                peer.close()
                continue
            for a, b in ((peer, server), (server, peer)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    def copy(self, a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                if not self.is_cut:
                    b.sendall(data)
        for s in (a, b):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)


def doors(folder):
    """Two doors and one etcd."""
    etcd = Etcd(folder, 1)
    urls = f"people.etcd={json.dumps(etcd.urls)}"
    a = Door(folder / "a.redb", urls, door="a", keys=[KEY])
    proxy = Proxy(etcd.ports[0][0])
    b = Door(folder / "b.redb", f"people.etcd={json.dumps([proxy.url])}", door="b", keys=[KEY])
    check("a person is enrolled at one door", a.wait(10, lambda a: a.add("ann", 1)[0] == 201) is not None)
    took = b.wait(5, lambda b: b.people() == a.people())
    check(f"and known at the other after {took or 0:.2f} s", took is not None)
    a.ask("DELETE", "/v1/people/ann")
    took = b.wait(2, lambda b: b.people() == {})
    check(f"a deletion reaches the other door after {took or 0:.2f} s (2)", took is not None)
    told = lambda door: {d["door"]: d["forgotten"] for d in door.ask("GET", "/v1/people/ann/deletion")[1]["doors"]}
    check("both doors are told to have forgotten", a.wait(5, lambda a: told(a) == {"a": True, "b": True}) is not None)
    b.kill(signal.SIGTERM)
    a.add("ann", 1)
    a.add("bob", 2)
    a.ask("DELETE", "/v1/people/ann")
    check("a door that is away has not", told(a) == {"a": True, "b": False})
    b.start()
    check("it forgets when it returns", b.wait(5, lambda b: b.people() == a.people()) is not None)
    proxy.is_cut = True
    status, said = b.ask("POST", "/v1/people", json.dumps({"id": "eve", "name": ""}))
    check(f"without network a door enrolls nobody: {said['code']}", (status, said["code"]) == (503, "BPE-006013"))
    check("but knows whom it knew", b.people() == a.people())
    a.add("cid", 3)
    proxy.is_cut = False
    took = b.wait(20, lambda b: b.people() == a.people())
    check(f"and catches up after {took or 0:.1f} s", took is not None)
    profile, bytes = record("dan", 4)
    put = lambda id, value: etcd.ask("kv/put", {"key": text(f"faceplate/people/{id}".encode()), "value": text(value)})
    put("dan", bytes)
    check("a record that is sealed as the documentation says is known", b.wait(3, lambda b: "dan" in b.people()) is not None)
    put("eve", bytes)
    put("fay", record("fay", 5, OTHER)[1])
    put("cid", bytes)
    etcd.ask("kv/put", {"key": text(b"faceplate/people/gus"), "value": text(b"FPPR\0\0\0\0")})
    put("hal", record("hal", 6)[1])
    check("records under other ids or keys are not", b.wait(3, lambda b: "hal" in b.people()) is not None and set(b.people()) == {"bob", "dan", "hal"})
    put("cid", record("cid", 3)[1])
    records = [(f"q{i}", record(f"q{i}", 100 + i)[1]) for i in range(10_000)]
    start = time.monotonic()
    for at in range(0, len(records), 100):
        puts = [{"request_put": {"key": text(f"faceplate/people/{id}".encode()), "value": text(value)}} for id, value in records[at : at + 100]]
        etcd.ask("kv/txn", {"success": puts})
    written = time.monotonic() - start
    took = b.wait(20, lambda b: len(b.people() or {}) == 10_004)
    check(f"10,000 people, written in {written:.1f} s, are known {took or 0:.1f} s after that at a connected door", took is not None)
    c = Door(folder / "c.redb", urls, door="c", keys=[KEY])
    took = c.wait(20, lambda c: len(c.people() or {}) == 10_004)
    check(f"and at a new one after {took or 0:.1f} s (20)", took is not None)
    # Compaction: what a door has missed is not there any more.
    b.kill()
    a.ask("DELETE", "/v1/people/q17")
    revision = etcd.ask("kv/range", {"key": text(b"x")})["header"]["revision"]
    a.ask("DELETE", "/v1/people/q18")
    etcd.ask("kv/compaction", {"revision": str(int(revision) + 1), "physical": True})
    b.start()
    took = b.wait(20, lambda b: len(b.people() or {}) == 10_002)
    check(f"a door whose past was compacted lists again, {took or 0:.1f} s", took is not None)
    for door in (a, b, c):
        door.kill(signal.SIGTERM)
    etcd.stop()


def members(folder):
    """Three members, some of which are killed, and a network that drops."""
    etcd = Etcd(folder, 3)
    proxies = [Proxy(client) for client, _ in etcd.ports]
    a = Door(folder / "a3.redb", f"people.etcd={json.dumps(etcd.urls)}", door="a3", keys=[KEY])
    b = Door(folder / "b3.redb", f"people.etcd={json.dumps([p.url for p in proxies])}", door="b3", keys=[KEY])
    known, number = set(), 0
    a.wait(10, lambda a: a.add("first", 1)[0] == 201)
    known.add("first")

    def change(door):
        nonlocal number
        number += 1
        id = f"n{number}"
        if door.ask("POST", "/v1/people", json.dumps({"id": id, "name": ""}))[0] == 201:
            known.add(id)
        if number % 3 == 0 and known:
            gone = noise.choice(sorted(known))
            if door.ask("DELETE", f"/v1/people/{gone}")[0] == 200:
                known.discard(gone)

    for round in range(4):
        victim = round % 3
        etcd.kill(victim)
        proxies[(victim + 1) % 3].is_cut = True
        for _ in range(6):
            change(a)
            change(b)
        proxies[(victim + 1) % 3].is_cut = False
        etcd.start(victim)
    etcd.ready()
    same = lambda door: set(door.people() or {}) == set(a.people() or {})
    took = b.wait(30, same)
    check(f"after four killed members and cut networks both doors have the same {len(a.people())} people, {took or 0:.1f} s later", took is not None)
    missing, more = known - set(a.people()), set(a.people()) - known
    # A change whose answer was lost may have been made.
    check(f"nobody acknowledged is missing ({len(missing)}; {len(more)} whose answer was lost)", not missing)
    for door in (a, b):
        door.kill(signal.SIGTERM)
    etcd.stop()


def absent(folder):
    """What a door has missed is more than a message of etcd has; keys come to a door later than records that are sealed with them."""
    folder = folder / "absent"
    folder.mkdir()
    etcd = Etcd(folder, 1)
    urls = f"people.etcd={json.dumps(etcd.urls)}"
    put = lambda id, value: etcd.ask("kv/put", {"key": text(f"faceplate/people/{id}".encode()), "value": text(value)})
    door = Door(folder / "away.redb", urls, door="away", keys=[KEY])
    put("ann", record("ann", 1)[1])
    check("a door knows ann", door.wait(5, lambda d: "ann" in (d.people() or {})) is not None)
    door.kill(signal.SIGTERM)
    profile, _ = record("big", 2)
    profile |= {"external_id": None, "templates": [profile["templates"][0] | {"number": n} for n in range(1, 17)]}
    some = [template(n) for n in range(16)]
    for at in range(2500):
        big = profile | {"id": f"b{at}"}
        put(big["id"], seal(big["id"], big, some))
    etcd.ask("kv/deleterange", {"key": text(b"faceplate/people/ann")})
    door.start()
    took = door.wait(20, lambda d: len(d.people() or {}) == 2500)
    check(f"after a long absence it knows all others and not ann, {took or 0:.1f} s later", took is not None)
    put("old", record("old", 3, OTHER)[1])
    put("last", record("last", 4)[1])
    check("a record of an unknown key is nobody's", door.wait(5, lambda d: "last" in d.people()) is not None and "old" not in door.people())
    door.kill(signal.SIGTERM)
    (folder / "away.keys").write_text(f"{KEY}\n{OTHER}")
    door.start()
    check("and known once the key is there", door.wait(5, lambda d: "old" in (d.people() or {})) is not None)
    # A backup of etcd that does not know the last of it.
    backup = etcd.folder / "etcd1-0.backup"
    etcd.stop()
    shutil.copytree(etcd.folder / "etcd1-0", backup)
    etcd.start(0)
    etcd.ready()
    check("a person is enrolled after a backup", door.wait(15, lambda d: d.add("eve", 50)[0] == 201) is not None)
    time.sleep(1)
    door.kill(signal.SIGTERM)
    etcd.stop()
    shutil.rmtree(etcd.folder / "etcd1-0")
    backup.rename(etcd.folder / "etcd1-0")
    etcd.start(0)
    etcd.ready()
    for i in range(60):
        put("other", record("other", 6)[1])
    door.start()
    took = door.wait(20, lambda d: "eve" not in (d.people() or {"eve": 1}) and "other" in d.people())
    check("and unknown once etcd is restored from it", took is not None)
    door.kill(signal.SIGTERM)
    etcd.stop()


def users(folder):
    """A user with a password, and TLS on both sides."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def certificate(name, issuer=None, is_authority=False):
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
        # Where there are users, etcd's gateway takes no certificate with a common name.
        subject = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, name)])
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer[1].subject if issuer else subject)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=9))
        builder = builder.add_extension(x509.BasicConstraints(is_authority, None), True)
        address = x509.IPAddress(__import__("ipaddress").ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), address]), False)
        made = builder.sign(issuer[0] if issuer else key, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{name}.key").write_bytes(private)
        return key, made

    authority = certificate("authority", is_authority=True)
    certificate("member", authority)
    certificate("visitor", authority)
    certificate("stranger", certificate("others", is_authority=True))
    client, peer = free_port(), free_port()
    log = open(LOGS / "etcd-tls.log", "a")
    words = {"data-dir": folder / "etcd-tls", "listen-client-urls": f"https://127.0.0.1:{client}", "advertise-client-urls": f"https://127.0.0.1:{client}",
             "listen-peer-urls": f"http://127.0.0.1:{peer}", "cert-file": folder / "member.pem", "key-file": folder / "member.key",
             "trusted-ca-file": folder / "authority.pem", "client-cert-auth": "true", "logger": "zap"}
    etcd = begin(["etcd", *(f"--{k}={v}" for k, v in words.items())], stdout=log, stderr=log)
    import ssl

    context = ssl.create_default_context(cafile=folder / "authority.pem")
    context.load_cert_chain(folder / "visitor.pem", folder / "visitor.key")

    def ask(method, request):
        connection = http.client.HTTPSConnection("127.0.0.1", client, timeout=5, context=context)
        connection.request("POST", f"/v3/{method}", json.dumps(request))
        return json.loads(connection.getresponse().read())

    for _ in range(100):
        with contextlib.suppress(OSError, ValueError):
            ask("kv/put", {"key": text(b"ready"), "value": ""})
            break
        time.sleep(0.1)
    everything = {"key": text(b"faceplate/"), "range_end": text(b"faceplate0")}
    ask("auth/user/add", {"name": "root", "password": "for the owner"})
    ask("auth/role/add", {"name": "root"})
    ask("auth/user/grant", {"user": "root", "role": "root"})
    ask("auth/user/add", {"name": "door", "password": "open sesame"})
    ask("auth/role/add", {"name": "doors"})
    ask("auth/role/grant", {"name": "doors", "perm": {"permType": "READWRITE"} | everything})
    ask("auth/user/grant", {"user": "door", "role": "doors"})
    ask("auth/enable", {})
    (folder / "password").write_text("open sesame\n")
    tls = [f"people.etcd=https://127.0.0.1:{client}", f"people.etcd_authority={folder / 'authority.pem'}",
           f"people.etcd_certificate={folder / 'visitor.pem'}", f"people.etcd_key={folder / 'visitor.key'}"]
    tls[0] = f'people.etcd=["https://127.0.0.1:{client}"]'
    user = ["people.etcd_user=door", f"people.etcd_password={folder / 'password'}"]
    door = Door(folder / "user.redb", *tls, *user, door="user", keys=[KEY])
    check("a door with certificate, user and password enrolls", door.wait(10, lambda d: d.add("ann", 1)[0] == 201) is not None)
    nobody = Door(folder / "nobody.redb", *tls, door="nobody", keys=[KEY])
    strange = [f"people.etcd_certificate={folder / 'stranger.pem'}", f"people.etcd_key={folder / 'stranger.key'}"]
    stranger = Door(folder / "stranger.redb", *tls[:2], *strange, *user, door="stranger", keys=[KEY])
    doubting = Door(folder / "doubting.redb", tls[0], f"people.etcd_authority={folder / 'others.pem'}", *tls[2:], *user, door="doubting", keys=[KEY])
    time.sleep(3)
    for what, other in (("without a user", nobody), ("with a certificate of others", stranger), ("that trusts others", doubting)):
        status, said = other.add("bob", 2)
        check(f"a door {what} does not: {said['message'][-60:]}", (status, said["code"], other.people()) == (503, "BPE-006013", {}))
        other.kill()
    door.kill(signal.SIGTERM)
    etcd.kill()


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if "killed" in PARTS:
            damaged(folder, *killed(folder))
        for part in (moved, disks):
            if part.__name__ in PARTS:
                part(folder)
        if not shutil.which("etcd"):
            skipped.append("several doors: there is no etcd")
        elif not importlib.util.find_spec("cryptography"):
            skipped.append("several doors: there is no cryptography for Python")
        else:
            for part in (doors, absent, users, members):
                if part.__name__ in PARTS:
                    part(folder)
    shutil.rmtree(LOGS)
    for what in skipped:
        print(f"SKIPPED {what}")
    sys.exit(77 if skipped else 0)


main()
