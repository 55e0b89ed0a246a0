/** One prediction, and the way back to the data, the code and the person behind it. */
import { Alert, Anchor, SimpleGrid, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link, useParams } from "react-router";

import { api, told } from "../api/client";
import { number } from "../components/number";
import { Asked, Facts, Page, Part, Values } from "../components/page";
import { Ago } from "../components/when";

/** What `lineage` tells; the site proves it before it says it. */
type Lineage = {
  service: string;
  revision: string;
  review: { id: string; environment: string; state: string; problem: string | null; approvals: { approver: string; at: string }[]; approvers: string[]; automatic_in_words: string | null; closed_at: string | null } | null;
  model_version: { id: string; label: string; package_digest: string; author: string; created_at: string };
  run: { id: string; author: string; parameters: Record<string, unknown>; pipeline: string; source: string | null; started_at: string | null };
  metrics: Record<string, number>;
  data_versions: Record<string, string>;
  code_commit: string | null;
  lock_digest: string | null;
};

export default function PredictionPage() {
  const { id = "" } = useParams();
  const path = { params: { path: { prediction_id: id } } };
  const prediction = useQuery({ queryKey: ["predictions", id], queryFn: () => told(api.GET("/api/v1/predictions/{prediction_id}", path)) });
  const lineage = useQuery({ queryKey: ["predictions", id, "lineage"], queryFn: () => told(api.GET("/api/v1/predictions/{prediction_id}/lineage", path)) });
  return (
    <Page title={`Prediction ${id.slice(-12)}`} crumbs={[["Services", "/services"], ...(prediction.data ? [[prediction.data.service, `/services/${prediction.data.service}`] as [string, string]] : [])]}>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Part title="Asked and answered">
          <Asked of={prediction}>
            {(one) => (
              <>
                <DataRows inputs={one.inputs} outputs={one.outputs} />
                {one.error && <Alert color="red" title="It failed" mt="xs">{one.error}</Alert>}
                <Facts of={[["status", one.status], ["took", `${number(one.latency_us / 1000, 3)} ms`], ["when", <Ago at={one.time} />], ["revision", one.revision], ["id", <span className="mono">{one.id}</span>]]} />
              </>
            )}
          </Asked>
        </Part>
        <Part title="Who approved it">
          <Asked of={lineage}>{(found) => <Approver lineage={found as unknown as Lineage} />}</Asked>
        </Part>
        <Part title="Where it comes from">
          <Asked of={lineage}>{(found) => <Origin lineage={found as unknown as Lineage} />}</Asked>
        </Part>
        <Part title="Parameters of the run">
          <Asked of={lineage}>{(found) => <Values of={(found as unknown as Lineage).run.parameters} />}</Asked>
        </Part>
      </SimpleGrid>
    </Page>
  );
}

/** The rows that were asked about, each with its answer. */
function DataRows({ inputs, outputs }: { inputs: unknown; outputs: unknown }) {
  const rows = Array.isArray(inputs) ? inputs : [];
  const answers = Array.isArray(outputs) ? outputs : [];
  const isNamed = rows.every((row) => typeof row === "object" && row !== null && !Array.isArray(row));
  if (rows.length === 0 || !isNamed) return <Values of={{ inputs: inputs ?? null, outputs: outputs ?? null }} />;
  const names = [...new Set(rows.flatMap((row) => Object.keys(row as object)))];
  return (
    <div className="wide" tabIndex={0}>
      <Table mb="sm">
        <Table.Thead><Table.Tr>{names.map((name) => <Table.Th key={name}>{name}</Table.Th>)}<Table.Th ta="right">answer</Table.Th></Table.Tr></Table.Thead>
        <Table.Tbody>
          {rows.slice(0, 20).map((row, index) => (
            <Table.Tr key={index}>
              {names.map((name) => <Table.Td key={name} className="mono">{number((row as Record<string, unknown>)[name])}</Table.Td>)}
              <Table.Td ta="right" className="mono" fw={600}>{[answers[index]].flat(3).map((value) => number(value)).join(", ")}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {rows.length > 20 && <Text size="xs" c="dimmed">and {rows.length - 20} more rows</Text>}
    </div>
  );
}

function Approver({ lineage }: { lineage: Lineage }) {
  const review = lineage.review;
  if (!review) return <Alert color="orange" title="No review">This version answers in an environment without a gate.</Alert>;
  return (
    <>
      {review.problem && <Alert color="red" title="Not proven" mb="xs" role="alert">{review.problem}</Alert>}
      <Facts
        of={[
          ...review.approvals.map((one): [string, ReactNode] => ["approved by", <><strong>{one.approver}</strong>, <Ago at={one.at} /></>]),
          ...(review.approvals.length === 0 && review.approvers.length > 0
            ? [["approved by", <><strong>{review.approvers.join(", ")}</strong>, who approved the code that made it; this version passed by itself, <Ago at={review.closed_at} /></>] as [string, ReactNode]]
            : []),
          ["review", <Anchor component={Link} to={`/reviews/${review.id}`} fz="sm">{review.state} for {review.environment}</Anchor>],
          ["package", <span className="mono">{lineage.model_version.package_digest}</span>],
        ]}
      />
    </>
  );
}

function Origin({ lineage }: { lineage: Lineage }) {
  const { model_version: version, run } = lineage;
  const model = version.label.split("@")[0] ?? "";
  return (
    <Facts
      of={[
        ["model version", <Anchor component={Link} to={`/models/${encodeURIComponent(model)}`} fz="sm">{version.label}</Anchor>],
        ["made by", <>{version.author}, <Ago at={version.created_at} /></>],
        ["run", <Anchor component={Link} to={`/runs/${run.id}`} fz="sm">{run.pipeline} {run.id.slice(-12)}</Anchor>],
        ...Object.entries(lineage.data_versions).map(([path, hash]): [string, ReactNode] => [`data ${path}`, <span className="mono">{hash}</span>]),
        ["commit", lineage.code_commit ? <span className="mono">{lineage.code_commit}</span> : null],
        ["lock", lineage.lock_digest ? <span className="mono">{lineage.lock_digest.slice(0, 23)}</span> : null],
        ["metrics", Object.entries(lineage.metrics).map(([name, value]) => `${name} ${number(value)}`).join("  ")],
      ]}
    />
  );
}
