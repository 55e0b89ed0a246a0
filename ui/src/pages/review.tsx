/** One review: what was checked, what changed, and the decision. Made so that a flaw shows on the first screen of a phone. */
import { Alert, Anchor, Button, Group, Modal, SimpleGrid, Stack, Table, Text, Textarea } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "react-router";

import { type Schemas, api, told } from "../api/client";
import { usePointers, useReview } from "../api/queries";
import { number } from "../components/number";
import { Asked, Empty, Facts, Page, Part, Problem, Values } from "../components/page";
import { reviewTitle } from "../components/names";
import { State } from "../components/state";
import { Ago } from "../components/when";

type Review = Schemas["ReviewView"];

export default function ReviewPage() {
  const { id = "" } = useParams();
  const review = useReview(id);
  return <Asked of={review}>{(told) => <Shown review={told} />}</Asked>;
}

function Shown({ review }: { review: Review }) {
  const bad = review.checks.filter((check) => !["passed", "running", "pending"].includes(check.state));
  const checks = [...review.checks].sort((one, other) => Number(one.state === "passed") - Number(other.state === "passed"));
  return (
    <Page title={reviewTitle(review)} crumbs={[["Reviews", "/reviews"]]} beside={<State state={review.state} />}>
      {bad.map((check) => (
        <Alert key={check.name} color={check.state === "failed" ? "red" : "orange"} title={check.name} role="alert">{check.summary}</Alert>
      ))}
      {review.state === "approved" && <Decided review={review} />}
      {review.state === "open" && review.automatic?.passed === false && (
        <Alert color="blue" title="People decide on this one">{review.automatic.reasons.join("; ")}</Alert>
      )}
      <Decision review={review} />
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Part title="Checks" beside={<State state={review.checks_state} />}>
          <Stack gap="sm">
            {checks.map((check) => (
              <div key={check.name}>
                <Group gap="xs"><State state={check.state} /><Text fw={600} size="sm">{check.name}</Text></Group>
                <Text size="sm" c="dimmed">{check.summary}</Text>
                <details><summary className="muted">evidence</summary><Values of={check.evidence} /></details>
              </div>
            ))}
          </Stack>
        </Part>
        <Changes review={review} />
        <Part title="Approvals" beside={<Text size="sm" c="dimmed">{review.automatic?.passed ? "none was asked for" : `${review.approvals.length} of ${review.approvals_needed}`}</Text>}>
          {review.approvals.length === 0 ? <Empty>{review.automatic?.passed ? "It passed without a person." : "Nobody has approved."}</Empty> : <Facts of={review.approvals.map((one) => [one.approver, <Ago at={one.created_at} />])} />}
          {review.reason && <Text size="sm" mt="xs">Rejected by {review.closed_by}: {review.reason}</Text>}
        </Part>
        {review.pipeline && <CodeChanges review={review} />}
        {review.pipeline && <PipelineVersion version={review.pipeline} />}
        <Part title="What is decided">
          <Facts
            of={[
              ["package", <span className="mono">{review.package_digest}</span>], ["policy", <span className="mono">{review.policy_digest.slice(0, 16)}</span>],
              ["environment", review.environment], ["opened", <>{review.opened_by}, <Ago at={review.opened_at} /></>],
              ["evidence", <Anchor href={`/api/v1/reviews/${review.id}/evidence`} fz="sm">download the pack</Anchor>],
            ]}
          />
        </Part>
      </SimpleGrid>
    </Page>
  );
}

