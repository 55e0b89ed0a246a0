/** One run: its live graph, level by level, and what each step did. */
import { Anchor, Breadcrumbs, Button, Group, SegmentedControl, SimpleGrid, Text } from "@mantine/core";
import { IconExternalLink } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "react-router";

import { type Schemas, api, told } from "../api/client";
import { isMoving, useMetrics, useMlflow, useRun } from "../api/queries";
import { Artifacts } from "../components/artifact";
import { Graph, type GraphNode } from "../components/graph";
import { LogText } from "../components/log";
import { number } from "../components/number";
import { Asked, Facts, Page, Part, Problem, Values } from "../components/page";
import { useAddress } from "../components/rows";
import { State } from "../components/state";
import { Ago, between, seconds, useNow } from "../components/when";

type Run = Schemas["RunView"];
type Task = Schemas["TaskView"];
type Level = Schemas["LevelView"];

export default function RunPage() {
  const { id = "" } = useParams();
  const run = useRun(id);
  return <Asked of={run}>{(told) => <Shown run={told} />}</Asked>;
}

function Shown({ run }: { run: Run }) {
  const [address, change] = useAddress();
  const inside = address.get("inside");
  const level = useQuery({
    queryKey: ["runs", run.id, "graph", inside],
    queryFn: () => told(api.GET("/api/v1/runs/{run_id}/graph", { params: { path: { run_id: run.id }, query: inside ? { inside } : {} } })),
  });
  const chosen = address.get("task");
  return (
    <Page title={run.name} crumbs={[["Runs", "/runs"]]} beside={<State state={run.state} />} actions={<Actions run={run} />}>
      {run.failure && <Failure failure={run.failure} />}
      {run.notices.length > 0 && <Text size="xs" c="dimmed" style={{ whiteSpace: "pre-wrap" }}>{run.notices.join("\n")}</Text>}
      <Asked of={level}>
        {(told) => (
          <>
            <Way run={run} way={told.way} onGo={(task) => change("inside", task)} />
            <Graph nodes={told.nodes.map(drawn)} edges={edgesOf(told)} selected={chosen} onSelect={(task) => change("task", task)} />
            <TaskPart run={run} task={taskOf(told, chosen)} onInside={(task) => change("inside", task)} />
          </>
        )}
      </Asked>
      <RunParts run={run} />
    </Page>
  );
}

const keyOf = (node: Schemas["NodeView"]) => node.task?.id ?? node.name;

function drawn(node: Schemas["NodeView"]): GraphNode {
  const inside = Object.values(node.inside).reduce((sum, count) => sum + count, 0);
  const done = node.inside["SUCCEEDED"] ?? 0;
  const note = inside > 0 ? `${done} of ${inside}` : node.task?.cached ? "cached" : node.task?.seconds == null ? "" : seconds(node.task.seconds);
  return { id: keyOf(node), name: node.display_name, state: node.task?.cached ? "cached" : node.state, note };
}

function edgesOf(level: Level) {
  const keys = new Map(level.nodes.map((node) => [node.name, keyOf(node)]));
  return level.edges.map(({ source, target }) => ({ from: keys.get(source) ?? source, to: keys.get(target) ?? target }));
}

/** The step that is looked at: the chosen one, else the first that failed, else the last that moves. */
export function taskOf(level: Level, chosen: string | null): Task | null {
  const tasks = level.nodes.flatMap((node) => (node.task ? [node.task] : []));
  return tasks.find((task) => task.id === chosen) ?? tasks.find((task) => task.state === "FAILED") ?? tasks.findLast((task) => task.state === "RUNNING") ?? tasks[0] ?? null;
}

function Way({ run, way, onGo }: { run: Run; way: Task[]; onGo: (task: string | null) => void }) {
  if (way.length === 0) return null;
  return (
    <Breadcrumbs fz="sm">
      <Anchor component="button" fz="sm" onClick={() => onGo(null)}>{run.pipeline_name}</Anchor>
      {way.map((task) => <Anchor key={task.id} component="button" fz="sm" onClick={() => onGo(task.id)}>{task.iteration === null ? task.display_name : `${task.display_name}[${task.iteration}]`}</Anchor>)}
    </Breadcrumbs>
  );
}

