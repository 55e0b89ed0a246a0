/** Alerts: what was found, its evidence, and that somebody has seen it. */
import { Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";

import { type Schemas, api, told } from "../api/client";
import { number } from "./number";
import { State } from "./state";
import { Ago } from "./when";

type Alert = Schemas["AlertView"];

export const isOpen = (alert: Alert) => alert.state.toLowerCase() === "raised";

export const alertState = (alert: Alert) => (alert.acknowledged_at && isOpen(alert) ? "acknowledged" : alert.state);

const WORDS: Record<string, string> = {
  "prediction-drift": "drift of the prediction", disk: "the disk is nearly full", memory: "the memory is nearly used up", clock: "the clock has jumped",
  restarts: "starts again and again", gone: "is not there", performance: "predictions are worse",
};

/** What is wrong with what, in one line. */
export function alertTitle(alert: Alert): string {
  const words = WORDS[alert.name] ?? alert.name.replaceAll("-", " ");
  if (alert.name === "restarts" || alert.name === "gone") return alert.service ? `${alert.service}: a predictor ${words}` : `${alert.feature} ${words}`;
  const isWhole = !alert.feature || alert.name in WORDS;
  return `${alert.service || "this site"}: ${words}${isWhole ? "" : ` of ${alert.feature}`}`;
}

/** By how much, and what was allowed. */
export function alertMeasure(alert: Alert): string {
  const [value, limit] = [number(alert.value, 3), number(alert.threshold, 3)];
  if (alert.name === "disk" || alert.name === "memory") return `${value} % used, the limit is ${limit} %`;
  if (alert.name === "restarts") return `${value} times in ten minutes, the limit is ${limit}`;
  if (alert.name === "clock") return `by ${value} s, the limit is ${limit} s`;
  if (alert.name === "gone") return "it is started again and does not stay";
  return `${value}, the limit is ${limit}`;
}

/** Where its evidence is. */
export const alertPath = (alert: Alert) =>
  alert.window_id ? `/monitoring/${alert.service}?${new URLSearchParams({ ...(alert.feature ? { feature: alert.feature } : {}), window: alert.window_id })}` : "/health";

export function Alerts({ of }: { of: Alert[] }) {
  return <Stack gap="sm">{of.map((alert) => <One key={alert.id} alert={alert} />)}</Stack>;
}

function One({ alert }: { alert: Alert }) {
  const queries = useQueryClient();
  const acknowledge = useMutation({
    mutationFn: () => told(api.POST("/api/v1/alerts/{alert_id}/acknowledge", { params: { path: { alert_id: alert.id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["alerts"] }),
  });
  return (
    <div>
      <Group justify="space-between" wrap="nowrap" align="start">
        <Anchor component={Link} to={alertPath(alert)} fz="sm" style={{ overflowWrap: "anywhere" }}>{alertTitle(alert)}</Anchor>
        <Group gap="xs" wrap="nowrap" style={{ flexShrink: 0 }}><State state={alertState(alert)} /><Text size="xs" c="dimmed"><Ago at={alert.raised_at ?? alert.created_at} /></Text></Group>
      </Group>
      <Group justify="space-between" wrap="nowrap">
        <Text size="xs" c="dimmed">{alertMeasure(alert)}{alert.message && `; ${alert.message}`}{alert.acknowledged_by && ` · seen by ${alert.acknowledged_by}`}</Text>
        {isOpen(alert) && !alert.acknowledged_at && <Button size="compact-xs" variant="default" style={{ flexShrink: 0 }} loading={acknowledge.isPending} onClick={() => acknowledge.mutate()}>Acknowledge</Button>}
      </Group>
      {acknowledge.isError && <Text size="xs" c="red" role="alert">{acknowledge.error.message}</Text>}
    </div>
  );
}
