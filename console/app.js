// The console: signs in, shows one view at a time by the hash of the address, and tells when the service does not answer.

import { call, exchanged, get, onState } from "/console/api.js";
import { act, button, chip, code, empty, field, h, icon, tokenCommand, onWrong, soft } from "/console/dom.js";
import { speak, t, tongue } from "/console/words.js";

const VIEWS = ["start", "live", "try", "people", "events", "system"];
const main = document.getElementById("main");
const notice = document.getElementById("notice");

let session = { guarded: true, session: false, scopes: [], has: null };
const leave = [];
let turn = 0;
let held = false;

/** What a view gets of the console. */
const context = {
  get session() {
    return session;
  },
  may: (scope) => session.scopes.includes(scope),
  has: (part) => Boolean(session.has && session.has[part]),
  /** Tells something until the next view, or until it is replaced. */
  tell(kind, text) {
    empty(notice, text && h("div", { class: `note ${kind}` }, icon({ good: "yes", bad: "no" }[kind] || "warn"), h("span", { class: "grow" }, text)));
  },
  go(hash) {
    location.hash = hash;
  },
  /** Tells what went wrong. */
  wrong(error) {
    const text = error.status === 0 ? t("offline") : error.status === 403 ? `${t("not_allowed")} ${error.message}` : error.message || t("failed");
    if (error.status !== 401) context.tell("bad", text);
  },
  exchange,
  /** Nothing else is shown until `work` is done. */
  async hold(work) {
    held = true;
    try {
      await work();
    } finally {
      held = false;
      frame();
    }
  },
};

async function refresh() {
  session = await get("/v1/session");
}

function quit() {
  leave.splice(0).forEach((work) => work());
}

function frame() {
  document.getElementById("skip").textContent = t("skip");
  const nav = document.getElementById("nav");
  nav.setAttribute("aria-label", t("views"));
  const here = location.hash.slice(1).split("/")[0] || "start";
  const signed = !session.guarded || session.scopes.length > 0;
  empty(nav, signed && VIEWS.map((name) =>
    h("a", { href: `#${name}`, "aria-current": name === here && "page" }, icon(name), h("span", t(name)))));
  nav.hidden = !signed;
  empty(document.getElementById("tools"),
    button(t("other_language"), () => {
      speak(tongue() === "en" ? "de" : "en");
      show();
    }, { class: "plain", lang: tongue() === "en" ? "de" : "en" }),
    session.session && button(t("signout"), async () => {
      await call("DELETE", "/v1/session");
      await refresh();
      location.hash = "start";
      show();
    }, { class: "plain" }));
}

/** Shows the view that the address names. */
async function show() {
  if (held) return;
  const mine = ++turn;
  quit();
  context.tell("", null);
  frame();
  const [name, ...rest] = location.hash.slice(1).split("/");
  if (session.guarded && session.scopes.length === 0) return signin();
  const view = VIEWS.includes(name) ? name : "start";
  document.title = `${t(view)} - ${session.device || "Faceplate"}`;
  empty(main, soft(t("loading")));
  try {
    const module = await import(view === "people" && rest.length ? "/console/person.js" : `/console/${view}.js`);
    if (mine !== turn) return;
    const root = h("div");
    empty(main, root);
    // Calls `work` when the view is left, at once if it was left while something was awaited.
    const leaving = (work) => (mine === turn ? leave.push(work) : work());
    await module.view(root, Object.create(context, { leaving: { value: leaving } }), rest.map(decodeURIComponent));
    if (mine === turn && document.activeElement === document.body) main.focus({ preventScroll: true });
  } catch (error) {
    if (mine !== turn) return;
    context.wrong(error);
    empty(main, h("h1", t(view)), button(t("back"), () => context.go("start")));
  }
}

/** Exchanges a token for a session; false if it is not known. */
async function exchange(token) {
  try {
    session = await exchanged(token);
    return true;
  } catch (error) {
    context.tell("bad", error.status === 401 ? t("wrong_token") : error.message || t("offline"));
    return false;
  }
}

function signin() {
  document.title = `${t("signin")} - Faceplate`;
  const input = h("input", { type: "password", autocomplete: "current-password", required: true });
  const submit = h("button", { class: "main" }, icon("key"), t("signin"));
  const form = h("form", { onsubmit: (event) => {
    event.preventDefault();
    act(submit, async () => {
      if (await exchange(input.value.trim())) show();
      else input.focus();
    });
  } }, field(t("token"), input), submit);
  empty(main, h("section", { class: "card signin" }, h("h1", t("signin")), form,
    soft(t("signin_hint")), code(tokenCommand(` --qr ${location.origin}`))));
  input.focus();
}

async function begin() {
  // A link with a token, as a QR code has it: the token leaves the address once it was answered.
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  let wrong = "";
  try {
    if (token) {
      await exchanged(token).catch((error) => {
        if (error.status === 0) throw error;
        wrong = error.status === 401 ? t("wrong_token") : error.message;
      });
      history.replaceState(null, "", location.pathname);
    }
    await refresh();
  } catch (error) {
    context.wrong(error);
    main.replaceChildren(h("p", chip("bad", t("offline"))));
    setTimeout(begin, 2000);
    return;
  }
  await show();
  if (wrong) context.tell("bad", wrong);
}

/** Looks whose session it is, and shows what follows if that has changed: it may have ended, with its token or with the service. */
async function look() {
  if (held) return;
  const before = session;
  await refresh();
  if (notice.textContent === t("offline")) context.tell("", null);
  if (before.scopes.join() === session.scopes.join() && before.guarded === session.guarded) return;
  show();
  if (before.scopes.length && !session.scopes.length) context.tell("warn", t("signed_out"));
}

onState((state) => {
  if (state === "offline") context.tell("bad", t("offline"));
  else if (state === "online" && notice.textContent === t("offline")) context.tell("", null);
  else if (state === "signin") look().catch(() => {});
});

// While nothing answers, it is asked until something does.
setInterval(() => {
  if (notice.textContent === t("offline") && !document.hidden) look().catch(() => {});
}, 2000);

onWrong(context.wrong);
addEventListener("hashchange", () => (location.hash.includes("token=") ? begin() : show()));
begin();