/** Who let it pass, as the signatures prove it now: the first thing that somebody asks about what is live. */
function Decided({ review }: { review: Review }) {
  const decision = useQuery({
    queryKey: ["reviews", review.id, "decision"],
    queryFn: () => told(api.GET("/api/v1/reviews/{review_id}/decision", { params: { path: { review_id: review.id } } })),
  });
  return (
    <Asked of={decision}>
      {({ problem, behind, people, at, policy_digest }) => {
        if (problem !== null) return <Alert color="red" title="Who decided does not prove" role="alert"><Text size="sm" style={{ overflowWrap: "anywhere" }}>{problem}</Text></Alert>;
        if (behind === null) return <Alert color="gray" title={`Approved by ${people.join(", ") || "nobody: the policy asks for no one"}`}>{at && <Ago at={at} />}</Alert>;
        return (
          <Alert color="blue" title="Passed automatically: nobody looked at this version">
            <Stack gap={4}>
              <Text size="sm">
                All its checks passed, and its code is the pipeline version of {behind.project} that <b>{behind.approved_by.join(", ") || "nobody"}</b> approved{" "}
                <Ago at={behind.approved_at} />, <Anchor component={Link} to={`/reviews/${behind.review_id}`} fz="sm" underline="always">in the review of {behind.version_label}</Anchor>,{" "}
                as <Anchor component={Link} to={`/runs/${behind.run_id}`} fz="sm" underline="always">run {behind.run_id.slice(-12)}</Anchor> had it.
              </Text>
              <Text size="sm" c="dimmed">Decided {at && <Ago at={at} />}, under the policy <span className="mono">{policy_digest.slice(7, 19)}</span>.</Text>
            </Stack>
          </Alert>
        );
      }}
    </Asked>
  );
}

/** What the site tells of the code: pairs are (approved, asked for). */
type CodeDifference = {
  against: { review_id: string; approved_by: string[] } | null;
  same: boolean;
  steps: { step: string; change: string; lines: string[]; more_lines: number }[];
  parameters: Record<string, [unknown, unknown]>;
  locks: Record<string, [unknown, unknown]>;
};

function CodeChanges({ review }: { review: Review }) {
  const difference = useQuery({
    queryKey: ["reviews", review.id, "code"],
    queryFn: () => told(api.GET("/api/v1/reviews/{review_id}/pipeline-difference", { params: { path: { review_id: review.id } } })) as unknown as Promise<CodeDifference>,
  });
  return (
    <Part title="What changed in the code">
      <Asked of={difference}>
        {(found) => (
          <Stack gap="xs">
            {found.against === null && <Text size="sm" c="dimmed">No pipeline version is approved here yet: all of it is new.</Text>}
            {found.same && <Text size="sm">Nothing: it is the version that {found.against?.approved_by.join(", ")} approved.</Text>}
            {Object.entries({ ...found.parameters, ...found.locks }).map(([name, [before, after]]) => (
              <Text key={name} size="sm">{name}: <span className="mono">{shown(before)}</span> → <span className="mono">{shown(after)}</span></Text>
            ))}
            {found.steps.map((step) => (
              <details key={step.step} open={found.against !== null}>
                <summary>{step.step} <span className="muted">{step.change}</span></summary>
                <pre className="log mono" tabIndex={0}>{step.lines.map((line, index) => <span key={index} className={line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "muted"}>{line}{"\n"}</span>)}</pre>
                {step.more_lines > 0 && <Alert color="orange" title="Not all is shown">{step.more_lines} more lines of this step differ.</Alert>}
              </details>
            ))}
          </Stack>
        )}
      </Asked>
    </Part>
  );
}

/** The code that is let in with the decision: what runs by itself afterwards, on newer data. */
function PipelineVersion({ version }: { version: Schemas["PipelineVersionView"] }) {
  return (
    <Part title="Pipeline version">
      <Facts
        of={[
          ["project", version.project], ["author", version.author], ["run", <Anchor component={Link} to={`/runs/${version.run_id}`} fz="sm">{version.run_id.slice(-12)}</Anchor>],
          ["spec", <span className="mono">{version.spec_digest.slice(0, 23)}</span>], ["reads", version.data.join(", ") || null], ["parameters", <Values of={version.parameters} />],
        ]}
      />
    </Part>
  );
}

