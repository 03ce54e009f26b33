#!/usr/bin/env python3
"""Drives the console in a headless Chromium as people do: .ci/console.py BINARY [POSES]. Exits with 77 where a part is skipped.

Needs chromium of the system, and playwright and axe-playwright-python of PyPI (the latter has axe-core). Every view in both languages, light
and dark, wide and on a phone: no error in the console, no request to another host, no report of the content security policy, no violation that
axe-core finds. Then the work: enroll, try, watch an event, tokens, delete; hostile names, ended sessions, a service that restarts, a camera that
fails. With POSES, which a unit test renders (FACEPLATE_POSES), the kiosk carries a challenge and a challenge with light to their end: a head
that follows the prompts is shown by a file that is replaced, lit by the colors that the page shows.

SHOTS=FOLDER writes a picture of every view there. FIGURES=1 measures sizes, first paint, memory and the CPU of each view instead.
"""

import contextlib
import glob
import importlib.util
import io
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from support import begin, check, free_port, until_ready

BINARY = str(pathlib.Path(sys.argv[1]).resolve())
POSES = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
ROOT = pathlib.Path(__file__).resolve().parent.parent
SHOTS = os.environ.get("SHOTS") and pathlib.Path(os.environ["SHOTS"]).resolve()
PICTURES = ROOT / "tests/pictures"
PARTS = os.environ.get("PARTS", "views work guarded hostile restart camera kiosk").split()
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
skipped = []
ALL = "pattern compare liveness camera people door claim events metrics kiosk admin".split()


class Terminal:
    """A service with a camera of a picture."""

    def __init__(self, *settings, camera="file:tests/pictures/collins.jpg", tokens="", people=True):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = None
        self.file = self.folder / "faceplate.toml"
        text = f'[camera]\ndevice = "{camera}"\nwarm = true\nliveness_frames = 8\n'
        text += f'[people]\nstore = "{self.folder}/people.redb"\n' if people else ""
        text += f'[access]\nstore = "{self.folder}/tokens.toml"\n'
        self.file.write_text(text)
        self.settings = [word for setting in settings for word in ("--set", setting)]
        if tokens:
            self.token = self.make("all", tokens)
        self.start()

    def make(self, name, scopes):
        made = subprocess.run([BINARY, "token", "new", name, *scopes.split(), "--write", str(self.file)], capture_output=True, text=True, check=True)
        return re.search(r"Bearer (\S+)", made.stderr)[1]

    def start(self):
        self.log = open(self.folder / "log", "a")
        words = [BINARY, "--settings", str(self.file), "--listen", f"127.0.0.1:{self.port}", *self.settings]
        self.process = begin(words, stderr=self.log, cwd=ROOT)
        until_ready(self.process, self.ask, self.folder / "log")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def ask(self, verb, path, body=None, kind="application/json", token=None, timeout=60):
        headers = {"Content-Type": kind} if body is not None else {}
        if token or self.token:
            headers["Authorization"] = f"Bearer {token or self.token}"
        body = json.dumps(body).encode() if body is not None and kind == "application/json" else body
        request = urllib.request.Request(self.url + path, data=body, method=verb, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as reply:
                status, read = reply.status, reply.read()
                self.liveness = json.loads(reply.headers.get("X-Liveness") or "null")
        except urllib.error.HTTPError as error:
            status, read = error.code, error.read()
        with contextlib.suppress(ValueError):
            return status, json.loads(read)
        return status, read

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


class Window:
    """A page of a browser, and all that went wrong in it."""

    def __init__(self, browser, terminal, size=(1280, 900), scheme="light", language="en", expect=()):
        from playwright.sync_api import Error

        self.Error = Error
        self.terminal, self.expect = terminal, expect
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale=language, reduced_motion="reduce")
        self.context.add_init_script("""
            window.__reports = [];
            addEventListener("securitypolicyviolation", (e) => __reports.push(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
            window.alert = () => { window.__pwned = true; };
        """)
        self.page = self.context.new_page()
        self.wrong = []
        self.page.on("console", self.said)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("request", self.asked)

    def said(self, message):
        if message.type not in ("error", "warning"):
            return
        # A reply that the test provokes is told by the browser as well.
        if "Failed to load resource" in message.text and any(f"status of {code}" in message.text for code in self.expect):
            return
        if "net::ERR_" in message.text and "offline" in self.expect:
            return
        # On a slow machine no worker may be free while a frame is fresh; the page asks again.
        if "status of 503" in message.text and "/v1/camera/faces" in str(message.location.get("url")):
            return
        self.wrong.append(f"{message.type}: {message.text} {message.location.get('url')}")

    def asked(self, request):
        if not request.url.startswith((self.terminal.url, "blob:", "data:")):
            self.wrong.append(f"request to {request.url}")

    def go(self, view, path="/"):
        self.page.goto(f"{self.terminal.url}{path}#{view}")
        if path == "/":
            self.page.wait_for_selector("h1")

    def text(self):
        return self.page.inner_text("body")

    def see(self, text, seconds=20):
        """Waits until the page shows a text."""
        self.until(lambda: text in self.text(), f"the page shows {text!r}", seconds)

    def until(self, found, what=None, seconds=20):
        """Waits until `found`, an expression of the page or a function, is true. (What playwright has for it needs `eval`, which the policy
        forbids.)"""
        ask = found if callable(found) else lambda: self.page.evaluate(found)
        end = time.monotonic() + seconds
        while True:
            # A page that is being exchanged can't be asked.
            with contextlib.suppress(self.Error):
                if ask():
                    return
            if time.monotonic() > end:
                print(self.text())
                check(f"{what or found}; {self.wrong}", False)
            time.sleep(0.05)

    def press(self, name, role="button", exact=True):
        self.page.get_by_role(role, name=name, exact=exact).first.click()

    def shoot(self, name, full=False):
        if SHOTS:
            picture = self.page.screenshot(full_page=full)
            if importlib.util.find_spec("PIL"):
                from PIL import Image

                # A palette makes them a third as large.
                shown = Image.open(io.BytesIO(picture)).convert("RGB").quantize(192)
                shown.save(SHOTS / f"{name}.png", optimize=True)
            else:
                (SHOTS / f"{name}.png").write_bytes(picture)

    def settle(self, what):
        """Nothing went wrong so far."""
        self.wrong += self.page.evaluate("window.__reports || []")
        if self.page.evaluate("Boolean(window.__pwned)"):
            self.wrong.append("a script of a stranger ran")
        if self.wrong:
            print("\n".join(self.wrong))
        check(what, not self.wrong)

    def axe(self, what):
        found = run_axe(self.page)
        if found:
            print(json.dumps(found, indent=1))
        check(f"axe-core finds nothing in {what}", not found)

    def close(self):
        self.context.close()


