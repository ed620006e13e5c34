// The candidates of a search over time, and the best so far, as a drawing that says in words what it shows.
import { $, draw, figure, make, t } from "./dom.js";

const [WIDTH, HEIGHT, LEFT, BELOW, ABOVE] = [520, 180, 64, 32, 12];

// Whether less is better of a figure.
export function isLower(metric) {
  const named = Array.from($("metric").options).find((each) => each.value === metric);
  return named !== undefined && named.dataset.better === "lower";
}

// Nothing before two candidates have ended well.
export function curve(job) {
  const metric = job.search && job.search.metric;
  const done = job.candidates.filter((one) => one.ended_at_ms && typeof one.metrics[`cv_${metric}`] === "number");
  const began = Math.min(...done.map((one) => one.ended_at_ms - 1000 * one.seconds));
  const points = done
    .map((one) => ({ x: (one.ended_at_ms - began) / 1000, y: one.metrics[`cv_${metric}`], name: one.name }))
    .sort((one, other) => one.x - other.x);
  if (points.length < 2) return null;
  const lower = isLower(metric);
  let best = null;
  const line = [];
  for (const point of points) {
    if (best === null || (lower ? point.y < best.y : point.y > best.y)) best = point;
    line.push([point.x, best.y]);
  }
  // Far worse candidates stand at the edge, or the line would be flat
  const sorted = points.map((point) => point.y).sort((one, other) => (lower ? one - other : other - one));
  const edge = sorted[Math.floor(0.75 * (sorted.length - 1))];
  const span = Math.abs(best.y - edge) || Math.abs(best.y) * 0.01 || 1;
  const [low, high] = lower ? [best.y - 0.1 * span, edge + 0.1 * span] : [edge - 0.1 * span, best.y + 0.1 * span];
  const last = points[points.length - 1].x;
  const px = (x) => LEFT + (WIDTH - LEFT - 12) * (x / last);
  const py = (y) => ABOVE + (HEIGHT - ABOVE - BELOW) * (1 - (Math.min(Math.max(y, low), high) - low) / (high - low));
  const path = line.map(([x, y], at) => (at === 0 ? `M${px(x)} ${py(y)}` : `H${px(x)}V${py(y)}`)).join("");
  const said = t("job.curve.best", { metric, best: figure(best.y), seconds: Math.round(best.x) });
  const text = (x, y, anchor, words) => draw("text", { x, y, "text-anchor": anchor, class: "tick" }, words);
  return make("figure", { class: "curve" },
    draw("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": said },
      draw("path", { d: `M${LEFT} ${ABOVE}V${HEIGHT - BELOW}H${WIDTH - 12}`, class: "axis" }),
      text(LEFT - 8, py(high) + 4, "end", figure(high)), text(LEFT - 8, py(low) + 4, "end", figure(low)),
      text(LEFT, HEIGHT - 10, "middle", "0"), text(WIDTH - 12, HEIGHT - 10, "end", `${Math.round(last)} ${t("job.curve.seconds")}`),
      ...points.map((point) => draw("circle", { cx: px(point.x), cy: py(point.y), r: 3, class: "each" }, draw("title", {}, `${point.name}: ${figure(point.y)}`))),
      draw("path", { d: path, class: "best" })),
    make("figcaption", {}, `${said} ${t("job.curve", { metric })}`));
}
