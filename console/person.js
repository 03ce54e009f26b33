// A person: details, templates, enrollment at the camera or with a picture of this device, export, deletion. `+` is a new one.

import { call, fetched, get, jpegOf, save, send } from "/console/api.js";
import { advised, watch } from "/console/camera.js";
import { act, ask, box, button, card, check, chip, empty, field, h, soft, status } from "/console/dom.js";
import { flags } from "/console/people.js";
import { scored } from "/console/score.js";
import { t, time } from "/console/words.js";

const BELONGS = "BPE-006008";
const local = (text) => (text ? new Date(new Date(text) - new Date(text).getTimezoneOffset() * 60_000).toISOString().slice(0, 16) : "");
/** A field for a time, with what it says: the original, which may be finer, if it was not changed. */
function moment(before) {
  const input = h("input", { type: "datetime-local", value: local(before) });
  const first = input.value;
  return { input, said: () => (input.value === first ? before || null : input.value ? new Date(input.value).toISOString() : null) };
}

/** The form of a person's details. `done` gets the person that was stored, or nothing if it has to be loaded again. */
function details(context, person, done) {
  const input = (props) => h("input", { autocomplete: "off", ...props });
  const name = input({ value: person?.name || "", maxlength: "256" });
  const id = input({ maxlength: "64", pattern: "[A-Za-z0-9._\\-]*" });
  const groups = input({ value: person?.groups.join(", ") || "" });
  const from = moment(person?.valid_from);
  const until = moment(person?.valid_until);
  const save = h("button", { class: "main" }, t("save"));
  const store = async () => {
    // A group may have a comma in its name.
    const same = person && groups.value === person.groups.join(", ");
    const stored = { name: name.value, groups: same ? person.groups : groups.value.split(",").map((group) => group.trim()).filter(Boolean),
      valid_from: from.said(), valid_until: until.said(), external_id: person?.external_id || null };
    if (!person && id.value.trim()) stored.id = id.value.trim();
    try {
      await done(await (person ? send("PUT", `/v1/people/${person.id}`, stored, { "If-Match": person.etag }) : send("POST", "/v1/people", stored)));
    } catch (error) {
      if (error.status !== 412) throw error;
      await done();
      context.tell("warn", t("changed_meanwhile"));
    }
  };
  return h("form", { onsubmit: (event) => {
    event.preventDefault();
    act(save, store);
  } }, field(t("name"), name), !person && field(t("id"), id, t("id_hint")), field(t("groups"), groups, t("groups_hint")),
  field(t("valid_from"), from.input), field(t("valid_until"), until.input), save);
}

/** Adds a template, and asks before a face is added that is another person's. */
async function enroll(context, person, query, options, result, update, forced) {
  try {
    const told = await call("POST", `/v1/people/${person.id}/templates?${new URLSearchParams(query)}`, options);
    const { number, quality } = told.templates.at(-1);
    await update();
    context.tell("good", t("added", { n: number, q: quality }));
  } catch (error) {
    empty(result, h("p", chip("warn", error.code === BELONGS ? t("belongs") : t("failed"))), h("p", error.message),
      error.code === BELONGS && button(t("force"), forced, { class: "danger" }));
  }
}

function atCamera(context, person, update) {
  const area = h("div");
  const result = status();
  const challenge = box({ checked: true });
  let shown = null;
  const end = () => {
    shown?.stop();
    empty(area);
  };
  context.leaving(end);
  const add = async (force) => {
    end();
    empty(result);
    const advice = status();
    let said = "";
    shown = watch({ mirror: true, onfaces(found) {
      if (said !== advised(found)) empty(advice, chip(found.usable ? "good" : "idle", (said = advised(found))));
    } });
    area.append(shown.element, advice);
    await enroll(context, person, { source: "camera", ...(challenge.checked && { liveness: "challenge" }), ...force }, undefined, result, update, () => add({ force: true }));
    end();
  };
  return h("div", check(challenge, t("with_challenge")), button(t("add_camera"), () => add(), { icon: "live" }), area, result);
}

