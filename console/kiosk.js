// The kiosk: what the person before the door sees. It asks for nothing and offers nothing to press: the door decides by itself.
//
// A link `/kiosk#token=…` signs in, and again after the service was restarted: the address of a kiosk's browser is not seen.

import { every, exchanged, follow, get } from "/console/api.js";
import { RENEWED_MS, arrow, prompted } from "/console/camera.js";
import { empty, h, icon } from "/console/dom.js";
import { t, tOr } from "/console/words.js";

const kiosk = document.getElementById("kiosk");
const mirror = h("img", { alt: "", hidden: true });
const big = h("div", { class: "big", role: "status", "aria-live": "assertive" });
const line = h("div", { class: "line", role: "status", "aria-live": "polite", hidden: true });
kiosk.append(h("div", { class: "stage" }, mirror, big), line);

/** States in which the person sees itself. */
const SEEN = ["looking", "challenge"];

let door = { state: "idle" };
let challenge = { running: false };
let shown = "";
let opened = 0;

function see(wanted) {
  const now = Date.now();
  if (wanted && (!opened || now - opened > RENEWED_MS)) {
    opened = now;
    mirror.src = `/v1/camera/stream#${now}`;
  } else if (!wanted && opened) {
    opened = 0;
    mirror.hidden = true;
    mirror.removeAttribute("src");
  }
}
mirror.onload = () => (mirror.hidden = false);
mirror.onerror = () => {
  mirror.hidden = true;
  opened = opened && Date.now() - RENEWED_MS + 2000;
};

const says = (sign, text, more) => [icon(sign), text, more && h("div", { class: "small" }, more)];

function content(state) {
  switch (state) {
    case "granted": case "cool_down": return says("yes", t("come_in"));
    case "denied": return says("no", t("refused"), door.reason ? tOr(`x_${door.reason}`, t("ask")) : t("not_known"));
    case "attack": return says("no", t("refused"), t("ask"));
    case "locked_out": return says("warn", t("wait"), t("ask"));
    case "fault": return says("warn", t("out_of_order"), t("ask"));
    case "signin": return says("key", t("kiosk_signin"));
    case "off": return says("info", t("closed_now"));
    default: return [h("span", { class: "clock" }, new Date().toLocaleTimeString([], { timeStyle: "short" })), t("welcome")];
  }
}

/** Shows the state of the door and the challenge: what was shown already stays, so that screen readers say it once. */
function show() {
  const state = challenge.running && !["granted", "attack", "locked_out"].includes(door.state) ? "challenge" : door.state;
  const minute = new Date().getMinutes();
  const key = JSON.stringify([state, door.reason, challenge.prompt, challenge.text, challenge.step, challenge.running, minute]);
  see(SEEN.includes(state) && !document.hidden);
  const progress = line.querySelector("progress");
  if (progress && challenge.running) progress.value = challenge.progress || 0;
  if (key === shown) return;
  shown = key;
  kiosk.dataset.state = state;
  const asks = state === "challenge" && challenge.running;
  line.hidden = !asks;
  empty(big, SEEN.includes(state) ? null : content(state));
  if (asks) {
    empty(line, arrow(challenge.prompt) || icon({ passed: "yes", failed: "no" }[challenge.prompt] || "live"),
      h("div", prompted(challenge), challenge.reason && h("div", { class: "small" }, tOr(`x_${challenge.reason}`, "")),
        challenge.steps && h("div", { class: "small" }, t("step_of", { n: challenge.step, m: challenge.steps })),
        arrow(challenge.prompt) && h("progress", { max: 1, value: challenge.progress || 0, "aria-label": prompted(challenge) })));
  }
}

/** The colors of the screen's light, from the moment on at which they are told. */
function flash(light) {
  const sheet = h("div", { class: "flash", "aria-hidden": "true" });
  const begun = performance.now();
  document.body.append(sheet);
  const step = () => {
    const at = Math.floor((performance.now() - begun) / light.step_ms);
    if (at >= light.colors.length) return sheet.remove();
    sheet.style.backgroundColor = light.colors[at];
    requestAnimationFrame(step);
  };
  step();
}

let session = null;

async function look() {
  try {
    session ||= await signin();
    if (!session.has) {
      session = null;
      door = { state: "signin" };
    } else if (session.has.door) {
      door = await get("/v1/door");
      if (door.mode === "off") door.state = "off";
      if (door.faults.includes("camera")) door.state = "fault";
    } else {
      // Without a door the challenges that programs ask for are shown all the same.
      door = { state: (await get("/v1/camera")).state === "failing" ? "fault" : "idle" };
    }
  } catch (error) {
    if ([401, 403].includes(error.status)) session = null;
    door = { state: session ? "fault" : "signin" };
  }
  show();
}

let asked = -Infinity;

/** Whose session it is; with the token of the address a new one where that is not good for a kiosk, asked for every ten seconds at the most. */
async function signin() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  const now = await get("/v1/session");
  const isGood = /kiosk|camera/.test(now.scopes);
  if (isGood || !token || performance.now() - asked < 10_000) return isGood ? now : {};
  asked = performance.now();
  return exchanged(token);
}

every(500, look);
document.addEventListener("visibilitychange", show);
let lit = "";
follow("/v1/camera/challenge", "challenge", (event) => {
  challenge = JSON.parse(event.data);
  const colors = challenge.light ? challenge.light.colors.join() : "";
  if (colors && colors !== lit) flash(challenge.light);
  lit = colors;
  show();
});
