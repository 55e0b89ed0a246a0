/** No page has this address. */
import { Anchor, Text } from "@mantine/core";
import { Link } from "react-router";

import { Page } from "../components/page";

export default function Nothing() {
  return (
    <Page title="Nothing is here">
      <Text>
        No page has this address. <Anchor component={Link} to="/" underline="always">Home</Anchor>
      </Text>
    </Page>
  );
}
