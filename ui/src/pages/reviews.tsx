/** All reviews. */
import { Anchor } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "../api/client";
import { useReviews } from "../api/queries";
import { reviewTitle } from "../components/names";
import { Asked, Empty, Page } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { State } from "../components/state";
import { Ago } from "../components/when";

type Review = Schemas["ReviewView"];

const COLUMNS: Column<Review>[] = [
  { name: "Review", cell: (one) => <Anchor component={Link} to={`/reviews/${one.id}`} fz="sm" className="name-of-run">{reviewTitle(one)}</Anchor>, by: (one) => one.model_version },
  { name: "State", cell: (one) => <State state={one.state} />, by: (one) => one.state },
  { name: "Checks", cell: (one) => <State state={one.checks_state} />, by: (one) => one.checks_state },
  { name: "Approvals", cell: (one) => (one.automatic?.passed ? "automatic" : `${one.approvals.length} of ${one.approvals_needed}`), isNumber: true },
  { name: "Environment", cell: (one) => one.environment, by: (one) => one.environment },
  { name: "Opened by", cell: (one) => one.opened_by, by: (one) => one.opened_by },
  { name: "Opened", cell: (one) => <Ago at={one.opened_at} />, isNumber: true, by: (one) => one.opened_at },
];

export default function Reviews() {
  const reviews = useReviews();
  return (
    <Page title="Reviews">
      <Asked of={reviews}>
        {({ items }) => <Rows columns={COLUMNS} rows={items} keyOf={(one) => one.id} words={(one) => `${one.model_version} ${one.service} ${one.state} ${one.opened_by}`} empty={<Empty command="tidemill review open">No review yet.</Empty>} />}
      </Asked>
    </Page>
  );
}
