import { expect, test } from "vitest";

import { placed } from "./graph";

const nodes = ["load", "train", "evaluate"].map((id) => ({ id, name: id, state: "PENDING" }));
const edges = [{ from: "load", to: "train" }, { from: "train", to: "evaluate" }, { from: "load", to: "evaluate" }];

test("a step stands behind what it waits for", () => {
  const places = placed(nodes, edges);
  expect(places.get("load")!.x).toBeLessThan(places.get("train")!.x);
  expect(places.get("train")!.x).toBeLessThan(places.get("evaluate")!.x);
});

test("on a narrow screen it stands below", () => {
  const places = placed(nodes, edges, "TB");
  expect(places.get("load")!.y).toBeLessThan(places.get("train")!.y);
  expect(places.get("train")!.y).toBeLessThan(places.get("evaluate")!.y);
});
