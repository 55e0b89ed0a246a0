/** One trigger: what it would start, when it fires next, and what its firings became. */
import { Anchor, Button, SimpleGrid, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link, useParams } from "react-router";

import { type Schemas, api, told } from "../api/client";
import { useFirings } from "../api/queries";
import { number } from "../components/number";
import { triggerState, whenOf } from "../components/names";
import { Asked, Empty, Facts, Page, Part, Problem, Values } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { State } from "../components/state";
import { Ago, seconds } from "../components/when";

type Firing = Schemas["FiringView"];
type Verb = "fire" | "pause" | "resume";

const COLUMNS: Column<Firing>[] = [
  { name: "Fired", cell: (one) => <Ago at={one.created_at} />, by: (one) => one.created_at, isNumber: true },
  { name: "State", cell: (one) => <State state={one.state} />, by: (one) => one.state },
  { name: "Cause", cell: (one) => <Text size="xs" c="dimmed" truncate maw={280} title={JSON.stringify(one.cause)}>{causeOf(one)}</Text> },
  { name: "Run", cell: (one) => (one.run_id ? <Anchor component={Link} to={`/runs/${one.run_id}`} fz="sm">{one.run_id.slice(-12)}</Anchor> : "–") },
  { name: "Model", cell: (one) => one.model_version ?? "–" },
  { name: "Review", cell: (one) => (one.review_id ? <Anchor component={Link} to={`/reviews/${one.review_id}`} fz="sm">review</Anchor> : "–") },
  { name: "Reason", cell: (one) => <Text size="xs" c="dimmed">{[one.reason, one.remedy && `→ ${one.remedy}`].filter(Boolean).join(" ") || "–"}</Text> },
];

const TOGETHER: Record<string, string> = { forbid: "another firing is skipped", allow: "another firing goes on beside it", replace: "its run is stopped for the new one" };
const CATCH_UP: Record<string, string> = { last: "the last time is made up for", all: "all of it is made up for", none: "stays missed" };

/** Why it fired; what a person needs of an alert is what was found and how far off it was. */
export function causeOf(firing: Firing): string {
  const { alert, service, feature, value, threshold } = firing.cause as Record<string, unknown>;
  if (typeof alert === "string") return `${alert}${feature ? ` of ${String(feature)}` : ""}${service ? ` at ${String(service)}` : ""}${typeof value === "number" ? `: ${number(value, 3)}, the limit is ${number(threshold, 3)}` : ""}`;
  return plainCause(firing);
}

const plainCause = (firing: Firing) =>
  Object.entries(firing.cause).filter(([name, value]) => !["schema_version", "event", "subject"].includes(name) && value !== "" && value !== null).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`).join(", ") || firing.created_by;

export default function TriggerPage() {
  const { name = "" } = useParams();
  const path = { params: { path: { name } } };
  const trigger = useQuery({ queryKey: ["triggers", name], queryFn: () => told(api.GET("/api/v1/triggers/{name}", path)) });
  const preview = useQuery({ queryKey: ["triggers", name, "preview"], queryFn: () => told(api.GET("/api/v1/triggers/{name}/preview", path)) });
  const firings = useFirings(name);
  return (
    <Page
      title={name} crumbs={[["Triggers", "/triggers"]]} beside={trigger.data && <State state={triggerState(trigger.data)} />}
      actions={trigger.data && <Actions trigger={trigger.data} />}
    >
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Part title="Trigger">
          <Asked of={trigger}>
            {(one) => (
              <Facts
                of={[
                  ["fires on", `${one.kind} ${whenOf(one)}`], ["project", one.project], ["environment", one.environment || null], ["afterwards", one.then === "review" ? "a review of the new version" : one.then],
                  ["while one runs", TOGETHER[one.concurrency] ?? one.concurrency], ["what was missed", CATCH_UP[one.catch_up] ?? one.catch_up], ["cool-down", one.cooldown_seconds ? seconds(one.cooldown_seconds) : null],
                  ...(one.problem ? [["problem", one.problem] as [string, ReactNode]] : []), ...(one.paused_by ? [["paused by", one.paused_by] as [string, ReactNode]] : []),
                ]}
              />
            )}
          </Asked>
        </Part>
        <Part title="What it would start">
          <Asked of={preview}>
            {(one) => (
              <Stack gap="xs">
                {one.refusal && <Problem title="It would be refused" problem={new Error([one.refusal, one.remedy && `Do: ${one.remedy}`].filter(Boolean).join("\n"))} />}
                <Facts
                  of={[
                    ["pipeline", one.pipeline || null], ["spec", one.spec_digest ? <span className="mono">{one.spec_digest.slice(0, 19)}</span> : null],
                    ["approved in", one.review_id ? <Anchor component={Link} to={`/reviews/${one.review_id}`} fz="sm">review</Anchor> : null],
                    ["data", one.data.join(", ") || null], ["parameters", <Values of={one.parameters} />],
                    ["next", one.times.map((at) => new Date(at).toLocaleString()).join("; ") || null],
                  ]}
                />
              </Stack>
            )}
          </Asked>
        </Part>
      </SimpleGrid>
      <Part title="Firings">
        <Asked of={firings}>
          {({ items }) => <Rows columns={COLUMNS} rows={items} keyOf={(one) => one.id} empty={<Empty command={`tidemill trigger fire ${name}`}>It has not fired yet.</Empty>} />}
        </Asked>
      </Part>
    </Page>
  );
}

function Actions({ trigger }: { trigger: Schemas["TriggerView"] }) {
  const queries = useQueryClient();
  const path = { params: { path: { name: trigger.name } } };
  const change = useMutation({
    mutationFn: async (verb: Verb): Promise<void> => {
      if (verb === "fire") await told(api.POST("/api/v1/triggers/{name}/fire", { ...path, body: { note: "" } }));
      else if (verb === "pause") await told(api.POST("/api/v1/triggers/{name}/pause", path));
      else await told(api.POST("/api/v1/triggers/{name}/resume", path));
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ["triggers"] }),
  });
  return (
    <>
      {change.isError && <Text size="xs" c="red" role="alert">{change.error.message}</Text>}
      <Button loading={change.isPending} onClick={() => change.mutate("fire")}>Fire now</Button>
      <Button variant="default" loading={change.isPending} onClick={() => change.mutate(trigger.paused_at ? "resume" : "pause")}>{trigger.paused_at ? "Go on" : "Pause"}</Button>
    </>
  );
}
