// Try: pictures or a clip of this device: whose faces, how good, how alike, how live; and the same request from a shell.

import { call, jpegOf } from "/console/api.js";
import { advised, outlined } from "/console/camera.js";
import { button, card, chip, code, empty, field, h, status } from "/console/dom.js";
import { measured } from "/console/live.js";
import { live, scored } from "/console/score.js";
import { number, t } from "/console/words.js";

const token = (context) => (context.session.guarded ? ' -H "Authorization: Bearer $TOKEN"' : "");

/** A control for a picture, which is shown with what is found in it. */
function chosen(context, label) {
  const shown = status();
  const state = { file: null };
  let turn = 0;
  const input = h("input", { type: "file", accept: "image/*", onchange: async () => {
    const [file] = input.files;
    const mine = ++turn;
    state.file = null;
    if (!file) return empty(shown);
    empty(shown, t("reading"));
    try {
      const read = await jpegOf(file);
      if (mine !== turn) return;
      state.file = read;
    } catch {
      return mine === turn && empty(shown, h("p", chip("bad", t("unreadable"))));
    }
    try {
      const found = await call("POST", "/v1/face/pattern/faces", { body: state.file, type: state.file.type });
      if (mine !== turn) return;
      const image = h("img", { alt: label, src: URL.createObjectURL(state.file) });
      image.onload = () => URL.revokeObjectURL(image.src);
      const frame = h("div", { class: "picture" }, image, outlined(found));
      frame.style.aspectRatio = `${found.width} / ${found.height}`;
      empty(shown, frame, h("p", { class: "row" }, chip(found.usable ? "good" : "warn", advised(found)),
        h("span", { class: "soft" }, `${t("faces")}: ${found.faces.length}${found.quality ? `, ${t("quality")} ${found.quality.score}` : ""}`)),
      measured(found.quality));
    } catch (error) {
      if (mine === turn) empty(shown, h("p", chip("bad", error.message)));
    }
  } });
  return { state, element: h("div", field(label, input), shown) };
}

/** The verdict on a medium. */
function judged(told) {
  const [medium] = told.analyses[0].results_media;
  const data = medium.results_data;
  return [live(told),
    data && h("dl", { class: "pairs" }, h("dt", t("confidence")), h("dd", number(data.confidence_spoofing)))];
}

function asked(work) {
  const result = status();
  return { result, run: async () => {
    empty(result, t("reading"));
    try {
      empty(result, await work());
    } catch (error) {
      empty(result, h("p", chip("warn", t("failed"))), h("p", error.message || t("offline")));
    }
  } };
}

function pictures(context) {
  const first = chosen(context, t("picture"));
  const second = chosen(context, t("second_picture"));
  const shell = (path, form) => code(`curl ${form}${token(context)} \\\n  ${location.origin}${path}`);
  const compare = asked(async () => {
    if (!first.state.file || !second.state.file) throw new Error(t("choose"));
    const body = new FormData();
    body.append("sample_1", first.state.file, "1");
    body.append("sample_2", second.state.file, "2");
    const path = "/v1/face/pattern/extract_and_compare";
    const told = await call("POST", path, { body });
    return [scored(told.score, told.decision), h("h2", t("curl")), shell(path, "-F sample_1=@1.jpg -F sample_2=@2.jpg")];
  });
  const judge = asked(async () => {
    if (!first.state.file) throw new Error(t("choose"));
    const path = "/v1/face/liveness/detect";
    const told = await call("POST", path, { body: first.state.file, type: first.state.file.type });
    return [judged(told), h("h2", t("curl")), shell(path, "-H 'Content-Type: image/jpeg' --data-binary @1.jpg")];
  });
  return [h("div", { class: "grid half" }, card(null, first.element), card(null, second.element)),
    h("div", { class: "grid half" },
      context.may("pattern") && card(null, button(t("compare"), compare.run, { class: "main" }), compare.result),
      context.may("liveness") && card(null, button(t("judge"), judge.run), judge.result))];
}

function clip(context) {
  const input = h("input", { type: "file", accept: "video/*,.mkv,.zip" });
  const judge = asked(async () => {
    const [file] = input.files;
    if (!file) throw new Error(t("choose"));
    const body = new FormData();
    body.append("video", file, file.name || "clip");
    return [judged(await call("POST", "/v1/face/liveness/detect", { body })),
      h("h2", t("curl")), code(`curl -F video=@clip.mp4${token(context)} \\\n  ${location.origin}/v1/face/liveness/detect`)];
  });
  return card(null, field(t("choose_clip"), input), button(t("judge"), judge.run, { class: "main" }), judge.result);
}

export async function view(root, context) {
  const body = h("div");
  const modes = { pictures, clip };
  const tabs = Object.keys(modes).map((name) => button(t(name), () => pick(name)));
  const pick = (name) => {
    tabs.forEach((tab, i) => tab.setAttribute("aria-pressed", Object.keys(modes)[i] === name));
    empty(body, modes[name](context));
  };
  root.append(h("h1", t("try")), h("div", { class: "segments", role: "group", "aria-label": t("try") }, tabs, h("a", { class: "button", href: "#live" }, t("camera"))), body);
  pick("pictures");
}
