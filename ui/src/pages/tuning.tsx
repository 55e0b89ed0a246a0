/** One search: how it went, and its trials. */
import { Anchor, Button, SimpleGrid } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link, useParams } from "react-router";

import { type Schemas, api, told } from "../api/client";
import { isMoving, useTuning } from "../api/queries";
import { Chart } from "../components/chart";
import { Asked, Empty, Facts, Page, Part, Values } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { State } from "../components/state";
import { between, useNow } from "../components/when";
import { brief } from "../components/run-rows";

type Tuning = Schemas["TuningView"];
type Trial = Schemas["TrialView"];

export default function TuningPage() {
  const { id = "" } = useParams();
  const tuning = useTuning(id);
  return <Asked of={tuning}>{(told) => <Shown tuning={told} />}</Asked>;
}

function Shown({ tuning }: { tuning: Tuning }) {
  const queries = useQueryClient();
  const now = useNow();
  const stop = useMutation({
    mutationFn: () => told(api.POST("/api/v1/tunings/{tuning_id}/cancel", { params: { path: { tuning_id: tuning.id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["tunings"] }),
  });
  const columns: Column<Trial>[] = [
    { name: "Trial", cell: (trial) => (trial.run_id ? <Anchor component={Link} to={`/runs/${trial.run_id}`} fz="sm">{trial.number}</Anchor> : trial.number), by: (trial) => trial.number },
    { name: "State", cell: (trial) => <State state={trial.state} />, by: (trial) => trial.state },
    { name: tuning.objective.split(".").at(-1) ?? tuning.objective, cell: (trial) => trial.value?.toPrecision(6) ?? "–", isNumber: true, by: (trial) => trial.value },
    { name: "Parameters", cell: (trial) => <span className="mono">{brief(trial.parameters)}</span> },
    { name: "Took", cell: (trial) => between(trial.started_at, trial.finished_at, now), isNumber: true },
  ];
  return (
    <Page
      title={tuning.name} crumbs={[["Tuning", "/tunings"]]} beside={<State state={tuning.state} />}
      actions={isMoving(tuning.state) && <Button variant="default" color="red" loading={stop.isPending} onClick={() => stop.mutate()}>Stop</Button>}
    >
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Part title="Best">
          {tuning.best ? (
            <Facts of={[[tuning.objective, tuning.best.value?.toPrecision(6)], ["trial", tuning.best.number], ["parameters", <Values of={tuning.best.parameters} />]]} />
          ) : (
            <Empty>No trial has ended yet.</Empty>
          )}
        </Part>
        <Part title="History"><History tuning={tuning} /></Part>
      </SimpleGrid>
      <Part title="Trials">
        <Rows columns={columns} rows={tuning.trials} keyOf={(trial) => String(trial.number)} empty={<Empty>No trial yet.</Empty>} />
      </Part>
    </Page>
  );
}

function History({ tuning }: { tuning: Tuning }) {
  const option = useMemo(() => {
    const done = tuning.trials.filter((trial) => trial.value !== null);
    const better = tuning.direction === "minimize" ? Math.min : Math.max;
    let best = tuning.direction === "minimize" ? Infinity : -Infinity;
    const line = done.map((trial) => [trial.number, (best = better(best, trial.value ?? best))]);
    return {
      grid: { left: 56, right: 12, top: 12, bottom: 28 },
      xAxis: { type: "value", name: "", minInterval: 1 },
      yAxis: { type: "value", scale: true },
      series: [
        { name: "trial", type: "scatter", symbolSize: 7, data: done.map((trial) => [trial.number, trial.value]) },
        { name: "best so far", type: "line", step: "end", showSymbol: false, data: line },
      ],
    };
  }, [tuning]);
  return <Chart option={option} label={`${tuning.objective} of each trial, and the best so far`} />;
}
