/** Groups of runs. */
import { Anchor, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { type Schemas, api, told } from "../api/client";
import { number } from "../components/number";
import { Asked, Empty, Page } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { Ago } from "../components/when";

type Experiment = Schemas["ExperimentView"];

const COLUMNS: Column<Experiment>[] = [
  { name: "Experiment", cell: (one) => <Anchor component={Link} to={`/runs?experiment=${encodeURIComponent(one.name)}`} fz="sm">{one.name}</Anchor>, by: (one) => one.name },
  { name: "Runs", cell: (one) => one.runs, isNumber: true, by: (one) => one.runs },
  { name: "Failed", cell: (one) => one.failed, isNumber: true, by: (one) => one.failed },
  { name: "Metrics of the newest", cell: (one) => <Text size="xs" c="dimmed">{Object.entries(one.metrics).map(([name, value]) => `${name} ${number(value)}`).join("  ") || "–"}</Text> },
  { name: "Newest", cell: (one) => <Anchor component={Link} to={`/runs/${one.newest_run_id}`} fz="sm"><Ago at={one.newest_at} /></Anchor>, isNumber: true, by: (one) => one.newest_at },
];

export default function Experiments() {
  const experiments = useQuery({ queryKey: ["runs", "experiments"], queryFn: () => told(api.GET("/api/v1/experiments")) });
  return (
    <Page title="Experiments">
      <Asked of={experiments}>
        {(items) => <Rows columns={COLUMNS} rows={items} keyOf={(one) => one.name} words={(one) => one.name} empty={<Empty command="tidemill run pipeline.ipynb">No experiment yet.</Empty>} />}
      </Asked>
    </Page>
  );
}
