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
      <Group justify="space-between" wrap="nowrap">
        <Anchor component={Link} to={`/monitoring/${alert.service}?feature=${encodeURIComponent(alert.feature)}&window=${alert.window_id}`} fz="sm" truncate>
          {alert.service}: {alert.name}
        </Anchor>
        <Group gap="xs" wrap="nowrap"><State state={alert.acknowledged_at && isOpen(alert) ? "acknowledged" : alert.state} /><Text size="xs" c="dimmed"><Ago at={alert.raised_at ?? alert.created_at} /></Text></Group>
      </Group>
      <Group justify="space-between" wrap="nowrap">
        <Text size="xs" c="dimmed">{alert.message || `${number(alert.value, 3)}, the rule says ${number(alert.threshold, 3)}`}{alert.acknowledged_by && ` · seen by ${alert.acknowledged_by}`}</Text>
        {isOpen(alert) && !alert.acknowledged_at && <Button size="compact-xs" variant="default" loading={acknowledge.isPending} onClick={() => acknowledge.mutate()}>Acknowledge</Button>}
      </Group>
      {acknowledge.isError && <Text size="xs" c="red" role="alert">{acknowledge.error.message}</Text>}
    </div>
  );
}
