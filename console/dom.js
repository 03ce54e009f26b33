// Builds elements. Text becomes text nodes: nothing that a person or a server wrote is ever parsed as markup.

const SVG = "http://www.w3.org/2000/svg";

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** An element: `h("p", {class: "note", onclick: f}, "text", child)`. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  if (typeof props !== "object" || !props || props instanceof Node || Array.isArray(props)) return append(element, [props, ...children]);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (["value", "checked", "disabled", "hidden"].includes(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  return append(element, children);
}

/** The same for SVG. */
export function s(tag, props = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, value);
  return append(element, children);
}

const PATHS = {
  start: "M3 11l9-8 9 8M5 9.5V21h14V9.5M10 21v-6h4v6",
  live: "M2 7h13v10H2zM15 11l7-4v10l-7-4",
  try: "M4 4h7v9H4zM13 11h7v9h-7zM15 4l5 3M4 17l5 3",
  people: "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8M2 21c0-4 3-7 7-7s7 3 7 7M16 3.5a4 4 0 0 1 0 7M18 14.5c2.5.8 4 3.3 4 6.5",
  events: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 7v5l3 3",
  system: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  yes: "M4 12.500l5 5L20 6.5",
  no: "M6 6l12 12M18 6L6 18",
  warn: "M12 4l9.5 16h-19zM12 10v4M12 17v.5",
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 11v5M12 8v.3",
  door: "M6 21V3h12v18M3 21h18M14 12v.5",
  key: "M14 10a4 4 0 1 0-4 4 4 4 0 0 0 4-4M13 13l8 8M18 18l2-2",
  left: "M20 12H5M11 5l-7 7 7 7",
};

/** An icon, which says nothing to screen readers: words stand beside it. */
export function icon(name) {
  const path = s("path", { d: PATHS[name] || PATHS.info });
  return s("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" }, path);
}

/** A state as word, icon and color. `kind` is good, warn, bad or idle. */
export function chip(kind, text) {
  const shown = { good: "yes", warn: "warn", bad: "no", idle: "info" }[kind];
  return h("span", { class: `chip ${kind}` }, icon(shown), text);
}

export function card(title, ...children) {
  return h("section", { class: "card" }, title && h("h2", title), children);
}

/** A labeled control. */
export function field(label, control, hint) {
  return h("label", { class: "field" }, h("span", label), control, hint && h("small", hint));
}

let wrong = () => {};

/** `listener` gets the errors of all that buttons, forms and files begin. */
export const onWrong = (listener) => (wrong = listener);

/** Runs `work` while `control` is switched off. */
export async function act(control, work) {
  control.disabled = true;
  try {
    await work();
  } catch (error) {
    wrong(error);
  } finally {
    control.disabled = false;
  }
}

export function button(text, work, props = {}) {
  return h("button", { type: "button", onclick: (event) => act(event.currentTarget, work), ...props }, props.icon && icon(props.icon), text);
}

/** A line of lesser weight. */
export const soft = (...text) => h("p", { class: "soft" }, text);

/** A box to check, with its label. */
export const check = (box, label) => h("label", { class: "check" }, box, label);
export const box = (props) => h("input", { type: "checkbox", ...props });

/** A question in front of the view, with what is to be done beside `cancel`. */
export function ask(context, title, cancel, content, ...sure) {
  const dialog = h("dialog", { "aria-label": title, onclose: () => dialog.remove() }, content, h("div", { class: "row end" }, button(cancel, () => dialog.close()), sure));
  document.body.append(dialog);
  context.leaving(() => dialog.remove());
  dialog.showModal();
  return dialog;
}

/** A place whose changes are told to screen readers. */
export const status = (props, ...children) => h("div", { role: "status", ...props }, children);

export function empty(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

/** Text that can be copied, such as a command. */
export const code = (text) => h("pre", h("code", text));

/** The command that makes a token for all that the console does. */
export const tokenCommand = (more = "") =>
  `faceplate token new console admin camera people events door pattern liveness compare metrics --write /etc/faceplate/faceplate.toml${more}`;
