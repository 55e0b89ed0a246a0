/** One model: its versions, and their metrics. */
import { Anchor, Button, Group, Select } from "@mantine/core";
import { IconExternalLink } from "@tabler/icons-react";
import { useMemo } from "react";
import { Link, useParams, useSearchParams } from "react-router";

import type { Schemas } from "../api/client";
import { useMlflow, usePointers, useVersions } from "../api/queries";
import { Chart } from "../components/chart";
import { Asked, Empty, Page, Part } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { State } from "../components/state";
import { Ago } from "../components/when";

type Version = Schemas["VersionView"];

export default function ModelPage() {
  const { name = "" } = useParams();
  const versions = useVersions(name);
  const pointers = usePointers();
  const hasMlflow = useMlflow();
  const live = (version: Version) => pointers.data?.items.filter((one) => one.model_version_id === version.id).map((one) => one.environment) ?? [];
  const columns: Column<Version>[] = [
    { name: "Version", cell: (one) => one.label, by: (one) => one.number },
    { name: "State", cell: (one) => <Group gap={4}><State state={one.state} />{live(one).map((place) => <State key={place} state="live" />)}</Group>, by: (one) => one.state },
    { name: "Run", cell: (one) => <Anchor component={Link} to={`/runs/${one.run_id}`} fz="sm">{one.run_id.slice(-8)}</Anchor> },
    { name: "Commit", cell: (one) => <span className="mono">{one.code_commit?.slice(0, 10) ?? "–"}</span> },
    { name: "Data", cell: (one) => <span className="mono">{Object.entries(one.data_versions).map(([path, hash]) => `${path} ${hash.slice(4, 12)}`).join(", ") || "–"}</span> },
    { name: "By", cell: (one) => one.author, by: (one) => one.author },
    { name: "Registered", cell: (one) => <Ago at={one.created_at} />, isNumber: true, by: (one) => one.created_at },
  ];
  return (
    <Page
      title={name} crumbs={[["Models", "/models"]]}
      actions={hasMlflow && <Button variant="default" component={Link} to={`/models/${encodeURIComponent(name)}/mlflow`} leftSection={<IconExternalLink size={14} />}>In MLflow</Button>}
    >
      <Asked of={versions}>
        {({ items }) => (
          <>
            <Part title="Versions"><Rows columns={columns} rows={items} keyOf={(one) => one.id} empty={<Empty>No version yet.</Empty>} /></Part>
            <MetricHistory versions={items} />
          </>
        )}
      </Asked>
    </Page>
  );
}

function MetricHistory({ versions }: { versions: Version[] }) {
  const [address, setAddress] = useSearchParams();
  const names = useMemo(() => [...new Set(versions.flatMap((one) => Object.keys(one.metrics)))].sort(), [versions]);
  const name = address.get("metric") ?? names[0];
  const option = useMemo(() => {
    const inOrder = [...versions].sort((one, other) => one.number - other.number);
    return {
      grid: { left: 56, right: 12, top: 12, bottom: 28 },
      xAxis: { type: "category", data: inOrder.map((one) => one.label) },
      yAxis: { type: "value", scale: true },
      series: [{ name, type: "line", data: inOrder.map((one) => (name ? (one.metrics[name] ?? null) : null)) }],
    };
  }, [versions, name]);
  if (!name) return null;
  return (
    <Part
      title="Metrics over versions"
      beside={<Select aria-label="metric" w={160} data={names} value={name} allowDeselect={false} onChange={(value) => setAddress((before) => { if (value) before.set("metric", value); return before; }, { replace: true })} />}
    >
      <Chart option={option} label={`${name} of each version`} />
    </Part>
  );
}
