import { expect, test } from "vitest";

import type { Schemas } from "../api/client";
import { type Window, binsOf, featuresOf, shares } from "../components/watched";
import { alertMeasure, alertPath, alertTitle } from "../components/alerts";
import { extent, profile } from "../components/preview";
import { processName } from "../components/site";
import { layers, lasted } from "./health";
import { taskOf } from "./run";
import { chosen, commonMetrics } from "../components/run-rows";

const run = (more: object) => more as Schemas["RunView"];
const node = (id: string, state: string) => ({ name: id, state, task: { id, state } }) as unknown as Schemas["NodeView"];

test("the step that is looked at is the chosen one, else the one that failed, else the one at work", () => {
  const level = { nodes: [node("load", "SUCCEEDED"), node("train", "RUNNING"), node("check", "FAILED")], edges: [], way: [] } as Schemas["LevelView"];
  expect(taskOf(level, "load")?.id).toBe("load");
  expect(taskOf(level, null)?.id).toBe("check");
  expect(taskOf({ ...level, nodes: level.nodes.slice(0, 2) }, null)?.id).toBe("train");
  expect(taskOf({ ...level, nodes: [] }, null)).toBeNull();
});

test("the metrics of most runs are columns; what data is called inside is no parameter", () => {
  expect(commonMetrics([run({ metrics: { mae: 1, r2: 0.9 } }), run({ metrics: { mae: 2 } }), run({})], 1)).toEqual(["mae"]);
  expect(chosen({ alpha: 0.5, data: "tidemill://artifacts/1" })).toEqual({ alpha: 0.5 });
});

test("bins are between edges whose outer two are open, or have labels", () => {
  const column = (more: object) => ({ counts: [1, 2, 1], labels: null, edges: null, ...more }) as Schemas["ColumnReportView"];
  expect(binsOf(column({ edges: [0, 10, 20, 30] }))).toEqual(["< 10", "10 – 20", "≥ 20"]);
  expect(binsOf(column({ labels: ["north", "", "süd"] }))).toEqual(["north", "(empty)", "süd"]);
  expect(shares([1, 3])).toEqual([0.25, 0.75]);
  expect(shares([0, 0])).toEqual([0, 0]);
});

test("the most drifted feature comes first, one without a verdict last", () => {
  const window = (columns: object[]) => ({ columns }) as unknown as Window;
  expect(featuresOf([window([{ name: "year", effect: 0.1 }, { name: "weight", effect: 0.9 }]), window([{ name: "region", effect: null }])])).toEqual(["weight", "year", "region"]);
});

test("a predictor is called by what it answers for; the processes that use most have a layer each", () => {
  const fuel = { service: "fuel", revisions: { "predictor 1a": "2" } } as unknown as Schemas["ServiceFiguresView"];
  expect([processName("predictor 1a", [fuel]), processName("worker", [fuel])]).toEqual(["fuel, revision 2", "worker"]);
  const processes = Array.from({ length: 10 }, (_, index) => ({ name: `p${index}`, memory_bytes: 10 - index }));
  const found = layers([{ at: "2026-01-01T00:00:00Z", processes }] as unknown as Schemas["SampleView"][]);
  expect(found.map((one) => one.name)).toEqual(["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "others"]);
  expect(found.at(-1)?.values).toEqual([["2026-01-01T00:00:00Z", 3]]);
  expect([lasted(90), lasted(86_400 * 3)]).toEqual(["90.0 s", "3 days"]);
});

test("an alert says what is wrong with what, by how much, and where its evidence is", () => {
  const alert = (more: object) => ({ service: "fuel", feature: "", window_id: "", value: 93, threshold: 90, ...more }) as Schemas["AlertView"];
  const drift = alert({ name: "drift", feature: "a&b", window_id: "w1" });
  expect([alertTitle(drift), alertPath(drift)]).toEqual(["fuel: drift of a&b", "/monitoring/fuel?feature=a%26b&window=w1"]);
  expect(alertTitle(alert({ name: "prediction-drift", feature: "prediction" }))).toBe("fuel: drift of the prediction");
  const disk = alert({ name: "disk", service: "" });
  expect([alertTitle(disk), alertMeasure(disk), alertPath(disk)]).toEqual(["this site: the disk is nearly full", "93 % used, the limit is 90 %", "/health"]);
  expect(alertTitle(alert({ name: "gone", service: "", feature: "worker" }))).toBe("worker is not there");
  expect(alertTitle(alert({ name: "restarts" }))).toBe("fuel: a predictor starts again and again");
});

test("a table that was looked into says how much there is, and what its columns hold", () => {
  const preview = (more: object) => ({ format: "csv", rows: 3, looked_at: 3, columns_in_all: 1, columns: [{}], ...more }) as unknown as Schemas["TablePreviewView"];
  expect(extent(preview({}))).toBe("csv, 3 rows, 1 column");
  expect(extent(preview({ rows: null, columns_in_all: 200 }))).toBe("csv, more than 3 rows, 200 columns; 1 columns are shown");
  expect(extent(preview({ rows: 9 }))).toContain("described by the first 3 rows");
  const column = (more: object) => ({ least: null, most: null, mean: null, common: null, distinct: 2, missing: 0, ...more }) as unknown as Schemas["TableColumnView"];
  expect(profile(column({ least: 1, most: 2, mean: 1.5, missing: 1 }), 3)).toEqual(["1 … 2", "mean 1.5", "2 distinct", "1 missing"]);
  expect(profile(column({ common: ["<b>", 2] }), 4)).toEqual(["mostly <b> (50 %)", "2 distinct"]);
});
