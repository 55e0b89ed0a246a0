/** Whether the machine and the processes of the site are well, now and over time. */
import { Anchor, SegmentedControl, SimpleGrid, Stack, Text } from "@mantine/core";
import { useMemo } from "react";
import { Link } from "react-router";

import type { Schemas } from "../api/client";
import { useAlerts, useFigures, useFiguresHistory } from "../api/queries";
import { Alerts } from "../components/alerts";
import { Chart } from "../components/chart";
import { bytes, number, percent } from "../components/number";
import { Asked, Empty, Page, Part } from "../components/page";
import { type Column, Rows, useAddress } from "../components/rows";
import { Used, processName, processState } from "../components/site";
import { State } from "../components/state";
import { seconds } from "../components/when";

type Figures = Schemas["SiteFiguresView"];
type Machine = Schemas["MachineView"];
type Sample = Schemas["SampleView"];

const SPANS = [{ value: "60", label: "1 h" }, { value: "1440", label: "1 day" }, { value: "20160", label: "2 weeks" }];
const MOST_LINES = 8;
const GRID = { left: 48, right: 16, top: 28, bottom: 28 };

export default function Health() {
  const figures = useFigures();
  return (
    <Page title="Health">
      <Raised />
      <Asked of={figures}>
        {(told) => (
          <>
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <MachinePart machine={told.machine} />
              <ServicesPart services={told.services} />
            </SimpleGrid>
            <History services={told.services} />
            <Processes told={told} />
          </>
        )}
      </Asked>
    </Page>
  );
}

function Raised() {
  const alerts = useAlerts();
  const mine = alerts.data?.items.filter((one) => one.kind === "health" && one.raised_at !== null) ?? [];
  return mine.length === 0 ? null : <Part title="Alerts"><Alerts of={mine.slice(0, 20)} /></Part>;
}

const memoryShare = (machine: Machine) => 1 - machine.memory_available_bytes / machine.memory_total_bytes;
const diskShare = (machine: Machine) => 1 - machine.disk_free_bytes / machine.disk_total_bytes;

function MachinePart({ machine }: { machine: Machine }) {
  return (
    <Part title="Machine" beside={<Text size="xs" c="dimmed">{machine.uptime_seconds === null ? "" : `on for ${lasted(machine.uptime_seconds)}`}</Text>}>
      <Stack gap="sm">
        <Used name="CPU" share={machine.cpu_percent / 100}>{number(machine.cpu_percent, 3)} % of {machine.cores} cores · load {number(machine.load_1m, 3)}</Used>
        <Used name="Memory" share={memoryShare(machine)}>{bytes(machine.memory_available_bytes)} of {bytes(machine.memory_total_bytes)} free</Used>
        <Used name="Disk of the home" share={diskShare(machine)}>{bytes(machine.disk_free_bytes)} of {bytes(machine.disk_total_bytes)} free</Used>
        {machine.gpus.map((gpu, index) => (
          <Used key={index} name={gpu.name} share={gpu.busy_percent / 100}>{number(gpu.busy_percent, 3)} % busy · {bytes(gpu.memory_used_bytes)} of {bytes(gpu.memory_total_bytes)}</Used>
        ))}
      </Stack>
    </Part>
  );
}

export const lasted = (value: number) => (value < 172_800 ? seconds(value) : `${Math.floor(value / 86_400)} days`);

const SERVICES: Column<Figures["services"][number]>[] = [
  { name: "Service", cell: (one) => <Anchor component={Link} to={`/services/${one.service}`} fz="sm">{one.service}</Anchor>, by: (one) => one.service },
  { name: "Requests", cell: (one) => number(one.requests), isNumber: true, by: (one) => one.requests },
  { name: "Failed", cell: (one) => <Text size="sm" {...(one.failed ? { c: "red", fw: 600 } : {})}>{one.failed ? `${one.failed} (${percent(one.failed / (one.requests || 1))})` : number(one.failed)}</Text>, isNumber: true, by: (one) => one.failed },
  { name: "p95", cell: (one) => (one.p95_ms === null ? "–" : `${number(one.p95_ms, 3)} ms`), isNumber: true, by: (one) => one.p95_ms },
  { name: "Restarts", cell: (one) => one.restarts, isNumber: true, by: (one) => one.restarts },
  { name: "CPU", cell: (one) => `${number(one.cpu_percent, 3)} %`, isNumber: true, by: (one) => one.cpu_percent },
  { name: "Memory", cell: (one) => bytes(one.memory_bytes), isNumber: true, by: (one) => one.memory_bytes },
];

function ServicesPart({ services }: { services: Figures["services"] }) {
  return (
    <Part title="Services" beside={<Text size="xs" c="dimmed">since the gateway started</Text>}>
      <Rows columns={SERVICES} rows={services} keyOf={(one) => one.service} empty={<Empty command="tidemill deploy">No service answers here.</Empty>} />
    </Part>
  );
}

