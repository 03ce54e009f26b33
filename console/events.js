// Events: what happened, by day and kind, and as it happens.

import { fetched, follow, get, save } from "/console/api.js";
import { box, button, card, check, chip, empty, field, h, status } from "/console/dom.js";
import { KINDS, number, t, tOr, time } from "/console/words.js";

/** Asks for the newest events. */
export const FIRST = "before=9007199254740991";
const KIND = {
  good: "access.granted device.recovered", warn: "access.denied access.unknown door.held_open",
  bad: "access.attack access.locked_out door.forced device.fault",
};

/** An event as an entry of a list. */
export function line(event) {
  const kind = event.type.replace(/^faceplate\./, "");
  const data = event.data || {};
  const details = [data.reason && tOr(`x_${data.reason}`, data.reason), data.part, data.score !== undefined && data.score !== null && `${t("score")} ${number(data.score, 3)}`];
  const who = data.name || data.person;
  return h("li", chip(Object.keys(KIND).find((each) => KIND[each].includes(kind)) || "idle", tOr(`e_${kind}`, kind)),
    who ? h("b", h("a", { href: `#people/${encodeURIComponent(data.person)}` }, who)) : null,
    h("span", { class: "soft grow" }, details.filter(Boolean).join(", ")),
    data.picture && h("a", { href: `/v1/events/${Number(event.sequence)}/picture`, target: "_blank", rel: "noopener" }, t("picture_of")),
    h("time", { class: "soft", datetime: event.time }, time(event.time, { timeStyle: "medium" })));
}

export async function view(root, context) {
  let before = FIRST, turn = 0, paged = false;
  const known = new Set();
  const isNew = (event) => !known.has(event.id) && known.add(event.id);
  const again = () => load().catch(context.wrong);
  const day = h("input", { type: "date", onchange: again });
  const kind = h("select", { onchange: again }, h("option", { value: "" }, t("all")),
    ["access", "door", "people", "device"].map((name) => [h("option", { value: name }, t(`k_${name}`)),
      KINDS.filter((each) => each.startsWith(`${name}.`)).map((each) => h("option", { value: each }, `– ${tOr(`e_${each}`, each)}`))]));
  const person = h("input", { type: "search", maxlength: "64", onchange: again });
  const live = box({ checked: true });
  const list = h("ol", { class: "list" });
  const older = button(t("older"), () => load(true));
  const state = status({ class: "soft" });
  const query = () => {
    const asked = new URLSearchParams();
    if (day.value) {
      const start = new Date(`${day.value}T00:00:00`);
      const end = new Date(start);
      end.setDate(end.getDate() + 1);
      asked.set("from", start.toISOString());
      asked.set("until", end.toISOString());
    }
    if (kind.value) asked.set("type", kind.value);
    if (person.value.trim()) asked.set("person", person.value.trim());
    return asked;
  };
  async function load(more = false) {
    const mine = ++turn;
    paged = more;
    if (!more) before = FIRST;
    const asked = query().toString();
    const page = await get(`/v1/events?${before}&limit=50${asked && `&${asked}`}`);
    if (mine !== turn) return;
    if (!more) {
      empty(list);
      known.clear();
    }
    list.append(...page.events.reverse().filter(isNew).map(line));
    before = `before=${page.first}`;
    older.hidden = !page.older;
    state.textContent = list.children.length ? "" : t("no_events");
  }
  const csv = button("CSV", async () => {
    const parts = [];
    for (let after = 0, newest = 1; after < newest;) {
      const asked = query();
      asked.set("after", after);
      asked.set("limit", 1000);
      const lines = (await (await fetched("GET", `/v1/events?${asked}&format=csv`)).text()).trimEnd().split("\r\n");
      parts.push(...lines.slice(parts.length ? 1 : 0).map((each) => `${each}\r\n`));
      // The same page as JSON tells how far was looked.
      ({ last: after, newest } = await get(`/v1/events?${asked}`));
    }
    save(`events-${day.value || "all"}.csv`, new Blob(parts, { type: "text/csv" }));
  });
  root.append(h("div", { class: "head" }, h("h1", t("events")), csv),
    card(null, h("div", { class: "tiles" }, field(t("day"), day), field(t("kind"), kind), field(t("person"), person),
      check(live, t("live"))), state, list, h("div", { class: "row end" }, older)));
  await load();
  // What happened before the stream was open is asked for once it is.
  const stream = follow("/v1/events/stream", KINDS.map((kind) => `faceplate.${kind}`), (message) => {
    const event = JSON.parse(message.data);
    const word = event.type.slice(10);
    const fits = (!kind.value || word === kind.value || word.startsWith(`${kind.value}.`)) &&
      (!person.value.trim() || event.data?.person === person.value.trim()) && (!day.value || day.value === new Date(event.time).toLocaleDateString("sv"));
    if (!live.checked || !fits || !isNew(event)) return;
    state.textContent = "";
    list.prepend(line(event));
  }, () => paged || again());
  context.leaving(stream.stop);
}

