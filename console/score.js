// Shows a score on the scale of false match rates, and what the witnesses of liveness said.

import { chip, h, s, soft } from "/console/dom.js";
import { number, t } from "/console/words.js";

/** Scores and the exponent of the false match rate that they stand for: docs/ref/scores.md. */
const KNOTS = [[0.3, 1], [0.55, 2], [0.75, 3], [0.85, 4], [0.92, 5], [0.97, 6]];

/** The exponent of the false match rate of a score, between 0 and 7. */
export function exponent(score) {
  const points = [[0, 0], ...KNOTS, [1, 7]];
  const at = points.findIndex(([knot]) => score <= knot);
  if (at <= 0) return at === 0 ? 0 : 7;
  const [[x0, y0], [x1, y1]] = [points[at - 1], points[at]];
  return y0 + ((score - x0) / (x1 - x0)) * (y1 - y0);
}

export const decision = (word) =>
  chip({ approved: "good", operator_required: "warn", declined: "bad" }[word] || "idle", t(word));

/** The verdict of detect. */
export const live = (told) => h("p", chip(told.passed ? "good" : "bad", t(told.passed ? "is_live" : "door_attack")));

export function scored(score, word) {
  const e = exponent(score);
  const x = (value) => 10 + (value / 7) * 300;
  const rate = e < 1 ? t("below_scale") : t("one_in", { n: number(Number((10 ** Math.min(e, 6)).toPrecision(1)), 0) });
  const scale = s("svg", { viewBox: "0 0 330 54", class: "scale", role: "img", "aria-label": t("scale_label", { score: number(score, 3) }) },
    s("line", { x1: x(0), y1: 26, x2: x(7), y2: 26, class: "axis" }),
    KNOTS.map(([knot, power]) => [
      s("line", { x1: x(power), y1: 21, x2: x(power), y2: 31, class: "axis" }),
      s("text", { x: x(power), y: 15, "text-anchor": "middle" }, number(knot)),
      s("text", { x: x(power), y: 46, "text-anchor": "middle" }, `1e-${power}`),
    ]),
    s("circle", { cx: x(e), cy: 26, r: 7, class: "mark" }));
  return h("div", h("div", { class: "row" }, h("span", { class: "score" }, number(score, 3)), word && decision(word)),
    scale, soft(rate));
}

/** What the witnesses of liveness said, as `X-Liveness` tells it. */
export function witnesses(told) {
  if (!told) return null;
  const rows = [];
  if (told.looks) rows.push([t("looks"), `${t("confidence")} ${number(told.looks.confidence_spoofing)} (${told.looks.frames} ${t("frames")})`]);
  if (told.beside) rows.push([t("beside"), number(told.beside.moves_with_head)]);
  if (told.light) rows.push([t("light"), `${t(`light_${told.light.verdict}`)}${told.light.reason ? `: ${told.light.reason}` : ""}`]);
  for (const turn of told.turns || []) rows.push([t(`prompt_${turn.prompt}`), `${number(turn.seconds)} s, ${t("parallax")} ${number(turn.parallax)}`]);
  return h("dl", { class: "pairs" }, rows.map(([name, value]) => [h("dt", name), h("dd", value)]));
}
