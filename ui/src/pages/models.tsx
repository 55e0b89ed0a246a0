/** All models. */
import { Anchor, Group, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "../api/client";
import { useModels, usePointers } from "../api/queries";
import { Asked, Empty, Page } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { Ago } from "../components/when";

type Model = Schemas["ModelView"];

export default function Models() {
  const models = useModels();
  const pointers = usePointers();
  const columns: Column<Model>[] = [
    { name: "Model", cell: (one) => <Anchor component={Link} to={`/models/${one.name}`} fz="sm">{one.name}</Anchor>, by: (one) => one.name },
    { name: "Versions", cell: (one) => one.versions, isNumber: true, by: (one) => one.versions },
    {
      name: "Live in",
      cell: (one) => (
        <Group gap="xs">
          {pointers.data?.items.filter((pointer) => pointer.service === one.name).map((pointer) => <Text key={pointer.environment} size="sm">{pointer.environment}</Text>)}
        </Group>
      ),
    },
    { name: "First", cell: (one) => <Ago at={one.created_at} />, isNumber: true, by: (one) => one.created_at },
  ];
  return (
    <Page title="Models">
      <Asked of={models}>
        {({ items }) => <Rows columns={columns} rows={items} keyOf={(one) => one.id} words={(one) => one.name} empty={<Empty command="tidemill review open">No model yet: opening a review registers the candidate.</Empty>} />}
      </Asked>
    </Page>
  );
}
