"""Checks that h11 and llhttp (which Node uses) read what the gate passes on in the same way: gate.py READS [CASES].

Each case is the bytes of one connection: odd requests that are known to be read differently by servers, and random damage to good
ones. The gate may refuse what others accept; it must not pass on what one of them reads differently.
"""

import json
import random
import struct
import subprocess
import sys

import h11
import httptools

GOOD = [
    b"GET /a?b=c HTTP/1.1\r\nHost: kiosk\r\nAccept: */*\r\n\r\n",
    b"POST /b HTTP/1.1\r\nHost: kiosk\r\nContent-Length: 11\r\nContent-Type: image/jpeg\r\n\r\nhello world",
    b"POST /c HTTP/1.1\r\nHost: kiosk\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX: y\r\n\r\n",
    b"GET /d HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST /e HTTP/1.1\r\nHost: kiosk\r\nContent-Length: 3\r\nConnection: close\r\n\r\nend",
    b"HEAD /f HTTP/1.1\r\nHost: [::1]:80\r\nX-Request-ID: 7\r\n\r\n",
    b"GET http://kiosk/g HTTP/1.1\r\nHost: kiosk\r\n\r\n",
]
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: kiosk\r\n\r\n"
LINES = [
    b"Content-Length: 5", b"Content-Length: 05", b"Content-Length: +5", b"Content-Length: -5", b"Content-Length: 5, 5", b"Content-Length: 0x5",
    b"Content-Length:5", b"Content-Length:\t5", b"Content-Length : 5", b"Content-Length: 5 ", b"Content-Length: 5\x0b", b"Content-Length:", b"Content_Length: 5",
    b" Content-Length: 5", b"Content-Length\x00: 5", b"Content-Length: 5\r", b"Content-Length: 5\nX: y", b"Content-Length: \r\n 5", b"content-LENGTH: 5",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: identity",
    b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: x, chunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding:", b"Transfer-Encoding: chunked\r\n ,identity",
    b"Host: other", b"Host:", b"Host: a b", b"Connection: close", b"Connection: upgrade\r\nUpgrade: h2c", b"Expect: 100-continue", b"X: \xff", b"X: \x7f", b"X: a\x00b",
    b": x", b"X", b"X y: z", b"\tX: y", b"X:y\r\n\tz", b"Trailer: X", b"TE: trailers", b"Range: bytes=0-1",
]
BODIES = [b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"5\nhello\n0\n\n", b"5;x\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"5;\nx\r\nhello\r\n0\r\n\r\n",
          b"00005\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
          b"5\r\nhello\r\n0\r\nX y\r\n\r\n", b"5\r\nhello\r\n0\r\n", b"5\r\nhello\r\n0\r\n\n", b"5\rhello\r\n0\r\n\r\n", b"fffffffffffffffff\r\n", b"5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n"]


def known():
    for first in LINES:
        for body in BODIES:
            yield b"POST /x HTTP/1.1\r\nHost: kiosk\r\n" + first + b"\r\n\r\n" + body + HIDDEN
        for second in LINES:
            yield b"POST /x HTTP/1.1\r\nHost: kiosk\r\n" + first + b"\r\n" + second + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + HIDDEN
            yield b"POST /x HTTP/1.0\r\n" + first + b"\r\n" + second + b"\r\n\r\nhello" + HIDDEN
    for line in [b"GET  /x HTTP/1.1", b"GET /x  HTTP/1.1", b"GET /x HTTP/1.1 ", b" GET /x HTTP/1.1", b"GET\t/x HTTP/1.1", b"GET /x HTTP/1.2", b"GET /x http/1.1", b"GET /x", b"get /x HTTP/1.1",
                 b"GET /x y HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET x HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT h:1 HTTP/1.1", b"GET http://h/x HTTP/1.1", b"G@T /x HTTP/1.1", b"GET /x#y HTTP/1.1", b"PRI * HTTP/2.0"]:
        yield line + b"\r\nHost: kiosk\r\n\r\n" + HIDDEN
        yield b"\r\n" + line + b"\r\nHost: kiosk\r\n\r\n" + HIDDEN
        yield line + b"\nHost: kiosk\n\n" + HIDDEN


