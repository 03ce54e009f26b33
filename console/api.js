// Calls the methods of the API. A page is signed in by its cookie; no token is kept here.

/** What a method answered, if it was no success. `status` is 0 where nothing answered. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

let heard = () => {};

/** `listener` gets "online", "offline" or "signin" when that changes or is needed. */
export const onState = (listener) => (heard = listener);

let state = "online";
function tell(next) {
  if (next !== state || next === "signin") heard(next);
  state = next;
}

async function failed(reply) {
  let told = {};
  try {
    told = await reply.json();
  } catch {
    // Not ours: of a proxy, perhaps.
  }
  return new ApiError(reply.status, String(told.code || reply.status), String(told.message || reply.statusText || reply.status));
}

/** The reply to a request, whatever its body is. Where it needs a session, one is asked for, unless `asks` is false. */
export async function fetched(method, path, { body, type, headers = {}, asks = true } = {}) {
  let reply;
  try {
    reply = await fetch(path, {
      method, body, redirect: "error", cache: "no-store",
      headers: type ? { "Content-Type": type, ...headers } : headers,
    });
  } catch {
    tell("offline");
    throw new ApiError(0, "", "");
  }
  if (reply.ok) {
    tell("online");
    return reply;
  }
  const error = await failed(reply);
  tell(error.status === 401 && asks ? "signin" : "online");
  throw error;
}

export async function call(method, path, options) {
  return (await fetched(method, path, options)).json();
}

export const get = (path, options) => call("GET", path, options);
export const send = (method, path, value, headers) =>
  call(method, path, { body: JSON.stringify(value), type: "application/json", headers });

/** Exchanges a token for the cookie of a session. */
export const exchanged = (token) => call("POST", "/v1/session", { headers: { Authorization: `Bearer ${token}` }, asks: false });

/** Follows server-sent events while the page is seen, until `stop` of the result is called; it comes back after any end, and says so. */
export function follow(path, name, listener, opened = () => {}) {
  let source = null, timer = 0, stopped = false;
  const open = () => {
    clearTimeout(timer);
    source?.close();
    if (stopped || document.hidden) return;
    source = new EventSource(path);
    source.onopen = opened;
    for (const each of [].concat(name)) source.addEventListener(each, listener);
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED && !stopped) timer = setTimeout(open, 3000);
    };
  };
  open();
  document.addEventListener("visibilitychange", open);
  return {
    stop() {
      stopped = true;
      document.removeEventListener("visibilitychange", open);
      open();
    },
  };
}

/** Calls `work` now and every `ms` while the page is seen, one after the other, until `stop` is called. */
export function every(ms, work) {
  let timer = 0, stopped = false;
  const turn = async () => {
    if (!document.hidden) await work().catch(() => {});
    if (!stopped) timer = setTimeout(turn, document.hidden ? Math.max(ms, 1000) : ms);
  };
  turn();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** A picture of this device as JPEG: those that the service reads as they are, all others as the browser shows them (HEIC on a phone). */
export async function jpegOf(file) {
  if (["image/jpeg", "image/png"].includes(file.type)) return file;
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, 4096 / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((done, fail) =>
    canvas.toBlob((blob) => (blob ? done(blob) : fail(new Error("no JPEG"))), "image/jpeg", 0.92));
}

/** Gives a file to whoever sits before the screen. */
export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
