/** The windows of a service as series over time. */
import type { Schemas } from "../api/client";

export type Window = Schemas["WindowView"];

/** What was found of which feature, in words. */
export function findingName(found: Schemas["FindingView"]): string {
  if (found.name === "prediction-drift") return "drift of the prediction";
  const words = found.name.replaceAll("-", " ").replaceAll("_", " ");
  return found.feature ? `${words} of ${found.feature}` : words;
}

/** Oldest first, as time goes. */
export const inTime = (windows: Window[]) => [...windows].sort((one, other) => one.start.localeCompare(other.start));

/** The features that any window told of, the most drifted first. */
export function featuresOf(windows: Window[]): string[] {
  const worst = new Map<string, number>();
  for (const window of windows) {
    for (const column of window.columns) worst.set(column.name, Math.max(worst.get(column.name) ?? -Infinity, column.effect ?? -Infinity));
  }
  return [...worst.entries()].sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0])).map(([name]) => name);
}

export const columnOf = (window: Window | undefined, name: string) =>
  window?.columns.find((column) => column.name === name) ?? (window?.prediction?.name === name ? window.prediction : undefined);

/** What each bin is called: between its edges, or its category. */
export function binsOf(column: Schemas["ColumnReportView"]): string[] {
  if (column.labels) return column.labels.map((label) => label || "(empty)");
  const edges = column.edges ?? [];
  const short = (value: number | undefined) => (value === undefined ? "" : String(Number(value.toPrecision(4))));
  const last = column.counts.length - 1;
  return column.counts.map((_, index) => {
    if (index === 0) return `< ${short(edges[1])}`; // the outer two edges are open
    if (index === last) return `≥ ${short(edges[last])}`;
    return `${short(edges[index])} – ${short(edges[index + 1])}`;
  });
}

export const shares = (counts: number[]) => {
  const sum = counts.reduce((total, count) => total + count, 0);
  return counts.map((count) => (sum === 0 ? 0 : count / sum));
};
