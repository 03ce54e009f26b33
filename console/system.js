// System: what works and what does not, settings, tokens, backup, figures, documents.

import { call, every, fetched, get, save, send } from "/console/api.js";
import { act, ask, box, button, card, check, chip, code, empty, field, h, tokenCommand, s, soft, status } from "/console/dom.js";
import { number, t } from "/console/words.js";

const SCOPES = ["pattern", "compare", "liveness", "camera", "people", "door", "claim", "events", "metrics", "kiosk", "admin"];

async function findings() {
  const told = await get("/v1/doctor");
  return card(t("findings"), h("ul", { class: "list" }, told.findings.map((each) => {
    const doubtful = each.ok && each.found.startsWith("WARNING");
    return h("li", chip(!each.ok ? "bad" : doubtful ? "warn" : "good", each.about.replaceAll("_", " ")), h("span", { class: "grow" }, each.found.replace(/^WARNING: /, "")));
  })));
}

async function settings() {
  const { settings } = await get("/v1/settings");
  const rows = h("tbody");
  const filter = h("input", { type: "search", oninput: () => fill() });
  const changed = box({ checked: true, onchange: () => fill() });
  const fill = () => empty(rows, settings.filter((each) => each.key.includes(filter.value.trim()) && (!changed.checked || each.origin))
    .map((each) => h("tr", h("td", h("code", each.key)), h("td", JSON.stringify(each.value)), h("td", { class: "soft" }, each.origin || t("default")))));
  fill();
  return card(t("settings"), h("div", { class: "row" }, h("div", { class: "grow" }, field(t("filter"), filter)), check(changed, t("only_changed"))),
    h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": t("settings") }, h("table", h("thead", h("tr", ["setting", "value", "origin"].map((name) => h("th", { scope: "col" }, t(name))))), rows)));
}

function tokens(context) {
  const list = h("ul", { class: "list" });
  const made = status();
  const name = h("input", { required: true, maxlength: "64", autocomplete: "off" });
  const boxes = SCOPES.map((scope) => [scope, box({ checked: !context.session.guarded && !["claim", "kiosk"].includes(scope) })]);
  const submit = h("button", { class: "main" }, t("make_token"));
  const make = async () => {
    const scopes = boxes.filter(([, box]) => box.checked).map(([scope]) => scope);
    const told = await send("POST", "/v1/tokens", { name: name.value.trim(), scopes });
    empty(made, h("div", { class: "note good" }, h("div", { class: "grow" }, h("p", t("token_once")), code(told.token))));
    // With the first token everybody needs one, this browser too.
    if (!context.session.guarded) await context.exchange(told.token);
    form.reset();
    await update();
  };
  const form = h("form", { hidden: !context.has("tokens"), onsubmit: (event) => {
    event.preventDefault();
    act(submit, () => context.hold(make));
  } }, field(t("token_name"), name), h("fieldset", h("legend", t("scopes")), h("div", { class: "checks" }, boxes.map(([scope, box]) => check(box, scope)))), submit);
  const revoke = (token) => {
    const dialog = ask(context, t("revoke"), t("cancel"), h("p", t("revoke_sure", { name: token.name })), button(t("revoke"), async () => {
      dialog.close();
      await call("DELETE", `/v1/tokens/${token.id}`);
      await update();
    }, { class: "danger" }));
  };
  async function update() {
    const told = await get("/v1/tokens");
    empty(list, told.tokens.map((token) => h("li", h("b", h("bdi", token.name)), h("span", { class: "soft grow" }, token.scopes.join(", ")),
      token.stored ? button(t("revoke"), () => revoke(token), { class: "danger", "aria-label": `${t("revoke")}: ${token.name}` }) : h("small", t("in_settings")))));
    if (!told.tokens.length) list.append(h("li", t("no_tokens")));
  }
  const section = card(t("tokens"), list, made, form,
    !context.has("tokens") && [h("p", t("tokens_off")), code('[access]\nstore = "/var/lib/faceplate/tokens.toml"'),
      h("p", t("tokens_cli")), code(tokenCommand())]);
  section.id = "tokens";
  return update().then(() => section);
}

function backup(context) {
  const replace = box();
  const file = h("input", { type: "file", accept: ".jsonl,application/x-ndjson" });
  return card(t("backup"), soft(t("backup_text")),
    button(t("export"), async () => save("people.jsonl", await (await fetched("GET", "/v1/people/export")).blob())),
    h("h3", t("restore")), field(t("restore_text"), file), check(replace, t("replace")),
    button(t("restore"), async () => {
      if (!file.files[0]) return;
      const told = await call("POST", `/v1/people/import?replace=${replace.checked}`, { body: file.files[0], type: "application/x-ndjson" });
      context.tell("good", t("restored", { n: told.imported }));
    }));
}

/** Sums of metrics by name. */
function sums(text) {
  const found = {};
  for (const [, name, value] of text.matchAll(/^(faceplate_\w+)(?:\{[^}]*\})? ([\d.e+-]+)$/gm)) found[name] = (found[name] || 0) + Number(value);
  return found;
}

const CHARTS = [["m_requests", "faceplate_requests_total", true], ["m_workers", "faceplate_job_seconds_sum", true], ["m_frames", "faceplate_camera_frames_total", true], ["m_waiting", "faceplate_jobs_waiting", false]];

function figures(context) {
  const charts = CHARTS.map(([label]) => {
    const trace = s("polyline", { class: "trace" });
    const now = h("span", { class: "soft" });
    return { trace, now, points: [], element: h("div", { class: "tile" }, h("b", t(label)), s("svg", { viewBox: "0 0 120 36", class: "chart", "aria-hidden": "true" }, trace), now) };
  });
  let before = null;
  context.leaving(every(2000, async () => {
    const text = await (await fetched("GET", "/metrics")).text();
    const now = { at: performance.now(), ...sums(text) };
    charts.forEach((chart, i) => {
      const [, name, rate] = CHARTS[i];
      if (rate && !before) return;
      const value = rate ? ((now[name] || 0) - (before[name] || 0)) / ((now.at - before.at) / 1000) : now[name] || 0;
      chart.points = [...chart.points, value].slice(-60);
      const most = Math.max(1, ...chart.points);
      chart.trace.setAttribute("points", chart.points.map((point, i) => `${120 - (chart.points.length - 1 - i) * 2},${34 - (point / most) * 32}`).join(" "));
      chart.now.textContent = t("now", { n: number(value) });
    });
    before = now;
  }).stop);
  return card(t("metrics"), h("div", { class: "tiles" }, charts.map((chart) => chart.element)));
}

export async function view(root, context, [part]) {
  const admin = context.may("admin");
  const parts = await Promise.all([admin && findings(), admin && tokens(context)]);
  root.append(h("h1", t("system")), h("div", { class: "grid half" }, h("div", parts), h("div", {},
    context.may("metrics") && figures(context), context.has("people") && context.may("people") && backup(context),
    card(t("documents"), h("ul", { class: "list" }, [["/docs", "guides"], ["/openapi.yaml", "description"], ["/kiosk", "kiosk"]].map(([href, name]) => h("li", h("a", { href }, t(name)))))))));
  if (admin) root.append(await settings());
  if (part === "tokens") document.getElementById("tokens")?.scrollIntoView();
}
