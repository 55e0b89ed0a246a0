/** Groups of runs. */
import { Anchor, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "../api/client";
import { useRuns } from "../api/queries";
import { number } from "../components/number";
import { Asked, Empty, Page } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { Ago } from "../components/when";

type Experiment = { name: string; runs: number; failed: number; newest: string; metrics: string };

export function experimentsOf(runs: Schemas["RunView"][]): Experiment[] {
  const found = new Map<string, Experiment>();
  for (const run of runs) {
    const known = found.get(run.experiment) ?? { name: run.experiment, runs: 0, failed: 0, newest: run.created_at, metrics: "" };
    known.runs += 1;
    known.failed += run.state === "FAILED" ? 1 : 0;
    if (known.metrics === "" && run.metrics) known.metrics = Object.entries(run.metrics).map(([name, value]) => `${name} ${number(value)}`).join("  ");
    if (run.created_at > known.newest) known.newest = run.created_at;
    found.set(run.experiment, known);
  }
  return [...found.values()];
}

const COLUMNS: Column<Experiment>[] = [
  { name: "Experiment", cell: (one) => <Anchor component={Link} to={`/runs?experiment=${encodeURIComponent(one.name)}`} fz="sm">{one.name}</Anchor>, by: (one) => one.name },
  { name: "Runs", cell: (one) => one.runs, isNumber: true, by: (one) => one.runs },
  { name: "Failed", cell: (one) => one.failed, isNumber: true, by: (one) => one.failed },
  { name: "Metrics of the newest", cell: (one) => <Text size="xs" c="dimmed">{one.metrics || "–"}</Text> },
  { name: "Newest", cell: (one) => <Ago at={one.newest} />, isNumber: true, by: (one) => one.newest },
];

export default function Experiments() {
  const runs = useRuns({}, 1000);
  return (
    <Page title="Experiments">
      <Asked of={runs}>
        {(items) => (
          <Rows columns={COLUMNS} rows={experimentsOf(items)} keyOf={(one) => one.name} words={(one) => one.name} empty={<Empty command="tidemill run pipeline.ipynb">No experiment yet.</Empty>} />
        )}
      </Asked>
    </Page>
  );
}
