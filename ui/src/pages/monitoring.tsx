/** All services at a glance: what drifts, what is wrong, how right they are. */
import { Anchor, Group, Text } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { Link } from "react-router";

import { type Schemas, api, told } from "../api/client";
import { useServices } from "../api/queries";
import { number } from "../components/number";
import { Asked, Empty, Page } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { State } from "../components/state";
import { inTime } from "../components/watched";
import { Ago } from "../components/when";

type Watched = { name: string; told: Schemas["MonitoringView"] | undefined };

const newest = (one: Watched) => inTime(one.told?.windows ?? []).at(-1);
const findings = (one: Watched) => newest(one)?.findings.filter((found) => found.breached) ?? [];

const COLUMNS: Column<Watched>[] = [
  { name: "Service", cell: (one) => <Anchor component={Link} to={`/monitoring/${one.name}`} fz="sm">{one.name}</Anchor>, by: (one) => one.name },
  { name: "State", cell: (one) => <State state={!newest(one) ? "idle" : findings(one).length > 0 ? "warned" : "passed"} />, by: (one) => findings(one).length },
  {
    name: "Found", cell: (one) => (
      <Group gap="xs">{findings(one).map((found) => <Text key={found.name} size="xs">{found.kind} {found.feature} {number(found.value, 3)}</Text>)}{newest(one)?.note && <Text size="xs" c="dimmed">{newest(one)?.note}</Text>}</Group>
    ),
  },
  { name: "Rows", cell: (one) => number(newest(one)?.rows), isNumber: true, by: (one) => newest(one)?.rows ?? null },
  {
    name: "Error", isNumber: true, by: (one) => { const found = newest(one)?.performance; return found ? (found.metrics[found.metric] ?? null) : null; },
    cell: (one) => { const found = newest(one)?.performance; return found ? `${found.metric} ${number(found.metrics[found.metric], 4)}` : "–"; },
  },
  { name: "Newest window", cell: (one) => <Ago at={newest(one)?.end} />, isNumber: true, by: (one) => newest(one)?.end ?? null },
];

export default function Monitoring() {
  const services = useServices();
  const names = services.data?.items.map((one) => one.name) ?? [];
  const answers = useQueries({
    queries: names.map((name) => ({
      queryKey: ["monitoring", name, "newest"],
      queryFn: () => told(api.GET("/api/v1/services/{name}/monitoring", { params: { path: { name }, query: { page_size: 5 } } })),
    })),
  });
  return (
    <Page title="Monitoring">
      <Asked of={services}>
        {() => <Rows columns={COLUMNS} rows={names.map((name, index) => ({ name, told: answers[index]?.data }))} keyOf={(one) => one.name} words={(one) => one.name} empty={<Empty command="tidemill deploy">No service yet.</Empty>} />}
      </Asked>
    </Page>
  );
}