def axe_source():
    folder = pathlib.Path(importlib.util.find_spec("axe_playwright_python").origin).parent
    return next(folder.glob("**/axe.min.js")).read_text()


def run_axe(page):
    # Injected by the debugger, which no policy of the page binds.
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(axe_source() + "; undefined")
    return page.evaluate("axe.run(document).then((r) => r.violations.map((v) => [v.id, v.help, v.nodes.slice(0, 4).map((n) => n.html.slice(0, 200))]))")


def views(browser):
    """Every view in both languages, light and dark, wide and on a phone."""
    terminal = Terminal("door.relay=simulated", "events.device=lobby", tokens=" ".join(ALL),)
    terminal.ask("POST", "/v1/people", {"id": "eileen", "name": "Eileen Collins", "groups": ["staff"]})
    for picture in ("collins.jpg", "collins_dim.png"):
        kind = "image/png" if picture.endswith("png") else "image/jpeg"
        terminal.ask("POST", "/v1/people/eileen/templates", (PICTURES / picture).read_bytes(), kind)
    terminal.ask("POST", "/v1/people", {"id": "grace", "name": "Grace Hopper", "groups": ["guests"], "valid_until": "2020-01-01T00:00:00Z"})
    terminal.ask("POST", "/v1/people/grace/templates", (PICTURES / "hopper.jpg").read_bytes(), "image/jpeg")
    terminal.ask("POST", "/v1/people", {"id": "new", "name": "Neil Armstrong"})
    terminal.ask("POST", "/v1/tokens", {"name": "reception", "scopes": ["camera", "people", "events"]})
    terminal.ask("POST", "/v1/door/open")
    looks = [((1280, 900), "light", "en", "wide"), ((390, 844), "dark", "de", "phone"), ((1280, 900), "dark", "de", None), ((390, 844), "light", "en", None)]
    for size, scheme, language, name in looks:
        window = Window(browser, terminal, size, scheme, language)
        window.page.goto(f"{terminal.url}/#token={terminal.token}")
        window.page.wait_for_selector(".tiles .chip")
        check("the token is gone from the address", "token" not in window.page.url)
        for view in ("start", "live", "try", "people", "people/eileen", "people/+", "events", "system"):
            window.go(view)
            time.sleep(1.2)
            if view == "system" and name:
                time.sleep(7)  # until the figures have a past
            if view == "live":
                window.page.wait_for_selector(".picture svg.over .chosen", timeout=20_000)
            if view == "try":
                for at, picture in enumerate(("collins.jpg", "collins_dim.png")):
                    window.page.locator("input[type=file]").nth(at).set_input_files(PICTURES / picture)
                window.until("document.querySelectorAll('.picture svg.over').length == 2")
                window.page.get_by_role("button", name="Same person?" if language == "en" else "Dieselbe Person?").click()
                window.page.wait_for_selector(".score")
            if name:
                window.shoot(f"{view.replace('/', '-').replace('-+', '-new').replace('eileen', 'one')}-{name}", full=name == "wide" and view not in ("system", "start"))
            wide = window.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            check(f"{view} fits ({language}, {scheme}, {size[0]})", wide <= 0)
            small = window.page.evaluate("""[...document.querySelectorAll('button, a.button, nav a, select, input:not([type=checkbox])')].filter((e) => e.offsetParent)
                .map((e) => [e.outerHTML.slice(0, 90), e.getBoundingClientRect().height]).filter(([, height]) => height < 43.9)""")
            check(f"{view} has no target under 44 px {small}", not small)
            window.axe(f"{view} ({language}, {scheme}, {size[0]})")
            window.settle(f"{view} without an error")
        window.page.goto(f"{terminal.url}/docs/guide/people.html")
        window.axe("a guide")
        window.settle("a guide without an error")
        window.go("", "/kiosk")
        time.sleep(1)
        if name:
            window.shoot(f"kiosk-{name}")
        window.axe("the kiosk")
        window.settle("the kiosk without an error")
        window.close()
    keyboard = Window(browser, terminal)
    keyboard.page.goto(f"{terminal.url}/#token={terminal.token}")
    keyboard.page.wait_for_selector(".tiles .chip")
    keyboard.page.keyboard.press("Tab")
    reached = set()
    for _ in range(16):
        keyboard.page.keyboard.press("Tab")
        reached.add(keyboard.page.evaluate("document.activeElement.textContent.trim()"))
    check("all views are reached by the keyboard", {"Start", "Live", "Try", "People", "Events", "System"} <= reached)
    keyboard.page.get_by_role("link", name="People").focus()
    keyboard.page.keyboard.press("Enter")
    keyboard.see("Eileen Collins")
    keyboard.close()
    terminal.stop()


