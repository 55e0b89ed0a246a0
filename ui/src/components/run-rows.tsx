/** Runs as a table, with parameters and metrics. */
import { Anchor, Checkbox, Select, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "../api/client";
import { number } from "./number";
import { Empty } from "./page";
import { type Column, Rows, useAddress } from "./rows";
import { State } from "./state";
import { Ago, between, useNow } from "./when";

type Run = Schemas["RunView"];

export type Picked = { ids: string[]; toggle: (id: string) => void };

const STATES = ["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "PAUSED"];
const MOST_METRICS = 4;

export function brief(values: Record<string, unknown>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join("  ");
}

/** The parameters that a person chose; what the data is called inside is not among them. */
export const chosen = (values: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => !(typeof value === "string" && value.startsWith("tidemill://"))));

export const took = (run: Run, now: number) => between(run.started_at, run.finished_at, now);

/** The metrics that most of these runs have. */
export function commonMetrics(runs: Run[], most: number): string[] {
  const counts = new Map<string, number>();
  for (const run of runs) for (const name of Object.keys(run.metrics ?? {})) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts.entries()].sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0])).slice(0, most).map(([name]) => name);
}

export function RunRows({ runs, withFilter = true, pick }: { runs: Run[]; withFilter?: boolean; pick?: Picked }) {
  const now = useNow();
  const columns: Column<Run>[] = [
    ...(pick ? [{ name: "", cell: (run: Run) => <Checkbox size="xs" aria-label={`compare ${run.name}`} checked={pick.ids.includes(run.id)} onChange={() => pick.toggle(run.id)} /> }] : []),
    { name: "Run", cell: (run) => <Anchor component={Link} to={`/runs/${run.id}`} fz="sm" className="name-of-run" title={run.name}>{run.name}</Anchor>, by: (run) => run.name },
    { name: "State", cell: (run) => <State state={run.state} />, by: (run) => run.state },
    { name: "Experiment", cell: (run) => run.experiment, by: (run) => run.experiment },
    { name: "Parameters", cell: (run) => <Text size="xs" c="dimmed" truncate maw={260} title={brief(chosen(run.parameters))}>{brief(chosen(run.parameters))}</Text> },
    ...commonMetrics(runs, MOST_METRICS).map((name): Column<Run> => ({
      name, cell: (run) => number(run.metrics?.[name]), isNumber: true, by: (run) => { const value = run.metrics?.[name]; return typeof value === "number" ? value : null; },
    })),
    { name: "By", cell: (run) => run.author, by: (run) => run.author },
    { name: "Took", cell: (run) => took(run, now), isNumber: true, by: (run) => (run.started_at && run.finished_at ? Date.parse(run.finished_at) - Date.parse(run.started_at) : null) },
    { name: "Started", cell: (run) => <Ago at={run.created_at} />, isNumber: true, by: (run) => run.created_at },
  ];
  return (
    <Rows
      columns={columns} rows={runs} keyOf={(run) => run.id}
      {...(withFilter ? { words: (run: Run) => `${run.name} ${run.id} ${run.experiment} ${run.author} ${brief(run.parameters)}`, beside: <StateFilter /> } : {})}
      empty={<Empty command="tidemill run pipeline.ipynb">No run {runs.length ? "is like that" : "yet"}.</Empty>}
    />
  );
}

function StateFilter() {
  const [address, change] = useAddress();
  return (
    <Select
      aria-label="state" placeholder="any state" clearable w={140} value={address.get("state")}
      data={STATES.map((state) => ({ value: state, label: state.toLowerCase() }))} onChange={(value) => change("state", value)}
    />
  );
}
