/** All runs, newest first, with parameters and metrics; chosen ones side by side. */
import { Button, Group } from "@mantine/core";
import { Link, useSearchParams } from "react-router";

import { type RunFilter, useRuns } from "../api/queries";
import { Asked, Page } from "../components/page";
import { useAddress } from "../components/rows";
import { RunRows } from "../components/run-rows";

export default function Runs() {
  const [address] = useSearchParams();
  const [, change] = useAddress();
  const [state, experiment] = [address.get("state"), address.get("experiment")];
  const filter: RunFilter = { ...(state ? { state } : {}), ...(experiment ? { experiment } : {}) };
  const runs = useRuns(filter);
  const ids = (address.get("compare") ?? "").split(",").filter(Boolean);
  const toggle = (id: string) => change("compare", (ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id]).join(","));
  return (
    <Page
      title={experiment ? `Runs of ${experiment}` : "Runs"}
      actions={ids.length > 1 && <Button component={Link} to={`/compare?runs=${ids.join(",")}`}>Compare {ids.length}</Button>}
    >
      <Asked of={runs}>
        {(items) => (
          <>
            <RunRows runs={items} pick={{ ids, toggle }} />
            {runs.hasNextPage && (
              <Group justify="center"><Button variant="default" loading={runs.isFetchingNextPage} onClick={() => void runs.fetchNextPage()}>Older runs</Button></Group>
            )}
          </>
        )}
      </Asked>
    </Page>
  );
}