def work(browser):
    """What the person at the reception does, on a device without tokens."""
    terminal = Terminal("events.device=lobby")
    window = Window(browser, terminal, expect=(409, 400))
    window.go("start")
    window.see("First steps")
    window.press("New person", "link")
    window.page.get_by_label("Name").fill("Eileen Collins")
    window.page.get_by_label("Groups").fill("staff, crew")
    window.press("Save")
    window.see("Needs enrollment")
    window.page.get_by_label("With challenge (turn the head)").uncheck()
    window.press("Add at the camera")
    window.see("Template 1 of quality")
    window.see("camera")
    window.page.get_by_label("Add from this device").set_input_files(PICTURES / "collins_dim.png")
    window.see("Template 2 of quality")
    window.page.locator("label.field:has-text('Picture') input[type=file]").last.set_input_files(PICTURES / "collins_dim.png")
    window.page.wait_for_selector(".score")
    check("a face of the same person matches", float(window.page.inner_text(".score")) > 0.85)
    window.press("Delete template 2")
    window.until("document.querySelectorAll('tbody tr').length == 1")
    window.settle("a person is enrolled at the camera and with a picture, and compared")
    # A face that is somebody else's is asked for.
    window.go("people/+")
    window.page.get_by_label("Name").fill("Somebody else")
    window.press("Save")
    window.see("Needs enrollment")
    window.page.get_by_label("Add from this device").set_input_files(PICTURES / "collins.jpg")
    window.see("This face is another person's")
    window.press("Add nevertheless")
    window.see("Template 1 of quality")
    window.settle("a face of another person is added only if somebody says so")
    # HEIC is read where the browser reads it; what the browser can't show is told.
    window.page.get_by_label("Add from this device").set_input_files({"name": "x.heic", "mimeType": "image/heic", "buffer": b"\0\0\0\x18ftypheic" + b"\0" * 40})
    window.see("can't be shown as a picture")
    webp = window.page.evaluate("new Promise(done => { const c = document.createElement('canvas'); c.width = c.height = 64; c.getContext('2d').fillRect(0,0,64,64); c.toBlob(async b => done([...new Uint8Array(await b.arrayBuffer())]), 'image/webp'); })")
    window.go("try")
    window.page.locator("input[type=file]").first.set_input_files({"name": "x.webp", "mimeType": "image/webp", "buffer": bytes(webp)})
    window.see("Nobody is there")
    window.go("start")
    window.go("try")
    for first, second, said in (("collins.jpg", "collins_dim.png", "Approved"), ("collins.jpg", "hopper.jpg", "Declined")):
        for at, picture in enumerate((first, second)):
            window.page.locator("input[type=file]").nth(at).set_input_files(PICTURES / picture)
        window.until("document.querySelectorAll('.picture svg.over').length == 2")
        time.sleep(0.3)
        window.press("Same person?")
        window.see(said)
    window.press("Live person?")
    window.see("Spoofing confidence")
    check("the same is told as a curl line", "curl -F sample_1=@1.jpg" in window.text())
    window.press("Clip")
    window.page.locator("input[type=file]").set_input_files(next(iter(sorted((ROOT / "tests/clips").glob("h264.mp4")))))
    window.press("Live person?")
    window.until("document.querySelector('.card [role=status]').innerText.length > 12", seconds=60)
    window.settle("two pictures and a clip are tried")
    window.go("live")
    window.page.wait_for_selector(".picture svg.over .chosen", timeout=20_000)
    window.see("Eye distance")
    window.press("Check liveness")
    window.see("Spoofing confidence", 40)
    window.press("Who is it?")
    window.page.wait_for_selector(".score")
    window.settle("the camera is looked at and asked")
    # An event arrives in an open view.
    window.go("events")
    window.see("Person enrolled")
    terminal.ask("POST", "/v1/people", {"id": "late", "name": "Late Comer"})
    window.see("Late Comer", 5)
    window.page.get_by_label("Kind").select_option("people.deleted")
    window.see("No events.")
    terminal.ask("DELETE", "/v1/people/late")
    window.see("late", 5)
    with window.page.expect_download() as download:
        window.press("CSV")
    lines = pathlib.Path(download.value.path()).read_text().splitlines()
    check("the events are there as CSV", lines[0].startswith("sequence,") and "people.deleted" in lines[1])
    window.settle("an event is watched")
    # Backup and restore.
    window.go("system")
    window.see("Backup")
    with window.page.expect_download() as download:
        window.press("Export")
    backup = pathlib.Path(download.value.path()).read_bytes()
    check("a backup has everybody", backup.count(b"\n") >= 2)
    window.page.get_by_label("File of a backup").set_input_files({"name": "people.jsonl", "mimeType": "application/x-ndjson", "buffer": backup})
    window.press("Restore")
    window.see("enrolled already")
    window.page.get_by_label("Replace people who are there already").check()
    window.press("Restore")
    window.see("imported.")
    window.settle("people are backed up and restored")
    # The first token, by which this browser is signed in; another one, which is revoked.
    window.page.get_by_label("Name of the token").fill("console")
    window.press("Make a token")
    window.see("Keep it now")
    check("with the first token nobody comes in without", terminal.ask("GET", "/v1/people")[0] == 401)
    cookies = window.context.cookies()
    check("the cookie is for this service and not for scripts", len(cookies) == 1 and cookies[0]["httpOnly"] and cookies[0]["sameSite"] == "Strict" and window.page.evaluate("document.cookie") == "")
    window.page.get_by_label("Name of the token").fill("reader")
    window.page.get_by_label("claim", exact=True).check()
    window.press("Make a token")
    window.see("reader")
    window.press("Revoke: reader")
    window.page.locator("dialog").get_by_role("button", name="Revoke").click()
    window.until("!document.querySelector('#tokens').innerText.includes('reader')")
    window.settle("tokens are made and revoked")
    # A person is deleted, once its name is typed.
    window.go("people")
    window.page.get_by_label("Search name or id").fill("collins")
    window.page.get_by_role("link", name="Eileen Collins").click()
    window.page.get_by_role("button", name="Delete person").click()
    sure = window.page.locator("dialog").get_by_role("button", name="Delete", exact=True)
    window.page.locator("dialog input").fill("eileen collins")
    check("another name deletes nobody", sure.is_disabled())
    window.page.locator("dialog input").fill("Eileen Collins")
    sure.click()
    window.see("was deleted")
    window.settle("a person is deleted")
    window.close()
    terminal.stop()


