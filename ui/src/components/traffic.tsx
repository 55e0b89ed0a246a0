/** Who answers a service: the share of each revision, the gateway's figures, and the steps of a rollout. */
import { Button, Group, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { type Schemas, api, told } from "../api/client";
import { useTraffic } from "../api/queries";
import { number, percent } from "./number";
import { Asked, Empty, Problem } from "./page";
import { State } from "./state";

type Rollout = Schemas["RolloutView"];
type Verb = "promote" | "to_all" | "pause" | "resume";

export function Traffic({ service }: { service: string }) {
  const traffic = useTraffic(service);
  return (
    <Asked of={traffic}>
      {({ arms, rollout }) =>
        arms.length === 0 ? (
          <Empty>Nothing answers.</Empty>
        ) : (
          <Stack gap="sm">
            <Shares arms={arms} />
            {rollout && <Steps service={service} rollout={rollout} />}
            <Figures arms={arms} />
          </Stack>
        )
      }
    </Asked>
  );
}

/** How the traffic is split, as a bar and in words. */
function Shares({ arms }: { arms: Schemas["ArmView"][] }) {
  return (
    <div>
      <div className="shares" aria-hidden>{arms.map((arm) => <span key={arm.revision_id} style={{ flexGrow: arm.percent }} />)}</div>
      <Group justify="space-between" mt={4}>{arms.map((arm) => <Text key={arm.revision_id} size="sm" fw={600}>{arm.model_label} {arm.percent} %</Text>)}</Group>
    </div>
  );
}

function Steps({ service, rollout }: { service: string; rollout: Rollout }) {
  const queries = useQueryClient();
  const path = { params: { path: { name: service } } };
  const change = useMutation({
    mutationFn: async (verb: Verb): Promise<void> => {
      if (verb === "pause") await told(api.POST("/api/v1/services/{name}/pause", path));
      else if (verb === "resume") await told(api.POST("/api/v1/services/{name}/resume", path));
      else await told(api.POST("/api/v1/services/{name}/promote", { ...path, body: verb === "to_all" ? { to: 100 } : {} }));
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ["services"] }),
  });
  const steps = (rollout.plan["steps"] as number[] | undefined) ?? [];
  return (
    <div>
      <Group gap="xs">
        <State state={rollout.paused ? "paused" : rollout.state} />
        <Text size="sm">{steps.map((step) => (step === rollout.percent ? `[${step} %]` : `${step} %`)).join(" → ")}</Text>
        <Text size="xs" c="dimmed">{rollout.reason}</Text>
      </Group>
      {rollout.active && (
        <Group gap="xs" mt="xs">
          <Button loading={change.isPending} onClick={() => change.mutate("promote")}>Next step</Button>
          <Button variant="default" loading={change.isPending} onClick={() => change.mutate("to_all")}>All traffic now</Button>
          <Button variant="default" loading={change.isPending} onClick={() => change.mutate(rollout.paused ? "resume" : "pause")}>{rollout.paused ? "Go on" : "Hold"}</Button>
        </Group>
      )}
      {change.isError && <Problem problem={change.error} />}
    </div>
  );
}

function Figures({ arms }: { arms: Schemas["ArmView"][] }) {
  const ms = (value: number | null) => (value === null ? "–" : `${number(value, 3)} ms`);
  return (
    <div className="wide" tabIndex={0}>
      <Table>
        <Table.Thead><Table.Tr><Table.Th>Version</Table.Th><Table.Th ta="right">Share</Table.Th><Table.Th ta="right">Requests</Table.Th><Table.Th ta="right">Failed</Table.Th><Table.Th ta="right">p50</Table.Th><Table.Th ta="right">p95</Table.Th><Table.Th ta="right">p99</Table.Th></Table.Tr></Table.Thead>
        <Table.Tbody>
          {arms.map(({ revision_id, revision, model_label, percent: share, figures }) => (
            <Table.Tr key={revision_id}>
              <Table.Td>{model_label} <Text span size="xs" c="dimmed">revision {revision}</Text></Table.Td>
              <Table.Td ta="right">{share} %</Table.Td><Table.Td ta="right">{figures.requests}</Table.Td>
              <Table.Td ta="right" {...(figures.failed > 0 ? { c: "red", fw: 600 } : {})}>{figures.failed}{figures.failed > 0 && ` (${percent(figures.error_rate)})`}</Table.Td>
              <Table.Td ta="right" data-number>{ms(figures.p50_ms)}</Table.Td><Table.Td ta="right" data-number>{ms(figures.p95_ms)}</Table.Td><Table.Td ta="right" data-number>{ms(figures.p99_ms)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