function History({ services }: { services: Figures["services"] }) {
  const [address, change] = useAddress();
  const minutes = SPANS.find((one) => one.value === address.get("minutes"))?.value ?? "60";
  const history = useFiguresHistory(Number(minutes));
  return (
    <Part title="Over time" beside={<SegmentedControl size="xs" value={minutes} onChange={(value) => change("minutes", value)} data={SPANS} aria-label="how far back" />}>
      <Asked of={history}>
        {(samples) =>
          samples.length < 2 ? (
            <Empty>The site notes a sample every five seconds: the first ones will be here in a moment.</Empty>
          ) : (
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <MachineChart samples={samples} />
              <MemoryChart samples={samples} services={services} />
            </SimpleGrid>
          )
        }
      </Asked>
    </Part>
  );
}

const TIMES = { type: "time", axisLabel: { hideOverlap: true } };

function MachineChart({ samples }: { samples: Sample[] }) {
  const option = useMemo(() => {
    const line = (name: string, value: (machine: Machine) => number) => ({
      name, type: "line", showSymbol: false, data: samples.map((one) => [one.at, Math.round(value(one.machine) * 10) / 10]),
    });
    return {
      grid: GRID, legend: { top: 0 }, xAxis: TIMES, yAxis: { type: "value", min: 0, max: 100, axisLabel: { formatter: "{value} %" } },
      series: [line("CPU", (one) => one.cpu_percent), line("memory", (one) => memoryShare(one) * 100), line("disk", (one) => diskShare(one) * 100)],
    };
  }, [samples]);
  return (
    <div>
      <Text size="xs" c="dimmed">used of the machine</Text>
      <Chart option={option} label="CPU, memory and disk in use, in percent, over time" />
    </div>
  );
}

/** The processes that use most, each as a layer, and the rest as one. */
export function layers(samples: Sample[]): { name: string; values: [string, number][] }[] {
  const most = new Map<string, number>();
  for (const sample of samples) for (const one of sample.processes) most.set(one.name, Math.max(most.get(one.name) ?? 0, one.memory_bytes));
  const names = [...most.entries()].sort((one, other) => other[1] - one[1]).map(([name]) => name);
  const shown = names.slice(0, MOST_LINES);
  const of = (sample: Sample, isWanted: (name: string) => boolean) => sample.processes.reduce((sum, one) => sum + (isWanted(one.name) ? one.memory_bytes : 0), 0);
  return [
    ...shown.map((name) => ({ name, values: samples.map((one): [string, number] => [one.at, of(one, (other) => other === name)]) })),
    ...(names.length > shown.length ? [{ name: "others", values: samples.map((one): [string, number] => [one.at, of(one, (other) => !shown.includes(other))]) }] : []),
  ];
}

function MemoryChart({ samples, services }: { samples: Sample[]; services: Figures["services"] }) {
  const option = useMemo(
    () => ({
      grid: { ...GRID, left: 64 }, legend: { top: 0, type: "scroll" }, xAxis: TIMES, yAxis: { type: "value", axisLabel: { formatter: (value: number) => bytes(value) } },
      tooltip: { trigger: "axis", renderMode: "richText", valueFormatter: (value: unknown) => bytes(Number(value)) },
      series: layers(samples).map(({ name, values }) => ({ name: processName(name, services), type: "line", stack: "all", areaStyle: {}, lineStyle: { width: 0 }, showSymbol: false, data: values })),
    }),
    [samples, services],
  );
  return (
    <div>
      <Text size="xs" c="dimmed">memory of the site's processes</Text>
      <Chart option={option} label="the memory of each process of the site over time, one upon the other" />
    </div>
  );
}

function Processes({ told }: { told: Figures }) {
  const columns: Column<Figures["processes"][number]>[] = [
    { name: "Process", cell: (one) => processName(one.name, told.services), by: (one) => processName(one.name, told.services) },
    { name: "State", cell: (one) => <State state={processState(one.state)} />, by: (one) => one.state },
    { name: "Memory", cell: (one) => bytes(one.memory_bytes), isNumber: true, by: (one) => one.memory_bytes },
    { name: "CPU of a core", cell: (one) => `${number(one.cpu_percent, 3)} %`, isNumber: true, by: (one) => one.cpu_percent },
    { name: "Restarts", cell: (one) => one.restarts, isNumber: true, by: (one) => one.restarts },
    { name: "Processes", cell: (one) => one.processes, isNumber: true, by: (one) => one.processes },
  ];
  const sum = told.processes.reduce((total, one) => total + one.memory_bytes, 0);
  return (
    <Part title="Processes of the site" beside={<Text size="xs" c="dimmed">{bytes(sum)} together</Text>}>
      <Rows columns={columns} rows={told.processes} keyOf={(one) => one.name} empty={<Empty command="tidemill up">No supervisor runs here.</Empty>} />
    </Part>
  );
}
