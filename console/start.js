// Start: how the device is, and what to do first.

import { every, get, fetched } from "/console/api.js";
import { card, chip, code, empty, h, tokenCommand, soft } from "/console/dom.js";
import { number, t, tOr } from "/console/words.js";

const tile = (name, shown, ...text) => h("div", { class: "card tile" }, h("b", name), shown, text.map((line) => line && h("p", line)));

/** What is known of a part; null where the token does not permit it or there is none. */
const ask = (path) => get(path).catch((error) => ({ error }));

/** The number of people who are enrolled; null if it is not known. */
async function count(context) {
  if (!context.has("people")) return null;
  if (context.may("metrics")) {
    const text = await fetched("GET", "/metrics").then((reply) => reply.text()).catch(() => "");
    const found = /^faceplate_people (\d+)/m.exec(text);
    if (found) return Number(found[1]);
  }
  const page = await get("/v1/people?limit=1000").catch(() => null);
  return page && page.people.length;
}

/** By how many seconds the clock of the device differs from that of the browser. */
async function drift() {
  const before = Date.now();
  const reply = await fetched("GET", "/healthz");
  const theirs = Date.parse(reply.headers.get("Date"));
  return Math.round((theirs - (before + Date.now()) / 2) / 1000);
}

export async function view(root, context) {
  const tiles = h("div", { class: "tiles" });
  const steps = h("ol", { class: "steps" });
  root.append(h("div", { class: "head" }, h("h1", context.session.device || "Faceplate"), h("span", { class: "soft" })),
    tiles, card(t("first_steps"), steps));
  let shown = "";
  const update = async () => {
    const [camera, ready, door, people, seconds, version] = await Promise.all([
      context.may("camera") || context.may("kiosk") ? ask("/v1/camera") : { error: {} },
      ask("/readyz"),
      context.has("door") && (context.may("door") || context.may("kiosk")) ? ask("/v1/door") : null,
      context.may("people") ? count(context) : null, drift().catch(() => 0), ask("/version"),
    ]);
    const now = JSON.stringify([{ ...camera, age_ms: 0, frames: 0 }, ready, door, people, Math.abs(seconds) > 5 && seconds, context.session]);
    if (now === shown) return;
    shown = now;
    root.querySelector(".head span").textContent = version.core ? `Version ${version.core}` : "";
    const works = { on: "good", off: "idle", starting: "idle", disabled: "idle", failing: "bad" }[camera.state];
    const words = { on: t("works"), off: t("ready"), starting: t("starting"), disabled: t("disabled"), failing: t("fails") };
    const is_synchronized = door && !door.error ? door.clock_synchronized : Math.abs(seconds) < 60;
    empty(tiles,
      camera.error ? tile(t("camera"), chip("idle", t("unknown"))) :
        tile(t("camera"), chip(works, words[camera.state]), camera.fault ? camera.fault.message : camera.name || t("on_demand")),
      tile(t("models"), ready.error ? chip("bad", t("fails")) : chip("good", t("ready"))),
      tile(t("clock"), is_synchronized ? chip("good", t("synchronized")) : chip("warn", t("unsynchronized")),
        Math.abs(seconds) > 5 && t("by_browser", { n: number(seconds, 0) })),
      tile(t("people"), !context.has("people") ? chip("idle", t("not_kept")) : people === null ? chip("idle", t("unknown")) :
        chip(people ? "good" : "idle", `${number(people)} ${t("enrolled")}`)),
      tile(t("door"), !context.has("door") ? chip("idle", t("no_door")) : !door || door.error ? chip("idle", t("unknown")) :
        chip(door.faults.length ? "bad" : door.state === "attack" || door.state === "locked_out" ? "warn" : "good",
          door.faults.length ? `${t("faults")}: ${door.faults.join(", ")}` : tOr(`door_${door.state}`, door.state))));
    const step = (done, title, ...content) => h("li", { class: done ? "done" : "" }, h("div", h("h3", title), content));
    empty(steps,
      step(camera.state === "on" || camera.frames > 0, t("step_camera"), soft(t("step_camera_text")),
        h("a", { class: "button", href: "#live" }, t("open_live"))),
      step(people > 0, t("step_people"), context.has("people")
        ? [soft(t("step_people_text")), h("a", { class: "button", href: "#people/+" }, t("new_person"))]
        : [soft(t("step_people_off")), code('[people]\nstore = "/var/lib/faceplate/people.redb"')]),
      step(context.session.guarded, t("step_guard"),
        soft(context.session.guarded ? t("step_guard_done") : t("step_guard_text")),
        h("div", { class: "row" },
          context.may("admin") && (context.session.guarded || context.has("tokens"))
            ? h("a", { class: "button", href: "#system/tokens" }, t("make_token"))
            : !context.session.guarded && code(tokenCommand()),
          h("a", { href: "/docs/guide/door.html" }, t("door_guide")))));
  };
  await update();
  context.leaving(every(4000, update).stop);
}

