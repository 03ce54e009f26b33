// Live: what the camera sees, what is found in it, and what the door does.

import { call, every, fetched, get, send } from "/console/api.js";
import { advised, watch } from "/console/camera.js";
import { button, card, chip, empty, h, soft, status } from "/console/dom.js";
import { FIRST, line } from "/console/events.js";
import { decision, live, scored, witnesses } from "/console/score.js";
import { number, t, tOr } from "/console/words.js";

const MEASURES = [["eye_distance", 200], ["brightness", 255], ["contrast", 200], ["sharpness", 255], ["yaw_percent", 100]];
const NAMES = { yaw_percent: "turned" };

export function measured(quality) {
  return MEASURES.filter(([name]) => quality && name in quality).map(([name, most]) => {
    const label = t(NAMES[name] || name);
    return h("div", { class: "measure" }, h("span", label),
      h("meter", { max: most, value: Math.min(Math.abs(quality[name]), most), "aria-label": label }), h("span", { class: "number" }, number(quality[name])));
  });
}

/** The result of a request to the camera that looks for liveness. */
async function ask(path, options) {
  const reply = await fetched("POST", path, options);
  const said = reply.headers.get("X-Liveness");
  return { told: await reply.json(), liveness: said && said !== "null" ? JSON.parse(said) : null };
}

function liveness(context) {
  const result = status();
  const run = (work) => async () => {
    empty(result, t("reading"));
    try {
      empty(result, await work());
    } catch (error) {
      const is_attack = error.code?.endsWith("004004");
      empty(result, h("p", chip(is_attack ? "bad" : "warn", t(is_attack ? "door_attack" : "failed"))), h("p", error.message));
    }
  };
  const check = (mode) => run(async () => {
    const { told, liveness } = await ask(`/v1/camera/liveness/detect?liveness=${mode}`);
    return [live(told), witnesses(liveness)];
  });
  const who = run(async () => {
    const { told } = await ask("/v1/camera/identify");
    return [h("p", decision(told.decision), " ", told.person ? told.person.name || told.person.id : tOr(`r_${told.reason}`, told.reason)), scored(told.score)];
  });
  return card(t("liveness"), h("div", { class: "row" },
    button(t("check_live"), check("required")), button(t("check_challenge"), check("challenge")),
    context.has("light") && button(t("check_light"), check("challenge+light")),
    context.has("people") && context.may("people") && button(t("identify"), who)), result);
}

function door(context) {
  const state = status();
  const section = card(t("door"), state);
  const open = button(t("open_once"), async () => {
    await call("POST", "/v1/door/open");
    context.tell("good", t("opened"));
    await update();
  }, { icon: "door", class: "main" });
  let now = null, said = "";
  // What the settings say, never less: a door of cards must not open for a face alone.
  const toggle = button(t("recognition"), () => send("POST", "/v1/door/mode", { mode: now.mode === "off" ? now.configured : "off" }).then(update), { hidden: true });
  const may = context.session.guarded && context.may("door");
  section.append(may ? h("div", { class: "row" }, open, toggle) : soft(t("door_needs_token")));
  async function update() {
    now = await get("/v1/door");
    if (said === JSON.stringify(now)) return;
    said = JSON.stringify(now);
    toggle.hidden = now.configured === "off";
    toggle.textContent = `${t("recognition")}: ${now.mode === "off" ? t("switch_on") : t("switch_off")}`;
    const kind = { granted: "good", cool_down: "good", denied: "warn", attack: "bad", locked_out: "bad" }[now.state] || "idle";
    empty(state, h("p", { class: "row" }, chip(kind, tOr(`door_${now.state}`, now.state)), chip(now.unlocked ? "warn" : "idle", `${t("lock")}: ${now.unlocked ? t("unlocked") : t("locked")}`),
      now.faults.length > 0 && chip("bad", `${t("faults")}: ${now.faults.join(", ")}`)));
  }
  context.leaving(every(1000, update).stop);
  return section;
}

// Asked for, not followed: a browser has six connections to a host for all its pages, and each stream holds one.
function events(context) {
  const list = h("ol", { class: "list" });
  let newest = -1;
  context.leaving(every(2000, async () => {
    const page = await get(`/v1/events?${FIRST}&limit=8`);
    if (page.newest === newest) return;
    newest = page.newest;
    empty(list, page.events.reverse().map(line));
  }).stop);
  return card(t("last_events"), list);
}

export async function view(root, context) {
  const advice = status({ class: "row" });
  const quality = h("div");
  const side = h("div");
  let said = "";
  const shown = context.may("camera") && watch({
    onfaces(found) {
      const words = advised(found);
      if (words !== said) empty(advice, chip(found.usable ? "good" : found.faces.length ? "warn" : "idle", words));
      said = words;
      empty(quality, measured(found.quality));
    },
  });
  if (shown) context.leaving(shown.stop);
  root.append(h("h1", t("live")), h("div", { class: "grid two" },
    h("div", shown ? card(null, shown.element, h("h2", t("advice")), advice, quality) : card(null, t("not_allowed"))), side));
  if (context.has("door") && context.may("door")) side.append(door(context));
  if (shown) side.append(liveness(context));
  if (context.may("events")) side.append(events(context));
}
