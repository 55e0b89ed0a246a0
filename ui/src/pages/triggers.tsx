/** What starts what, next and last. */
import { Anchor, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "../api/client";
import { useTriggers } from "../api/queries";
import { triggerState, whenOf } from "../components/names";
import { Asked, Empty, Page } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { State } from "../components/state";
import { Ago } from "../components/when";

type Trigger = Schemas["TriggerView"];

const COLUMNS: Column<Trigger>[] = [
  { name: "Trigger", cell: (one) => <Anchor component={Link} to={`/triggers/${one.name}`} fz="sm">{one.name}</Anchor>, by: (one) => one.name },
  { name: "State", cell: (one) => <State state={triggerState(one)} />, by: triggerState },
  { name: "Fires on", cell: (one) => <Text size="sm">{one.kind} <Text span c="dimmed" size="xs">{whenOf(one)}</Text></Text>, by: (one) => one.kind },
  { name: "Starts", cell: (one) => `${one.project}${one.then === "nothing" ? "" : `, then ${one.then}`}`, by: (one) => one.project },
  { name: "Problem", cell: (one) => <Text size="xs" c="dimmed">{one.problem ?? "–"}</Text> },
  { name: "Next", cell: (one) => (one.next_at ? new Date(one.next_at).toLocaleString() : "–"), isNumber: true, by: (one) => one.next_at },
  { name: "Declared", cell: (one) => <Ago at={one.created_at} />, isNumber: true, by: (one) => one.created_at },
];

export default function Triggers() {
  const triggers = useTriggers();
  return (
    <Page title="Triggers">
      <Asked of={triggers}>
        {({ items }) => (
          <Rows
            columns={COLUMNS} rows={items} keyOf={(one) => one.id} words={(one) => `${one.name} ${one.kind} ${one.project}`}
            empty={<Empty command="tidemill apply">No trigger yet: declare one under [triggers] in tidemill.toml.</Empty>}
          />
        )}
      </Asked>
    </Page>
  );
}