def damaged(count):
    generator = random.Random(1)
    tokens = [b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b":", b";", b",", b"0", b"5", b"\r\n ", b"chunked", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\xff", b"\x0b", HIDDEN]
    for _ in range(count):
        case = b"".join(generator.choice(GOOD) for _ in range(generator.randint(1, 3)))
        for _ in range(generator.randint(1, 3)):
            at, length = generator.randrange(len(case)), generator.choice([0, 0, 1, 1, 2, 5])
            case = case[:at] + generator.choice(tokens + [b""]) + case[at + length:]
        yield case


def path(target):
    """In origin form, as the gate passes it on."""
    lower = target.lower()
    for scheme in (b"http://", b"https://"):
        if lower.startswith(scheme):
            rest = target[len(scheme):]
            return rest[rest.index(b"/"):] if b"/" in rest else b"/"
    return target


def by_h11(case):
    connection, requests = h11.Connection(h11.SERVER), []
    try:
        connection.receive_data(case)
        while True:
            event = connection.next_event()
            if type(event) is h11.Request:
                request = [event.method, path(event.target), b""]
            elif type(event) is h11.Data:
                request[2] += bytes(event.data)
            elif type(event) is h11.EndOfMessage:
                requests.append(tuple(request))
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
                # The empty line that RFC 9112, 2.2 wants skipped between requests; h11 takes none.
                rest = connection.trailing_data[0]
                if rest.startswith(b"\r\n"):
                    connection = h11.Connection(h11.SERVER)
                    connection.receive_data(rest[2:])
            else:
                return requests
    except (h11.RemoteProtocolError, h11.LocalProtocolError):
        return requests


class ByLlhttp:
    def __init__(self, case):
        self.requests, self.parser = [], httptools.HttpRequestParser(self)
        try:
            self.parser.feed_data(case)
        except httptools.HttpParserError:
            pass
        except httptools.HttpParserUpgrade:
            # llhttp leaves what follows to its caller; the gate takes it for the body, and closes the connection after it.
            self.requests[-1] = None

    def on_message_begin(self):
        self.url, self.body = b"", b""

    def on_url(self, url):
        self.url += url

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.requests.append((self.parser.get_method(), path(self.url), self.body))


def main():
    cases = list(known()) + list(damaged(int(sys.argv[2]) if len(sys.argv) > 2 else 30000))
    blob = b"".join(struct.pack("<I", len(case)) + case for case in cases)
    out = subprocess.run([sys.argv[1]], input=blob, stdout=subprocess.PIPE, check=True).stdout.splitlines()
    assert len(out) == len(cases), (len(out), len(cases))
    passed = differences = 0
    for case, line in zip(cases, out):
        ours = [(m.encode(), t.encode(), bytes(b)) for m, t, b in json.loads(line)["requests"]]
        passed += len(ours)
        for name, theirs in (("h11", by_h11(case)), ("llhttp", ByLlhttp(case).requests)):
            # The service refuses other methods, as the gate does here.
            theirs = [request for request in theirs if request is None or request[0] in (b"GET", b"HEAD", b"POST")]
            # What llhttp left to its caller can't be compared.
            read = ours[:len(theirs) - 1] if None in theirs else ours
            if theirs[:len(read)] != read:
                differences += 1
                if differences < 20:
                    print(f"{case!r}\n  gate {ours}\n  {name} {theirs}")
    print(f"{len(cases)} cases, {passed} requests passed on, {differences} read differently by h11 or llhttp")
    assert passed > len(cases) // 20, "the gate passes on too few requests for the comparison to mean anything"
    sys.exit(1 if differences else 0)


main()