def guarded(browser):
    """Tokens: signing in, scopes, the end of a session."""
    terminal = Terminal("door.relay=simulated", tokens=" ".join(ALL))
    window = Window(browser, terminal, expect=(401, 403, "offline"))
    window.go("people")
    window.see("Sign in")
    window.axe("sign in")
    window.shoot("sign-in-wide")
    window.page.get_by_label("Token").fill("faceplate_wrong")
    window.press("Sign in")
    window.see("not known")
    window.page.get_by_label("Token").fill(terminal.token)
    window.press("Sign in")
    window.see("Nobody found.")
    window.go("live")
    window.press("Open once")
    window.see("The lock was opened.")
    window.until("document.querySelector('.picture img').naturalWidth > 0", "an image gets the stream by the session")
    window.press("Sign out")
    window.see("Sign in")
    status = window.page.evaluate("fetch('/v1/people').then((reply) => reply.status)")
    check("a session that was ended is no session", status == 401)
    window.settle("signed in and out")
    # Scopes.
    few = terminal.ask("POST", "/v1/tokens", {"name": "desk", "scopes": ["people", "camera"]})[1]
    window.page.goto(f"{terminal.url}/#token={few['token']}")
    window.page.reload()
    window.page.goto(f"{terminal.url}/?#token={few['token']}")
    window.see("First steps")
    for view in ("live", "people", "events", "system", "try"):
        window.go(view)
        time.sleep(0.7)
    check("a view that is not permitted says so", window.page.evaluate("fetch('/v1/tokens').then((reply) => reply.status)") == 403)
    window.go("events")
    window.see("does not permit")
    window.settle("a token with few scopes sees what it may")
    window.go("people")
    window.see("Nobody found.")
    terminal.ask("DELETE", f"/v1/tokens/{few['id']}")
    window.page.get_by_label("Search name or id").fill("x")
    window.see("Sign in")
    window.settle("a session ends with its token")
    kiosk = terminal.ask("POST", "/v1/tokens", {"name": "screen", "scopes": ["kiosk"]})[1]
    window.page.goto(f"{terminal.url}/kiosk#token={kiosk['token']}")
    window.until("document.querySelector('#kiosk').dataset.state == 'off'")
    for path, status in (("/v1/door", 200), ("/v1/camera", 200), ("/v1/people", 403), ("/v1/events", 403)):
        check(f"the kiosk's token: {path} {status}", window.page.evaluate(f"fetch('{path}').then((reply) => reply.status)") == status)
    opened = window.page.evaluate("fetch('/v1/door/open', {method: 'POST'}).then((reply) => reply.status)")
    check("the kiosk opens nothing", opened == 403)
    controls = window.page.evaluate("document.querySelectorAll('button, a, input, select, textarea').length")
    check("the kiosk has nothing to press", controls == 0)
    terminal.stop()
    terminal.start()
    window.until("fetch('/v1/door').then((reply) => reply.status == 200)", "the kiosk signs in again after a restart")
    window.close()
    terminal.stop()


