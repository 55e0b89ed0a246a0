/** One service, watched: drift by feature over time, distributions, errors once the truth is known, requests. */
import { Alert, Anchor, Button, Group, Select, SimpleGrid, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link, useParams } from "react-router";

import { type Schemas, api, told } from "../api/client";
import { useAlerts, useMonitoring } from "../api/queries";
import { Alerts } from "../components/alerts";
import { Chart } from "../components/chart";
import { number, percent } from "../components/number";
import { Asked, Empty, Page, Part } from "../components/page";
import { type Column, Rows, useAddress } from "../components/rows";
import { type Window, binsOf, findingName, columnOf, featuresOf, inTime, shares } from "../components/watched";
import { Ago, seconds } from "../components/when";

const MOST_LINES = 6;
const clock = (moment: string) => new Date(moment).toLocaleString(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export default function Watched() {
  const { name = "" } = useParams();
  const monitoring = useMonitoring(name);
  return (
    <Page title={name} crumbs={[["Monitoring", "/monitoring"]]} actions={<Button component={Link} to={`/services/${name}`} variant="default">The service</Button>}>
      <Raised service={name} />
      <Asked of={monitoring}>{(told) => <Shown told={told} />}</Asked>
      <Feedback service={name} />
    </Page>
  );
}

const FEEDBACK: Column<Schemas["FeedbackView"]>[] = [
  { name: "Said by", cell: (one) => one.created_by, by: (one) => one.created_by },
  { name: "Rating", cell: (one) => (one.rating === null ? "–" : `${one.rating} of 5`), isNumber: true, by: (one) => one.rating },
  { name: "Comment", cell: (one) => <Text size="sm" style={{ overflowWrap: "anywhere" }}>{one.comment || "–"}</Text> },
  { name: "Corrected", cell: (one) => (one.value === null ? "–" : String(one.value)), isNumber: true },
  { name: "Prediction", cell: (one) => <Anchor component={Link} to={`/predictions/${one.prediction_id}`} className="mono">{one.prediction_id.slice(-12)}</Anchor> },
  { name: "When", cell: (one) => <Ago at={one.created_at} />, isNumber: true, by: (one) => one.created_at },
];

function Feedback({ service }: { service: string }) {
  const feedback = useQuery({
    queryKey: ["monitoring", service, "feedback"],
    queryFn: () => told(api.GET("/api/v1/services/{name}/feedback", { params: { path: { name: service } } })),
  });
  return (
    <Part title="Feedback">
      <Asked of={feedback}>{({ items }) => <Rows columns={FEEDBACK} rows={items} keyOf={(one) => one.id} empty={<Empty command={`tidemill service page ${service}`}>Nobody has said anything: the page of the service asks.</Empty>} />}</Asked>
    </Part>
  );
}

function Raised({ service }: { service: string }) {
  const alerts = useAlerts();
  const mine = alerts.data?.items.filter((one) => one.service === service && one.raised_at !== null) ?? [];
  return mine.length === 0 ? null : <Part title="Alerts"><Alerts of={mine.slice(0, 10)} /></Part>;
}

function Shown({ told }: { told: Schemas["MonitoringView"] }) {
  const [address, change] = useAddress();
  const revisions = [...new Set(told.windows.map((one) => one.revision))].sort((one, other) => Number(other) - Number(one));
  const revision = address.get("revision");
  const windows = useMemo(() => inTime(told.windows.filter((one) => !revision || one.revision === revision)), [told, revision]);
  const newest = windows.at(-1);
  const found = newest?.findings.filter((one) => one.breached) ?? [];
  return (
    <>
      {told.problem && <Alert color="orange" title="Not all could be computed">{told.problem}</Alert>}
      {found.length > 0 && (
        <Alert color="orange" title="Found in the newest window" role="alert">
          {found.map((one) => (
            <Text key={`${one.name} ${one.feature}`} size="sm">{findingName(one)}: {number(one.value, 3)}, the limit is {number(one.threshold, 3)}</Text>
          ))}
        </Alert>
      )}
      {revisions.length > 1 && (
        <Select
          aria-label="revision" placeholder="all revisions" clearable w={160} value={revision} onChange={(value) => change("revision", value)}
          data={revisions.map((one) => ({ value: one, label: `revision ${one}` }))}
        />
      )}
      {newest?.note && <Text size="sm" c="dimmed">The newest window, {clock(newest.start)}: {newest.note}.</Text>}
      {windows.length === 0 ? (
        <Empty command={`tidemill predict ${told.service} -i …`}>No window yet: predictions are looked at in windows.</Empty>
      ) : (
        <>
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            <Drift windows={windows} threshold={thresholdOf(told)} />
            <Distribution windows={windows} />
            <Errors windows={windows} />
            <Requests windows={windows} />
          </SimpleGrid>
          <Slices window={windows.findLast((one) => (one.performance?.slices.length ?? 0) > 0)} />
          <Windows windows={windows} />
        </>
      )}
    </>
  );
}

function thresholdOf(told: Schemas["MonitoringView"]): number {
  const drift = told.rules["drift"] as { threshold?: number } | undefined;
  return drift?.threshold ?? 0.2;
}

const times = (windows: Window[]) => windows.map((window) => clock(window.start));
const GRID = { left: 48, right: 16, top: 28, bottom: 28 };

function Drift({ windows, threshold }: { windows: Window[]; threshold: number }) {
  const option = useMemo(() => {
    const names = [...featuresOf(windows).slice(0, MOST_LINES), ...(windows.some((one) => one.prediction) ? [windows.find((one) => one.prediction)!.prediction!.name] : [])];
    return {
      grid: GRID, legend: { top: 0, type: "scroll" },
      xAxis: { type: "category", data: times(windows) }, yAxis: { type: "value" },
      series: names.map((name, index) => ({
        name, type: "line", connectNulls: true, data: windows.map((window) => columnOf(window, name)?.effect ?? null),
        ...(index === 0 ? { markLine: { silent: true, symbol: "none", data: [{ yAxis: threshold }], label: { formatter: "limit", position: "insideEndTop" } } } : {}),
      })),
    };
  }, [windows, threshold]);
  return <Part title="Drift by feature"><Chart option={option} label="the population stability index of each feature by window" /></Part>;
}

function Distribution({ windows }: { windows: Window[] }) {
  const [address, change] = useAddress();
  const names = useMemo(() => [...featuresOf(windows), ...new Set(windows.flatMap((one) => (one.prediction ? [one.prediction.name] : [])))], [windows]);
  const name = address.get("feature") ?? names[0] ?? "";
  const window = windows.find((one) => one.id === address.get("window")) ?? windows.findLast((one) => columnOf(one, name));
  const column = columnOf(window, name);
  const option = useMemo(
    () => column && {
      grid: GRID, legend: { top: 0 }, xAxis: { type: "category", data: binsOf(column), axisLabel: { hideOverlap: true } },
      yAxis: { type: "value", axisLabel: { formatter: (value: number) => percent(value) } },
      series: [
        { name: "reference", type: "bar", barGap: 0, data: shares(column.reference), itemStyle: { opacity: 0.45 } },
        { name: "now", type: "bar", data: shares(column.counts) },
      ],
    },
    [column],
  );
  return (
    <Part
      title="Distribution"
      beside={
        <Group gap="xs">
          <Select aria-label="feature" w={150} data={names} value={name} allowDeselect={false} onChange={(value) => change("feature", value)} />
          <Select
            aria-label="window" w={140} placeholder="newest" clearable value={address.get("window")} onChange={(value) => change("window", value)}
            data={[...windows].reverse().map((one) => ({ value: one.id, label: clock(one.start) }))}
          />
        </Group>
      }
    >
      {column && option ? (
        <>
          <Chart option={option} label={`${name}: reference and window beside each other`} />
          <Text size="xs" c="dimmed">
            {column.rows} rows; {Object.entries(column.statistics).map(([one, told]) => `${one} ${number(told.value, 3)}${told.p_value == null ? "" : ` (p ${number(told.p_value, 2)})`}`).join(", ")}
            {column.problems.length > 0 && `; ${column.problems.map((one) => `${one.name.replaceAll("_", " ").replaceAll("-", " ")} ${one.share == null ? "" : percent(one.share)}`).join(", ")}`}
          </Text>
        </>
      ) : (
        <Empty>No window tells of it.</Empty>
      )}
    </Part>
  );
}

function Errors({ windows }: { windows: Window[] }) {
  const known = useMemo(() => windows.filter((one) => one.performance), [windows]);
  const last = known.at(-1)?.performance;
  const option = useMemo(
    () => last && {
      grid: GRID, legend: { top: 0 }, xAxis: { type: "category", data: times(windows) }, yAxis: { type: "value", scale: true },
      series: [
        { name: last.metric, type: "line", connectNulls: true, data: windows.map((one) => one.performance?.metrics[last.metric] ?? null) },
        { name: "at approval", type: "line", showSymbol: false, lineStyle: { type: "dashed" }, data: windows.map((one) => one.performance?.baseline ?? last.baseline) },
      ],
    },
    [windows, last],
  );
  return (
    <Part title="Error, once the truth is known">
      {option && last ? (
        <>
          <Chart option={option} label={`${last.metric} by window, and at the approval`} />
          <Text size="xs" c="dimmed">newest: {last.rows} rows with a truth; {Object.entries(last.metrics).map(([name, value]) => `${name} ${number(value, 4)}`).join(", ")}</Text>
        </>
      ) : (
        <Empty command="tidemill service truth NAME FILE.csv">No ground truth yet.</Empty>
      )}
    </Part>
  );
}

function Requests({ windows }: { windows: Window[] }) {
  const option = useMemo(
    () => ({
      grid: GRID, legend: { top: 0 }, xAxis: { type: "category", data: times(windows) }, yAxis: { type: "value" },
      series: [
        { name: "answered", type: "bar", stack: "all", data: windows.map(({ requests }) => requests.count - requests.rejected - requests.failed) },
        { name: "refused", type: "bar", stack: "all", data: windows.map(({ requests }) => requests.rejected) },
        { name: "failed", type: "bar", stack: "all", itemStyle: { color: "#e03131" }, data: windows.map(({ requests }) => requests.failed) },
      ],
    }),
    [windows],
  );
  const latency = windows.at(-1)?.requests.latency_ms ?? {};
  return (
    <Part title="Requests">
      <Chart option={option} label="requests by window: answered, refused, failed" />
      <Text size="xs" c="dimmed">newest: {Object.entries(latency).map(([name, value]) => `${name} ${number(value, 3)} ms`).join(", ")}</Text>
    </Part>
  );
}

function Slices({ window }: { window: Window | undefined }) {
  const performance = window?.performance;
  if (!performance) return null;
  return (
    <Part title="Error by slice">
      <div className="wide" tabIndex={0}>
        <Table>
          <Table.Thead><Table.Tr><Table.Th>Slice</Table.Th><Table.Th ta="right">Rows</Table.Th>{Object.keys(performance.metrics).map((name) => <Table.Th key={name} ta="right">{name}</Table.Th>)}</Table.Tr></Table.Thead>
          <Table.Tbody>
            {performance.slices.map((slice) => (
              <Table.Tr key={`${slice.column} ${slice.value}`}>
                <Table.Td>{slice.column} = {slice.value}</Table.Td><Table.Td ta="right">{slice.rows}</Table.Td>
                {Object.keys(performance.metrics).map((name) => <Table.Td key={name} ta="right">{number(slice.metrics[name], 4)}</Table.Td>)}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Part>
  );
}

function Windows({ windows }: { windows: Window[] }) {
  return (
    <Part title="Windows">
      <div className="wide" tabIndex={0}>
        <Table>
          <Table.Thead><Table.Tr><Table.Th>Window</Table.Th><Table.Th>Revision</Table.Th><Table.Th ta="right">Rows</Table.Th><Table.Th>Found</Table.Th><Table.Th ta="right">Truths</Table.Th></Table.Tr></Table.Thead>
          <Table.Tbody>
            {[...windows].reverse().slice(0, 30).map((one) => (
              <Table.Tr key={one.id}>
                <Table.Td data-number>{clock(one.start)} <Text span size="xs" c="dimmed">{seconds((Date.parse(one.end) - Date.parse(one.start)) / 1000)}</Text></Table.Td>
                <Table.Td>{one.revision}</Table.Td><Table.Td ta="right">{one.rows}</Table.Td>
                <Table.Td className="found">{one.findings.filter((found) => found.breached).map((found) => `${findingName(found)} ${number(found.value, 3)}`).join(", ") || <span className="muted">{one.note || "nothing"}</span>}</Table.Td>
                <Table.Td ta="right">{one.truths}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Part>
  );
}
