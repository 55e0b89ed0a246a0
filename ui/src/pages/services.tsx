/** All services. */
import { Anchor, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "../api/client";
import { useServices } from "../api/queries";
import { Asked, Empty, Page } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { serviceState } from "../components/names";
import { State } from "../components/state";
import { Ago } from "../components/when";

type Service = Schemas["ServiceView"];

const COLUMNS: Column<Service>[] = [
  { name: "Service", cell: (one) => <Anchor component={Link} to={`/services/${one.name}`} fz="sm">{one.name}</Anchor>, by: (one) => one.name },
  { name: "State", cell: (one) => <State state={serviceState(one)} />, by: serviceState },
  { name: "What answers", cell: (one) => <Text size="xs" c="dimmed" miw={150}>{one.message || one.reason}</Text> },
  { name: "Environment", cell: (one) => String(one.spec["environment"] ?? "–"), by: (one) => String(one.spec["environment"] ?? "") },
  { name: "Address", cell: (one) => <span className="mono">{one.path}</span> },
  { name: "Changed", cell: (one) => <Ago at={one.updated_at} />, isNumber: true, by: (one) => one.updated_at },
];

export default function Services() {
  const services = useServices();
  return (
    <Page title="Services">
      <Asked of={services}>
        {({ items }) => <Rows columns={COLUMNS} rows={items} keyOf={(one) => one.id} words={(one) => one.name} empty={<Empty command="tidemill deploy">No service yet.</Empty>} />}
      </Asked>
    </Page>
  );
}