HOSTILE = ["<img src=x onerror=alert(1)>", "\"><script>alert(1)</script>", "'-alert(1)-'", "javascript:alert(1)", "\u202eevil\u202c\u2066x", "${alert(1)}{{alert(1)}}",
           "<svg/onload=alert(1)>", "a&lt;b&gt;", "\u0623\u062d\u0645\u062f", "W" * 255]


def hostile(browser):
    """Names that are no names stay text wherever they are shown or typed."""
    terminal = Terminal("events.device=lobby")
    for number, name in enumerate(HOSTILE):
        status, made = terminal.ask("POST", "/v1/people", {"id": f"p{number}", "name": name, "groups": [name[:20]], "external_id": name[:60]})
        check(f"{name[:24]!r} is a name, or refused: {status}", status in (201, 400))
    status, told = terminal.ask("POST", "/v1/people", {"id": "long", "name": "x" * 65536})
    check(f"a name of 64 KB is refused: {told['code']}", status == 400)
    window = Window(browser, terminal, expect=(400, 404, 409, 403))
    for view in ("start", "people", *[f"people/p{number}" for number in range(len(HOSTILE))], "events", "system"):
        window.go(view)
        time.sleep(0.5)
        wide = window.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        check(f"{view} with hostile names fits", wide <= 0)
    window.go("people")
    window.see("<img src=x onerror=alert(1)>")
    window.go("events")
    window.see("<img src=x onerror=alert(1)>")
    # Typed into every field.
    for text in HOSTILE[:4]:
        window.go("people")
        window.page.get_by_label("Search name or id").fill(text)
        window.page.get_by_label("Groups").fill(text)
        time.sleep(0.4)
        window.go("people/+")
        window.page.get_by_label("Name").fill(text)
        window.page.get_by_label("Groups").fill(text)
        window.press("Save")
        window.see("Needs enrollment")
        window.see(text)
        window.go("events")
        window.page.get_by_label("Person", exact=True).fill(text[:60])
        window.page.keyboard.press("Enter")
        time.sleep(0.3)
        window.go("system")
        window.page.get_by_label("Filter").fill(text)
    window.go("people/%3Cimg%20src=x%20onerror=alert(1)%3E")
    time.sleep(0.5)
    window.go("%3Cimg%20src=x%20onerror=alert(1)%3E/../x")
    time.sleep(0.5)
    window.page.goto(f"{terminal.url}/#token=<img src=x onerror=alert(1)>")
    window.page.reload()
    time.sleep(0.5)
    window.page.goto(f"{terminal.url}/kiosk#<img src=x onerror=alert(1)>")
    time.sleep(0.5)
    window.settle("hostile names stay text, and the policy has nothing to report")
    window.go("people")
    markup = window.page.evaluate("(() => { try { document.body.innerHTML = '<b>x</b>'; return 'made'; } catch (error) { return error.name; } })()")
    check("nothing makes markup of text, not even a mistake", markup == "TypeError")
    window.close()
    terminal.stop()


