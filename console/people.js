// People: who is enrolled, found by name or id and by group.

import { get } from "/console/api.js";
import { button, card, chip, empty, field, h, status } from "/console/dom.js";
import { t } from "/console/words.js";

/** The flags of a person, as words, icons and colors. */
export function flags(person) {
  const now = Date.now();
  return [
    person.valid_until && Date.parse(person.valid_until) <= now && chip("bad", t("expired")),
    person.valid_from && Date.parse(person.valid_from) > now && chip("warn", t("not_yet")),
    !person.templates.length ? chip("warn", t("needs_enrollment")) :
      person.needs_enrollment && chip("warn", `${t("needs_enrollment")} (${t("previous_model")})`),
  ].filter(Boolean);
}

export async function view(root, context) {
  if (!context.has("people")) return root.append(h("h1", t("people")), card(null, h("p", t("people_off")), h("a", { href: "#start" }, t("first_steps"))));
  const text = h("input", { type: "search", maxlength: "128", oninput: () => soon() });
  const group = h("input", { type: "search", maxlength: "64", placeholder: t("all_groups"), oninput: () => soon() });
  const list = h("ul", { class: "list" });
  const state = status({ class: "soft" });
  const more = button(t("more"), () => load(true), { hidden: true });
  let next = null, turn = 0, timer = 0;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => load().catch(context.wrong), 200);
  };
  async function load(again) {
    const mine = ++turn;
    const asked = new URLSearchParams({ limit: "50" });
    if (text.value.trim()) asked.set("text", text.value.trim());
    if (group.value.trim()) asked.set("group", group.value.trim());
    if (again === true) asked.set("after", next);
    const page = await get(`/v1/people?${asked}`);
    if (mine !== turn) return;
    if (again !== true) empty(list);
    list.append(...page.people.map((person) => h("li", h("a", { class: "whole", href: `#people/${encodeURIComponent(person.id)}` },
        h("b", h("bdi", person.name || person.id)), h("span", { class: "soft grow" }, h("bdi", [person.id, ...person.groups].join(" · "))), flags(person)))));
    next = page.next;
    more.hidden = !next;
    state.textContent = list.children.length ? "" : t("nobody_found");
  }
  root.append(h("div", { class: "head" }, h("h1", t("people")), h("a", { class: "button main", href: "#people/+" }, t("new_person"))),
    card(null, h("div", { class: "tiles" }, field(t("search"), text), field(t("groups"), group)), state, list, more));
  context.leaving(() => clearTimeout(timer));
  await load();
}
