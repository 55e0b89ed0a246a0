/** Runs side by side: parameters and metrics, and each as a line through them. */
import { Anchor, Table } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link, useSearchParams } from "react-router";

import { type Schemas, api, told } from "../api/client";
import { Chart } from "../components/chart";
import { number } from "../components/number";
import { Empty, Page, Part } from "../components/page";
import { State } from "../components/state";
import { brief, chosen } from "../components/run-rows";

type Run = Schemas["RunView"];
type Compared = { run: Run; metrics: Record<string, number | string> };

const MOST = 50;

export default function Compare() {
  const [address] = useSearchParams();
  const ids = (address.get("runs") ?? "").split(",").filter(Boolean).slice(0, MOST);
  const answers = useQueries({
    queries: ids.map((id) => ({
      queryKey: ["runs", id, "compared"],
      queryFn: async (): Promise<Compared> => {
        const path = { params: { path: { run_id: id } } };
        const [run, metrics] = await Promise.all([told(api.GET("/api/v1/runs/{run_id}", path)), told(api.GET("/api/v1/runs/{run_id}/metrics", path))]);
        return { run, metrics: Object.fromEntries(metrics.map((one) => [one.name, one.value])) };
      },
    })),
  });
  const found = answers.flatMap((answer) => (answer.data ? [answer.data] : []));
  const names = (of: (one: Compared) => object) => [...new Set(found.flatMap((one) => Object.keys(of(one))))].sort();
  const [metrics, parameters] = [names((one) => one.metrics), names((one) => chosen(one.run.parameters))];
  return (
    <Page title="Compare runs" crumbs={[["Runs", "/runs"]]}>
      {ids.length < 2 && <Empty>Choose two or more runs in the table of runs.</Empty>}
      {found.length > 1 && <Lines found={found} metrics={metrics} parameters={parameters} />}
      {found.length > 0 && (
        <Part title="Side by side">
          <div className="wide" tabIndex={0}>
            <Table>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th />
                  {found.map(({ run }) => <Table.Th key={run.id}><Anchor component={Link} to={`/runs/${run.id}`} fz="sm">{run.name}</Anchor> <State state={run.state} /></Table.Th>)}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {metrics.map((name) => <Line key={`metric ${name}`} name={name} values={found.map((one) => number(one.metrics[name]))} />)}
                {parameters.map((name) => <Line key={`parameter ${name}`} name={name} values={found.map((one) => text(one.run.parameters[name]))} />)}
                <Line name="pipeline" values={found.map(({ run }) => run.spec_digest.slice(7, 19))} />
                <Line name="commit" values={found.map(({ run }) => String(run.origin["commit"] ?? "–").slice(0, 12))} />
              </Table.Tbody>
            </Table>
          </div>
        </Part>
      )}
    </Page>
  );
}

const text = (value: unknown) => (value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));

function Line({ name, values }: { name: string; values: string[] }) {
  const differs = new Set(values).size > 1;
  return (
    <Table.Tr>
      <Table.Th fw={differs ? 600 : 400}>{name}</Table.Th>
      {values.map((value, index) => <Table.Td key={index} className="mono" {...(differs ? {} : { c: "dimmed" })}>{value}</Table.Td>)}
    </Table.Tr>
  );
}

function Lines({ found, metrics, parameters }: { found: Compared[]; metrics: string[]; parameters: string[] }) {
  const option = useMemo(() => {
    const all = [...parameters.map((name) => [name, true] as const), ...metrics.map((name) => [name, false] as const)];
    const valueOf = (one: Compared, name: string, isParameter: boolean) => (isParameter ? one.run.parameters[name] : one.metrics[name]);
    // what is the same in all of them says nothing here
    const axes = all.filter(([name, isParameter]) => new Set(found.map((one) => text(valueOf(one, name, isParameter)))).size > 1);
    return {
      tooltip: { show: false },
      parallelAxis: axes.map(([name, isParameter], dim) => {
        const values = found.map((one) => valueOf(one, name, isParameter));
        return values.every((value) => typeof value === "number")
          ? { dim, name, type: "value", scale: true }
          : { dim, name, type: "category", data: [...new Set(values.map(text))] };
      }),
      parallel: { left: 40, right: 60, top: 36, bottom: 16 },
      series: [{
        type: "parallel", lineStyle: { width: 2 },
        data: found.map((one) => axes.map(([name, isParameter]) => { const value = valueOf(one, name, isParameter); return typeof value === "number" ? value : text(value); })),
      }],
    };
  }, [found, metrics, parameters]);
  return <Part title="Parallel coordinates"><div className="wide" tabIndex={0}><div style={{ minWidth: option.parallelAxis.length * 90 }}><Chart option={option} label={`${found.length} runs: ${brief({ parameters: parameters.join(" "), metrics: metrics.join(" ") })}`} height={260} /></div></div></Part>;
}