def restart(browser):
    """A service that is away and comes back, and a session that has ended meanwhile."""
    for tokens in ("", " ".join(ALL)):
        terminal = Terminal("events.device=lobby", tokens=tokens)
        window = Window(browser, terminal, expect=("offline", 401, 503))
        window.page.goto(f"{terminal.url}/#{'token=' + terminal.token if tokens else 'start'}")
        window.see("First steps")
        terminal.stop()
        window.see("does not answer", 20)
        terminal.start()
        window.see("Sign in" if tokens else "First steps", 20)
        window.until("!document.body.innerText.includes('does not answer')")
        if tokens:
            window.see("Your session has ended", 5)
        window.settle(f"a restart is told and survived, {'with' if tokens else 'without'} tokens")
        window.close()
        terminal.stop()


def camera(browser):
    """A camera that is not there, and one that is switched off."""
    terminal = Terminal(camera="file:/nonexistent/picture.jpg")
    window = Window(browser, terminal, expect=(503, 400, 403))
    window.go("live")
    window.see("/nonexistent/picture.jpg", 20)
    window.go("start")
    window.see("Fails", 20)
    window.go("", "/kiosk")
    window.see("does not work at present", 20)
    window.close()
    terminal.stop()
    terminal = Terminal("camera.preview=false")
    window = Window(browser, terminal, expect=(503, 400, 403))
    window.go("live")
    window.see("preview is switched off", 20)
    window.settle("a camera that fails is told")
    window.close()
    terminal.stop()


