/** All searches. */
import { Anchor } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "../api/client";
import { useTunings } from "../api/queries";
import { Asked, Empty, Page } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { State } from "../components/state";
import { Ago } from "../components/when";

type Tuning = Schemas["TuningView"];

const COLUMNS: Column<Tuning>[] = [
  { name: "Tuning", cell: (one) => <Anchor component={Link} to={`/tunings/${one.id}`} fz="sm">{one.name}</Anchor>, by: (one) => one.name },
  { name: "State", cell: (one) => <State state={one.state} />, by: (one) => one.state },
  { name: "Objective", cell: (one) => `${one.direction} ${one.objective}`, by: (one) => one.objective },
  { name: "Best", cell: (one) => one.best?.value?.toPrecision(5) ?? "–", isNumber: true, by: (one) => one.best?.value ?? null },
  { name: "Trials", cell: (one) => `${one.trials.length} of ${one.trials_wanted}`, isNumber: true, by: (one) => one.trials.length },
  { name: "Started", cell: (one) => <Ago at={one.created_at} />, isNumber: true, by: (one) => one.created_at },
];

export default function Tunings() {
  const tunings = useTunings();
  return (
    <Page title="Tuning">
      <Asked of={tunings}>
        {({ items }) => <Rows columns={COLUMNS} rows={items} keyOf={(one) => one.id} words={(one) => `${one.name} ${one.experiment}`} empty={<Empty command="tidemill tune">No tuning yet.</Empty>} />}
      </Asked>
    </Page>
  );
}