function Decision({ review }: { review: Review }) {
  const queries = useQueryClient();
  const [asked, { open, close }] = useDisclosure();
  const [reason, setReason] = useState("");
  const refresh = () => queries.invalidateQueries({ queryKey: ["reviews"] });
  const path = { params: { path: { review_id: review.id } } };
  const approve = useMutation({
    // the digest that this page showed: what was exchanged meanwhile is refused
    mutationFn: () => told(api.POST("/api/v1/reviews/{review_id}/approve", { ...path, body: { package_digest: review.package_digest } })),
    onSuccess: refresh,
  });
  const reject = useMutation({
    mutationFn: () => told(api.POST("/api/v1/reviews/{review_id}/reject", { ...path, body: { reason } })),
    onSuccess: () => { close(); return refresh(); },
  });
  if (review.state !== "open") return null;
  return (
    <>
      {approve.isError && <Problem problem={approve.error} />}
      <Group>
        <Button size="md" loading={approve.isPending} disabled={review.checks_state !== "passed"} onClick={() => approve.mutate()}>Approve</Button>
        <Button size="md" variant="default" onClick={open}>Reject</Button>
        {review.checks_state !== "passed" && <Text size="sm" c="dimmed">It can be approved when its checks have passed.</Text>}
      </Group>
      <Modal opened={asked} onClose={close} title="Reject, and say why">
        <Textarea data-autofocus label="Reason" minRows={3} autosize value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
        {reject.isError && <Problem problem={reject.error} />}
        <Group mt="md"><Button color="red" loading={reject.isPending} disabled={!reason.trim()} onClick={() => reject.mutate()}>Reject</Button></Group>
      </Modal>
    </>
  );
}

function Changes({ review }: { review: Review }) {
  const pointers = usePointers();
  const live = pointers.data?.items.find((one) => one.service === review.service && one.environment === review.environment);
  const difference = useQuery({
    queryKey: ["models", "difference", live?.model_version_id, review.model_version_id],
    enabled: live !== undefined && review.model_version_id !== null && live.model_version_id !== review.model_version_id,
    queryFn: () => told(api.GET("/api/v1/model-differences", { params: { query: { old: live!.model_version_id, new: review.model_version_id! } } })),
  });
  if (review.model_version_id === null) return null;
  if (pointers.data && !live) return <Part title="What changed"><Empty>Nothing is live yet: this would be the first.</Empty></Part>;
  if (live?.model_version_id === review.model_version_id) return <Part title="What changed"><Empty>This version is the one that is live.</Empty></Part>;
  return (
    <Part title="What changed against what is live">
      <Asked of={difference}>
        {(found) => (
          <div className="wide" tabIndex={0}><Table>
            <Table.Thead><Table.Tr><Table.Th /><Table.Th>live</Table.Th><Table.Th>{review.model_version}</Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>
              {rowsOf(found as Schemas["DifferenceView"]).map(([name, before, after]) => (
                <Table.Tr key={name}>
                  <Table.Td>{name}</Table.Td>
                  <Table.Td className="mono">{before}</Table.Td>
                  <Table.Td className="mono">{after}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table></div>
        )}
      </Asked>
    </Part>
  );
}

const shown = (value: unknown) => (typeof value === "string" ? value.replace(/^(sha256|md5):/, "").slice(0, 12) : typeof value === "object" && value !== null ? JSON.stringify(value) : number(value));

export function rowsOf(found: Schemas["DifferenceView"]): [string, string, string][] {
  const pairs: [string, readonly unknown[]][] = [
    ...Object.entries(found.metrics), ...Object.entries(found.parameters), ...Object.entries(found.data_versions),
    ...(["code_commit", "lock_digest", "spec_digest"] as const).flatMap((name): [string, readonly unknown[]][] => (found[name] ? [[name.replace("_", " "), found[name]]] : [])),
  ];
  return pairs.map(([name, [before, after]]) => [name, shown(before), shown(after)]);
}
