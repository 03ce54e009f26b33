// The camera's picture with what is found in it, and the challenge as it runs.

import { every, get } from "/console/api.js";
import { empty, h, icon, s } from "/console/dom.js";
import { t, tOr, tongue } from "/console/words.js";

/** The service ends a stream after ten minutes; it is opened anew before. */
export const RENEWED_MS = 540_000;

/** Box, landmarks and, for the chosen face, its color, over a picture of that size. */
export function outlined(found) {
  const line = Math.max(found.width, found.height) / 250;
  return s("svg", { class: "over", viewBox: `0 0 ${found.width} ${found.height}`, "aria-hidden": "true" },
    found.faces.map((face) => s("g", { class: face.chosen ? "chosen" : "", "stroke-width": line },
      s("rect", { x: face.box.x, y: face.box.y, width: face.box.width, height: face.box.height, rx: line * 3 }),
      face.landmarks.map(([x, y]) => s("circle", { cx: x, cy: y, r: line * 1.5, "stroke-width": line / 3 })))));
}

/** What a person is told about a face, in its words. */
export function advised(found) {
  if (found.usable) return t("good_face");
  return tOr(`r_${found.reason}`, found.advice || t("r_no_face"));
}

const ARROWS = { turn_left: 0, look_up: 90, turn_right: 180, look_down: 270 };

/** An arrow for a prompt, as it is right in a mirror; none for others. */
export function arrow(prompt) {
  if (!(prompt in ARROWS)) return null;
  const shown = icon("left");
  shown.style.transform = `rotate(${ARROWS[prompt]}deg)`;
  return shown;
}

/** The words of a prompt. */
export const prompted = (told) => (told.language === tongue() && told.text ? told.text : tOr(`prompt_${told.prompt}`, told.text));

// What is wrong is told in the picture's place. `onfaces` gets what is found in each frame that is looked at.

/** The picture of the camera as an element, with `stop`. */
export function watch({ mirror = false, onfaces } = {}) {
  const image = h("img", { alt: t("picture"), hidden: true });
  const message = h("p", t("loading"));
  const prompt = h("div", { class: "prompt", role: "status", hidden: true });
  const element = h("div", { class: mirror ? "picture mirror" : "picture" }, image, message, prompt);
  let renewed = 0, stopped = false, retry = 0, said = "";
  const open = () => {
    if (stopped || document.hidden) return;
    image.src = `/v1/camera/stream#${++renewed}`;
  };
  // A page that nobody sees holds no stream: the camera could not be switched off. An empty source ends the request.
  const seen = () => (document.hidden ? image.removeAttribute("src") : open());
  document.addEventListener("visibilitychange", seen);
  const tell = (text) => {
    image.hidden = true;
    message.hidden = false;
    message.textContent = text;
  };
  image.onload = () => {
    image.hidden = false;
    message.hidden = true;
    if (image.naturalWidth) element.style.aspectRatio = `${image.naturalWidth} / ${image.naturalHeight}`;
  };
  image.onerror = async () => {
    if (stopped) return;
    const state = await get("/v1/camera").catch(() => null);
    tell(!state ? t("offline") : !state.preview ? t("no_preview") : state.fault ? state.fault.message : t("loading"));
    clearTimeout(retry);
    retry = setTimeout(open, 2000);
  };
  open();
  const renew = setInterval(open, RENEWED_MS);
  const look = every(250, async () => {
    try {
      const found = await get("/v1/camera/faces?deadline_ms=2000");
      const lines = outlined(found);
      element.querySelector("svg.over")?.remove();
      element.insertBefore(lines, prompt);
      onfaces?.(found);
    } catch (error) {
      element.querySelector("svg.over")?.remove();
      onfaces?.({ faces: [], usable: false, reason: null, advice: error.message, quality: null });
      await new Promise((done) => setTimeout(done, 1000));
    }
  });
  const challenge = every(400, async () => {
    const told = await get("/v1/camera/challenge", { headers: { "Accept-Language": tongue() } });
    const now = JSON.stringify([told.running, told.text, told.step]);
    if (now === said) return;
    said = now;
    prompt.hidden = !told.running;
    if (told.running) {
      empty(prompt, mirror && arrow(told.prompt), h("span", prompted(told)),
        told.steps && h("small", t("step_of", { n: told.step, m: told.steps })));
    }
  });
  return {
    element,
    stop() {
      stopped = true;
      document.removeEventListener("visibilitychange", seen);
      clearInterval(renew);
      clearTimeout(retry);
      look.stop();
      challenge.stop();
      image.onerror = null;
      image.removeAttribute("src");
    },
  };
}
