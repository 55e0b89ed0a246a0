/** All services at a glance: what drifts, what is wrong, how right they are. */
import { Anchor, Text } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { Link } from "react-router";

import { type Schemas, api, told } from "../api/client";
import { useAlerts, useServices } from "../api/queries";
import { isOpen } from "../components/alerts";
import { number } from "../components/number";
import { Asked, Empty, Page } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { State } from "../components/state";
import { findingName, inTime } from "../components/watched";
import { Ago } from "../components/when";

type Watched = { name: string; told: Schemas["MonitoringView"] | undefined; alerts: Schemas["AlertView"][] };

const newest = (one: Watched) => inTime(one.told?.windows ?? []).at(-1);
/** The newest window that could be judged: one with few rows says nothing. */
const judged = (one: Watched) => inTime(one.told?.windows ?? []).findLast((window) => !window.note) ?? newest(one);
const findings = (one: Watched) => judged(one)?.findings.filter((found) => found.breached) ?? [];
const withError = (one: Watched) => inTime(one.told?.windows ?? []).findLast((window) => window.performance)?.performance;
const stateOf = (one: Watched) => (one.alerts.length > 0 ? "raised" : !newest(one) ? "idle" : findings(one).length > 0 ? "warned" : "passed");

const COLUMNS: Column<Watched>[] = [
  { name: "Service", cell: (one) => <Anchor component={Link} to={`/monitoring/${one.name}`} fz="sm">{one.name}</Anchor>, by: (one) => one.name },
  { name: "State", cell: (one) => <State state={stateOf(one)} />, by: stateOf },
  { name: "Alerts", cell: (one) => one.alerts.length, isNumber: true, by: (one) => one.alerts.length },
  {
    name: "Found", cell: (one) => (
      <Text size="xs" miw={160}>{findings(one).map((found) => `${findingName(found)} ${number(found.value, 3)}`).join(", ") || <span className="muted">{newest(one) ? newest(one)?.note || "nothing" : "no window yet"}</span>}</Text>
    ),
  },
  { name: "Rows", cell: (one) => number(newest(one)?.rows), isNumber: true, by: (one) => newest(one)?.rows ?? null },
  {
    name: "Error", isNumber: true, by: (one) => { const found = withError(one); return found ? (found.metrics[found.metric] ?? null) : null; },
    cell: (one) => { const found = withError(one); return found ? `${found.metric} ${number(found.metrics[found.metric], 4)}` : "–"; },
  },
  { name: "Newest window", cell: (one) => <Ago at={newest(one)?.end} />, isNumber: true, by: (one) => newest(one)?.end ?? null },
];

export default function Monitoring() {
  const services = useServices();
  const alerts = useAlerts();
  const names = services.data?.items.map((one) => one.name) ?? [];
  const answers = useQueries({
    queries: names.map((name) => ({
      queryKey: ["monitoring", name, "newest"],
      queryFn: () => told(api.GET("/api/v1/services/{name}/monitoring", { params: { path: { name }, query: { page_size: 10 } } })),
    })),
  });
  return (
    <Page title="Monitoring">
      <Asked of={services}>
        {() => <Rows columns={COLUMNS} rows={names.map((name, index) => ({ name, told: answers[index]?.data, alerts: alerts.data?.items.filter((one) => one.service === name && isOpen(one)) ?? [] }))} keyOf={(one) => one.name} words={(one) => one.name} empty={<Empty command="tidemill deploy">No service yet.</Empty>} />}
      </Asked>
    </Page>
  );
}