class Head(threading.Thread):
    """A head that does what the challenge asks for, in the light that the page shows: a file that is replaced."""

    DIRECTIONS = {"turn_right": "left", "turn_left": "right", "look_up": "up", "look_down": "down"}

    def __init__(self, file):
        super().__init__(daemon=True)
        from PIL import Image

        self.file, self.image, self.color, self.wanted, self.over = file, Image, None, None, False
        self.poses = {pathlib.Path(path).stem: Image.open(path).convert("RGB") for path in glob.glob(f"{POSES}/head/*.jpg")}
        self.steps = max(int(name.split("-")[1]) for name in self.poses if "-" in name)
        self.at, self.shown = (None, 0), None
        self.show()

    def show(self):
        direction, step = self.at
        name = f"{direction}-{step}" if step else "ahead"
        key = (name, self.color)
        if key == self.shown:
            return
        picture = self.poses[name]
        if self.color:
            # The light of a screen brightens a channel by a tenth of what is there.
            lit = [picture.getchannel(c).point(lambda value, on=on: min(255, round(value * (1 + 0.1 * on / 255)))) for c, on in zip("RGB", self.color)]
            picture = self.image.merge("RGB", lit)
        part = self.file.with_suffix(".part")
        picture.save(part, "PNG", compress_level=1)
        part.rename(self.file)
        self.shown = key

    def run(self):
        while not self.over:
            direction, step = self.at
            wanted = self.DIRECTIONS.get(self.wanted)
            if wanted is None or (step and direction != wanted):
                self.at = (direction, step - 1) if step > 1 else (None, 0)
            elif step < self.steps:
                self.at = (wanted, step + 1)
            self.show()
            time.sleep(0.1 if not self.color else 0.02)


WORDS = {"Turn your head to the left": "turn_left", "Turn your head to the right": "turn_right", "Raise your head": "look_up", "Lower your head": "look_down",
         "Turn further to the left": "turn_left", "Turn further to the right": "turn_right", "Raise your head further": "look_up", "Lower your head further": "look_down"}


def lead(window, head, goes_on):
    """Has a head do what the page says, and be lit as the page is, as long as `goes_on` says; what the page has shown."""
    seen = set()
    while goes_on(seen):
        now = window.page.evaluate("""({state: document.querySelector('#kiosk').dataset.state, big: document.querySelector('.big').innerText, text: document.querySelector('.line').innerText,
            asks: Boolean(document.querySelector('.line progress')), light: document.querySelector('.flash')?.style.backgroundColor || ''})""")
        first = now["text"].split("\n")[0]
        seen |= {now["state"], first, *now["big"].split("\n")}
        prompt = WORDS.get(first) if now["asks"] else None
        if prompt and head.wanted != prompt:
            window.shoot("kiosk-challenge")
        rgb = re.findall(r"\d+", now["light"])
        if rgb:
            seen.add("light")
        head.wanted, head.color = prompt, tuple(map(int, rgb[:3])) if rgb else None
        time.sleep(0.02)
    head.wanted = head.color = None
    return seen


def asked(window, head, mode):
    """A program asks for a challenge, up to eight times: some directions are too much for the rendering of a head."""
    terminal, result, seen = window.terminal, [], set()
    while len(result) < 8 and result[-1:] != ["met"]:
        told = []
        asking = threading.Thread(target=lambda: told.append(terminal.ask("POST", f"/v1/camera/pattern/extract?liveness={mode}", timeout=120)))
        asking.start()
        seen |= lead(window, head, lambda seen: asking.is_alive())
        asking.join()
        said = terminal.liveness or {}
        follows = "light" not in mode or said.get("light") and said["light"]["verdict"] == "follows"
        result.append(str(told[0][1])[:160] if told[0][0] != 200 else "met" if follows else f"no verdict on the light: {said['light']}")
        if result[-1] == "met":
            window.see("Thank you", 4)
        else:
            time.sleep(1)
    print("\n".join(result))
    check(f"a head that follows the kiosk's prompts meets the {mode}", result[-1] == "met")
    if "light" in mode:
        print(f"     the light on the face follows the page's: {terminal.liveness['light']}")
    check("the kiosk has shown the challenge, and the colors of one with light", "challenge" in seen and ("light" in mode) == ("light" in seen))