function files(label, capture, work) {
  const result = status();
  const input = h("input", { type: "file", accept: "image/*", capture, onchange: async () => {
    const [file] = input.files;
    if (!file) return;
    empty(result, t("reading"));
    try {
      const picture = await jpegOf(file);
      empty(result);
      await work(picture, result);
    } catch (error) {
      empty(result, chip("bad", error.status === undefined ? t("unreadable") : error.message || t("offline")));
    }
    input.value = "";
  } });
  return h("div", field(label, input), result);
}

function removal(context, person) {
  const word = person.name || person.id;
  const typed = h("input", { autocomplete: "off", oninput: () => (sure.disabled = typed.value.trim() !== word.trim()) });
  const sure = button(t("delete"), async () => {
    dialog.close();
    await call("DELETE", `/v1/people/${person.id}`);
    context.go("people");
    setTimeout(() => context.tell("good", t("deleted", { name: word })), 300);
  }, { class: "danger" });
  sure.disabled = true;
  const dialog = ask(context, t("delete_person"), t("cancel"), [h("h2", t("delete_person")), field(t("delete_text", { word }), typed)], sure);
}

export async function view(root, context, [id]) {
  if (id === "+") {
    root.append(h("h1", t("new_person")), card(null, details(context, null, (made) => context.go(`people/${made.id}`))));
    return;
  }
  async function update() {
    const reply = await fetched("GET", `/v1/people/${encodeURIComponent(id)}`);
    const person = await reply.json();
    person.etag = reply.headers.get("ETag");
    draw(person);
  }
  function draw(person) {
    const remove = (number) => () => call("DELETE", `/v1/people/${person.id}/templates/${number}`).then(update);
    const rows = person.templates.map((each) => h("tr", h("td", { class: "number" }, each.number), h("td", each.quality), h("td", time(each.created)),
      h("td", each.source, each.liveness ? ` (${each.liveness})` : "", each.current ? "" : ` ${t("previous_model")}`),
      h("td", button("×", remove(each.number), { class: "plain", "aria-label": t("delete_template", { n: each.number }) }))));
    empty(root, h("div", { class: "head" }, h("h1", h("bdi", person.name || t("no_name"))), h("span", { class: "row" }, flags(person).length ? flags(person) : chip("good", t("valid")))),
      soft(person.id), h("div", { class: "grid half" },
        h("div", card(t("templates"),
          rows.length ? h("div", { class: "wide" }, h("table", h("thead", h("tr", ["#", t("quality"), t("date"), t("source"), ""].map((name) => h(name ? "th" : "td", name ? { scope: "col" } : {}, name)))), h("tbody", rows))) : h("p", t("no_templates")),
          atCamera(context, person, update),
          files(t("add_picture"), "user", (picture, result) => {
            const put = (query) => enroll(context, person, query, { body: picture, type: picture.type }, result, update, () => put({ force: true }));
            return put({});
          })),
        rows.length > 0 && context.may("pattern") && card(t("match"), files(t("picture"), null, async (picture, result) => {
          const body = new FormData();
          body.append("sample", picture, "1");
          body.append("bio_template", `person:${person.id}`);
          const form = await (await fetched("POST", "/v1/face/pattern/verify", { body })).text();
          const score = Number(/"score":\s*([\d.]+)/.exec(form)[1]);
          empty(result, scored(score));
        }))),
        h("div", card(t("edit"), details(context, person, async (stored) => {
          await update();
          if (stored) context.tell("good", t("saved"));
        })),
          card(null, h("div", { class: "row" },
            button(t("export"), async () => save(`${person.id}.jsonl`, await (await fetched("GET", `/v1/people/export?id=${person.id}`)).blob())),
            button(t("delete_person"), () => removal(context, person), { class: "danger" }))))));
  }
  await update();
}