function RunParts({ run }: { run: Run }) {
  const now = useNow();
  const origin = run.origin as Record<string, unknown>;
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <Part title="Run">
        <Facts
          of={[
            ["pipeline", run.pipeline_name], ["experiment", run.experiment], ["by", run.author],
            ["started", <Ago at={run.started_at ?? run.created_at} />], ["took", between(run.started_at, run.finished_at, now)],
            ["source", origin["source"] ? String(origin["source"]) : null],
            ["commit", origin["commit"] ? <span className="mono">{String(origin["commit"]).slice(0, 12)}</span> : null],
            ["spec", <span className="mono">{run.spec_digest.slice(0, 19)}</span>], ["id", <span className="mono">{run.id}</span>],
          ]}
        />
      </Part>
      <Part title="Metrics"><Metrics run={run} /></Part>
      <Part title="Parameters"><Values of={run.parameters} /></Part>
      <Part title="Outputs"><Values of={withoutEmpty(run.outputs)} /></Part>
    </SimpleGrid>
  );
}

const withoutEmpty = (values: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => !(typeof value === "object" && value !== null && Object.keys(value).length === 0)));

function Actions({ run }: { run: Run }) {
  const queries = useQueryClient();
  const path = { params: { path: { run_id: run.id } } };
  const change = useMutation({
    mutationFn: (verb: "cancel" | "resume") => told(verb === "cancel" ? api.POST("/api/v1/runs/{run_id}/cancel", path) : api.POST("/api/v1/runs/{run_id}/resume", path)),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["runs"] }),
  });
  const hasMlflow = useMlflow();
  return (
    <>
      {hasMlflow && <Button variant="default" component={Link} to={`/runs/${run.id}/mlflow`} leftSection={<IconExternalLink size={14} />}>In MLflow</Button>}
      {change.isError && <Text size="xs" c="red" role="alert">{change.error.message}</Text>}
      {isMoving(run.state) && <Button variant="default" color="red" loading={change.isPending} onClick={() => change.mutate("cancel")}>Cancel</Button>}
      {["FAILED", "CANCELED", "PAUSED"].includes(run.state) && <Button loading={change.isPending} onClick={() => change.mutate("resume")}>Resume</Button>}
    </>
  );
}

function TaskPart({ run, task, onInside }: { run: Run; task: Task | null; onInside: (task: string) => void }) {
  const [address, change] = useAddress();
  if (!task) return null;
  const view = address.get("view") ?? "log";
  const hasInside = task.kind !== "container" && task.kind !== "importer";
  return (
    <Part
      title={task.display_name}
      beside={
        <SegmentedControl
          size="xs" value={view} onChange={(value) => change("view", value)}
          data={[{ label: "Log", value: "log" }, { label: "Artifacts", value: "artifacts" }, { label: "Values", value: "values" }]}
        />
      }
    >
      <Group mb="xs" gap="md">
        <State state={task.state} cached={task.cached} />
        <Text size="sm" c="dimmed">{seconds(task.seconds)} · {task.attempts} {task.attempts === 1 ? "attempt" : "attempts"}</Text>
        {hasInside && <Button variant="default" onClick={() => onInside(task.id)}>Look inside</Button>}
      </Group>
      {task.failure && task.failure.message !== run.failure?.message && <Failure failure={task.failure} />}
      {task.failure?.traceback && <pre className="log mono" tabIndex={0}>{task.failure.traceback}</pre>}
      {view === "log" && (task.attempts > 0 ? <LogText run={run.id} task={task.path} isMoving={isMoving(task.state)} /> : <Text size="sm" c="dimmed">{task.cached ? "It did not run: its outputs come from the cache." : "It has not run."}</Text>)}
      {view === "artifacts" && <Artifacts of={task.output_artifacts} />}
      {view === "values" && <Values of={{ ...task.parameters, ...task.output_parameters }} />}
    </Part>
  );
}

function Failure({ failure }: { failure: Schemas["FailureView"] }) {
  const place = [failure.task, failure.notebook, failure.cell && `cell ${failure.cell}`, failure.line && `line ${failure.line}`].filter(Boolean).join(", ");
  return <Problem title={place || "It failed"} problem={new Error([failure.message, failure.remedy && `Do: ${failure.remedy}`].filter(Boolean).join("\n"))} />;
}

function Metrics({ run }: { run: Run }) {
  const metrics = useMetrics(run.id);
  return (
    <Asked of={metrics}>
      {(all) =>
        all.length === 0 ? (
          <Text size="sm" c="dimmed">none</Text>
        ) : (
          <Facts of={all.map((one) => [one.name, <><span className="mono">{number(one.value)}</span> <Text span size="xs" c="dimmed">{one.task}{one.provisional ? ", provisional" : ""}</Text></>])} />
        )
      }
    </Asked>
  );
}
