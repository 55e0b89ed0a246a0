/** What needs me, how each service's loop stands, and whether the site is well. */
import { Anchor, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";

import type { Schemas } from "../api/client";
import { useAlerts, useFigures, useModels, usePointers, useProcesses, useReviews, useRuns, useServices } from "../api/queries";
import { alertMeasure, alertPath, alertState, alertTitle, isOpen } from "../components/alerts";
import { Loop } from "../components/loop";
import { reviewTitle } from "../components/names";
import { Asked, Empty, Page, Part } from "../components/page";
import { processName, processState } from "../components/site";
import { State } from "../components/state";
import { Ago } from "../components/when";
import { RunRows } from "../components/run-rows";

const DAY_MS = 86_400_000;

export default function Home() {
  return (
    <Page title="Home">
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Needs />
        <Processes />
      </SimpleGrid>
      <Loops />
      <Latest />
    </Page>
  );
}

function Needs() {
  const reviews = useReviews();
  const failed = useRuns({ state: "FAILED" }, 5);
  const services = useServices();
  const alerts = useAlerts();
  const needs: ReactNode[] = [
    ...(alerts.data?.items ?? []).filter(isOpen).map((one) => (
      <Need key={one.id} to={alertPath(one)} what={alertTitle(one)} state={alertState(one)} note={alertMeasure(one)} at={one.raised_at} />
    )),
    ...(reviews.data?.items ?? []).filter((one) => one.state === "open").map((one) => (
      <Need key={one.id} to={`/reviews/${one.id}`} what={`${reviewTitle(one)} waits for approval`} state={one.checks_state} at={one.opened_at} />
    )),
    ...(services.data?.items ?? []).filter((one) => one.degraded || !one.ready).map((one) => (
      <Need key={one.id} to={`/services/${one.name}`} what={`service ${one.name}`} state={one.degraded ? "degraded" : "not_ready"} note={one.message} at={one.updated_at} />
    )),
    ...(failed.data ?? []).filter((run) => Date.now() - Date.parse(run.created_at) < DAY_MS).map((run) => (
      <Need key={run.id} to={`/runs/${run.id}`} what={run.name} state="failed" note={run.failure?.message ?? ""} at={run.finished_at} />
    )),
  ];
  return (
    <Part title="Needs you">
      <Asked of={reviews}>{() => (needs.length === 0 ? <Empty>Nothing waits for you.</Empty> : <Stack gap="xs">{needs}</Stack>)}</Asked>
    </Part>
  );
}

type NeedProps = { to: string; what: string; state: string; note?: string; at: string | null };

function Need({ to, what, state, note = "", at }: NeedProps) {
  return (
    <div>
      <Group justify="space-between" wrap="nowrap" align="start">
        <Anchor component={Link} to={to} fz="sm" style={{ overflowWrap: "anywhere" }}>{what}</Anchor>
        <Group gap="xs" wrap="nowrap" style={{ flexShrink: 0 }}><State state={state} /><Text size="xs" c="dimmed"><Ago at={at} /></Text></Group>
      </Group>
      {note && <Text size="xs" c="dimmed" truncate title={note}>{note}</Text>}
    </div>
  );
}

function Processes() {
  const processes = useProcesses();
  const figures = useFigures();
  const services = figures.data?.services ?? [];
  return (
    <Part title="This site" beside={<Anchor component={Link} to="/health" fz="sm">health</Anchor>}>
      <Asked of={processes}>
        {(all) =>
          all.length === 0 ? (
            <Empty command="tidemill up">No supervisor runs.</Empty>
          ) : (
            <Group gap="xs">
              {all.map((one) => (
                <Group key={one.name} gap={4} wrap="nowrap" data-process={one.name} title={one.restarts ? `started again ${one.restarts} times` : ""}>
                  <Text size="xs">{processName(one.name, services)}</Text><State state={processState(one.state)} />
                </Group>
              ))}
            </Group>
          )
        }
      </Asked>
    </Part>
  );
}

function alertNote(alerts: Schemas["AlertView"][], service: string): string {
  const open = alerts.filter((one) => one.service === service && isOpen(one)).length;
  return open === 0 ? "no alert" : `${open} ${open === 1 ? "alert" : "alerts"}`;
}

/** One picture for each service: from its newest run to what answers. */
function Loops() {
  const services = useServices();
  const runs = useRuns({}, 100);
  const models = useModels();
  const pointers = usePointers();
  const reviews = useReviews();
  const alerts = useAlerts();
  return (
    <Part title="The loop">
      <Asked of={services}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty command="tidemill demo">No service yet: a notebook becomes one in a few commands.</Empty>
          ) : (
            <Stack gap="md">
              {items.map((service) => {
                const model = models.data?.items.find((one) => one.name === service.spec["model"]);
                const review = reviews.data?.items.find((one) => one.service === service.name);
                const pointer = pointers.data?.items.find((one) => one.service === service.name && one.environment === service.spec["environment"]);
                const run = runs.data?.find((one) => one.experiment === service.name || one.pipeline_name === service.spec["model"]);
                return (
                  <Loop
                    key={service.id} name={service.name}
                    stations={[
                      { name: "run", to: run ? `/runs/${run.id}` : "/runs", state: run?.state ?? "idle", note: run ? <Ago at={run.created_at} /> : "none" },
                      { name: "model", to: model ? `/models/${encodeURIComponent(model.name)}` : "/models", state: model ? "ready" : "idle", note: model ? `${model.versions} ${model.versions === 1 ? "version" : "versions"}` : "none" },
                      { name: "review", to: review ? `/reviews/${review.id}` : "/reviews", state: review?.state ?? "idle", note: review?.model_version ?? "none" },
                      { name: "live", to: `/services/${service.name}`, state: pointer ? "live" : "idle", note: pointer ? <Ago at={pointer.moved_at} /> : "nothing" },
                      { name: "service", to: `/services/${service.name}`, state: service.degraded ? "degraded" : service.ready ? "ready" : "not_ready", note: String(service.spec["environment"] ?? "") },
                      { name: "monitoring", to: `/monitoring/${service.name}`, state: alerts.data?.items.some((one) => one.service === service.name && isOpen(one)) ? "raised" : "passed", note: alertNote(alerts.data?.items ?? [], service.name) },
                    ]}
                  />
                );
              })}
            </Stack>
          )
        }
      </Asked>
    </Part>
  );
}

function Latest() {
  const runs = useRuns({}, 8);
  return (
    <Part title="Latest runs" beside={<Anchor component={Link} to="/runs" fz="sm">all</Anchor>}>
      <Asked of={runs}>{(items) => <RunRows runs={items.slice(0, 8)} withFilter={false} />}</Asked>
    </Part>
  );
}