def kiosk(browser):
    """The kiosk carries a challenge, and one with light, to their end; the door opens for the head that meets it, and tells a stranger."""
    if not POSES or not importlib.util.find_spec("PIL"):
        return skipped.append("the kiosk's challenges: no poses, or no pillow")
    file = pathlib.Path(tempfile.mkdtemp()) / "camera.png"
    head = Head(file)
    head.start()
    light = ["camera.light_amplitude=0.1", "camera.light_eye_distance=43", "camera.light_level=0.5"]
    door = ["door.mode=identify", "door.relay=simulated", "door.liveness=challenge", "camera.lock_out_s=2"]
    for mode, more in (("challenge", ["camera.lock_out_s=0"]), ("challenge+light", ["camera.lock_out_s=0", *light]), ("door", door)):
        terminal = Terminal("camera.fps=15", "events.device=lobby", *more, camera=f"file:{file}")
        window = Window(browser, terminal, (1024, 768))
        window.go("", "/kiosk")
        if mode == "door":
            end = time.monotonic() + 240
            seen = lead(window, head, lambda seen: "You were not recognized" not in seen and time.monotonic() < end)
            check("the kiosk tells a stranger that met the challenge that it is not known", {"challenge", "denied", "No access", "You were not recognized"} <= seen)
            window.shoot("kiosk-denied")
            terminal.ask("POST", "/v1/people", {"id": "eileen", "name": "Eileen Collins"})
            terminal.ask("POST", "/v1/people/eileen/templates", (PICTURES / "collins.jpg").read_bytes(), "image/jpeg")
            end = time.monotonic() + 240
            seen = lead(window, head, lambda seen: "granted" not in seen and time.monotonic() < end)
            window.see("Please come in", 4)
            window.shoot("kiosk-granted")
            granted = terminal.ask("GET", "/v1/events?type=access.granted")[1]["events"]
            check("the door has opened for whoever met the challenge", "challenge" in seen and granted[0]["data"]["person"] == "eileen")
        else:
            window.see("Step before the camera")
            asked(window, head, mode)
        window.settle(f"the kiosk without an error ({mode})")
        window.close()
        terminal.stop()
    head.over = True


def figures(browser):
    """Sizes, first paint, memory, and what an open view costs an idle service."""
    terminal = Terminal("door.relay=simulated", "events.device=lobby", camera="off")
    own = sorted(path for path in (ROOT / "console").iterdir() if path.suffix in (".html", ".css", ".js", ".svg"))
    plain = packed = 0
    for path in own:
        url = {"index.html": "/", "kiosk.html": "/kiosk"}.get(path.name, f"/console/{path.name}")
        for coding in ("identity", "gzip"):
            request = urllib.request.Request(terminal.url + url, headers={"Accept-Encoding": coding})
            size = len(urllib.request.urlopen(request).read())
            plain, packed = plain + size * (coding == "identity"), packed + size * (coding == "gzip")
    print(f"console: {sum(path.stat().st_size for path in own)} bytes as written, {plain} as served, {packed} compressed")
    paints, fetched = [], 0
    for _ in range(9):
        window = Window(browser, terminal)
        sizes = []
        window.page.on("response", lambda reply: sizes.append(int(reply.headers.get("content-length", 0))))
        window.page.goto(terminal.url)
        window.page.wait_for_selector(".tiles .chip")
        paints.append(window.page.evaluate("performance.getEntriesByType('paint').find((e) => e.name == 'first-contentful-paint').startTime"))
        fetched = sum(sizes)
        window.close()
    print(f"first contentful paint over loopback: {statistics.median(paints):.0f} ms (median of {len(paints)}, {min(paints):.0f} to {max(paints):.0f}); {fetched} bytes fetched for the first view")
    print(f"memory of the service: {terminal.memory():.0f} MiB")
    idle = None
    for view in (None, "start", "live", "try", "people", "events", "system", "kiosk"):
        window = Window(browser, terminal, expect=(503, 403, 400)) if view else None
        if window:
            window.go("" if view == "kiosk" else view, "/kiosk" if view == "kiosk" else "/")
            time.sleep(3)
        begun, before = time.monotonic(), terminal.cpu()
        time.sleep(20)
        share = (terminal.cpu() - before) / (time.monotonic() - begun) * 100
        print(f"CPU of the service, {view or 'no page'}: {share:.2f} % of a core")
        if window:
            window.close()
    terminal.stop()


def main():
    if not CHROMIUM or not importlib.util.find_spec("playwright") or not importlib.util.find_spec("axe_playwright_python"):
        print("SKIPPED the console: there is no chromium, playwright or axe-playwright-python")
        sys.exit(77)
    if SHOTS:
        SHOTS.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--force-color-profile=srgb"])
        if os.environ.get("FIGURES"):
            figures(browser)
        else:
            for part in (views, work, guarded, hostile, restart, camera, kiosk):
                if part.__name__ in PARTS:
                    print(f"-- {part.__name__}", flush=True)
                    part(browser)
        browser.close()
    for what in skipped:
        print(f"SKIPPED {what}")
    sys.exit(77 if skipped else 0)


main()
