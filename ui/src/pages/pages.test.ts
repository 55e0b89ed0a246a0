import { expect, test } from "vitest";

import type { Schemas } from "../api/client";
import { experimentsOf } from "./experiments";
import { taskOf } from "./run";
import { chosen, commonMetrics } from "../components/run-rows";

const run = (more: object) => ({ experiment: "fuel", state: "SUCCEEDED", created_at: "2030-01-01T00:00:00Z", ...more }) as Schemas["RunView"];
const node = (id: string, state: string) => ({ name: id, state, task: { id, state } }) as unknown as Schemas["NodeView"];

test("experiments count their runs and failures and know the newest", () => {
  const found = experimentsOf([run({ created_at: "2030-01-02T00:00:00Z" }), run({ state: "FAILED" }), run({ experiment: "other" })]);
  expect(found.map((one) => [one.name, one.runs, one.failed, one.newest])).toEqual([["fuel", 2, 1, "2030-01-02T00:00:00Z"], ["other", 1, 0, "2030-01-01T00:00:00Z"]]);
});

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
