/** What a step left, shown as what it is: reports in a sandbox, numbers as numbers, the rest to download. */
import { Anchor, Group, Stack, Text } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";

import { type Schemas, api, told } from "../api/client";
import { bytes, number } from "./number";
import { Preview } from "./preview";
import { Empty, Facts } from "./page";

type Artifact = Schemas["ArtifactView"];

const contentOf = (one: Artifact, query = "") => `/api/v1/artifacts/${one.id}/content${query}`;

export function Artifacts({ of }: { of: Record<string, string[]> }) {
  const ids = Object.values(of).flat();
  const found = useQueries({
    queries: ids.map((id) => ({
      queryKey: ["artifacts", id], staleTime: Infinity,
      queryFn: () => told(api.GET("/api/v1/artifacts/{artifact_id}", { params: { path: { artifact_id: id } } })),
    })),
  });
  if (ids.length === 0) return <Empty>This step left no artifact.</Empty>;
  return <Stack gap="md">{found.flatMap((one) => (one.data ? [<Shown key={one.data.id} artifact={one.data} />] : []))}</Stack>;
}

function Shown({ artifact }: { artifact: Artifact }) {
  const numbers = Object.entries(artifact.metadata).filter(([, value]) => typeof value === "number");
  const isMetrics = artifact.type.endsWith("Metrics");
  return (
    <div>
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm" fw={600}>{artifact.name} <Text span size="xs" c="dimmed">{artifact.type.replace("system.", "")}</Text></Text>
        <Group gap="sm" wrap="nowrap">
          <Text size="xs" c="dimmed">{bytes(artifact.size_bytes)}</Text>
          {artifact.kind === "file" && <Anchor href={contentOf(artifact)} fz="sm" download>download</Anchor>}
        </Group>
      </Group>
      {isMetrics && numbers.length > 0 && <Facts of={numbers.map(([name, value]) => [name, <span className="mono">{number(value)}</span>])} />}
      {artifact.type === "system.HTML" && <iframe className="report" sandbox="" title={artifact.name} src={contentOf(artifact, "?inline=true")} loading="lazy" />}
      {artifact.kind === "file" && artifact.type !== "system.HTML" && <Preview artifact={artifact} />}
      {artifact.digest && <Text size="xs" c="dimmed" className="mono">{artifact.digest.slice(0, 23)}</Text>}
    </div>
  );
}
