/** One service: what answers, what waits, and the way back. */
import { Anchor, Button, Group, Modal, SimpleGrid, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "react-router";

import { type Schemas, api, told } from "../api/client";
import { useService } from "../api/queries";
import { Asked, Empty, Facts, Page, Part, Problem } from "../components/page";
import { type Column, Rows } from "../components/rows";
import { State } from "../components/state";
import { Traffic } from "../components/traffic";
import { Ago } from "../components/when";
import { liveRevision, serviceState } from "../components/names";

type Service = Schemas["ServiceView"];
type Revision = Schemas["RevisionView"];

export default function ServicePage() {
  const { name = "" } = useParams();
  const service = useService(name);
  return <Asked of={service}>{(told) => <Shown service={told} />}</Asked>;
}

const REVISIONS: Column<Revision>[] = [
  { name: "Revision", cell: (one) => one.number, by: (one) => one.number },
  { name: "Model", cell: (one) => one.model_label, by: (one) => one.model_label },
  { name: "State", cell: (one) => <State state={one.state} />, by: (one) => one.state },
  { name: "", cell: (one) => <Text size="xs" c="dimmed">{one.message}</Text> },
  { name: "Since", cell: (one) => <Ago at={one.changed_at} />, isNumber: true, by: (one) => one.changed_at },
];

function Shown({ service }: { service: Service }) {
  return (
    <Page
      title={service.name} crumbs={[["Services", "/services"]]} beside={<><State state={serviceState(service)} /><Text size="sm" c="dimmed">{service.message || service.reason}</Text></>}
      actions={<><Button component={Link} to={`/monitoring/${service.name}`} variant="default">Monitoring</Button><Button component="a" href={`/api/v1/services/${service.name}/page`} variant="default">Try it</Button><RollBack service={service} /></>}
    >
      <Part title="Traffic"><Traffic service={service.name} /></Part>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Part title="Service">
          <Facts
            of={[
              ["live", liveRevision(service)?.model_label], ["environment", String(service.spec["environment"] ?? "–")], ["access", String(service.spec["access"] ?? "–")],
              ["address", <span className="mono">{service.path}</span>], ["made by", <>{service.created_by}, <Ago at={service.created_at} /></>],
            ]}
          />
        </Part>
        <Part title="Latest predictions"><Predictions service={service} /></Part>
      </SimpleGrid>
      <Part title="Revisions">
        <Rows columns={REVISIONS} rows={service.revisions ?? []} keyOf={(one) => one.id} empty={<Empty>Nothing was deployed yet.</Empty>} />
      </Part>
    </Page>
  );
}

function RollBack({ service }: { service: Service }) {
  const queries = useQueryClient();
  const [asked, { open, close }] = useDisclosure();
  const back = useMutation({
    mutationFn: () => told(api.POST("/api/v1/services/{name}/rollback", { params: { path: { name: service.name } }, body: {} })),
    onSuccess: () => { close(); return queries.invalidateQueries(); },
  });
  return (
    <>
      <Button color="red" variant="light" onClick={open}>Roll back</Button>
      <Modal opened={asked} onClose={close} title={`Roll ${service.name} back`}>
        <Text size="sm">A rollout under way ends; else the version before {liveRevision(service)?.model_label ?? "this one"} answers again, at once.</Text>
        {back.isError && <Problem problem={back.error} />}
        <Group mt="md"><Button color="red" loading={back.isPending} onClick={() => back.mutate()}>Roll back</Button></Group>
      </Modal>
    </>
  );
}

function Predictions({ service }: { service: Service }) {
  const predictions = useQuery({
    queryKey: ["services", service.name, "predictions"],
    queryFn: () => told(api.GET("/api/v1/services/{name}/predictions", { params: { path: { name: service.name }, query: { page_size: 8 } } })),
    refetchInterval: 5_000,
  });
  const columns: Column<Schemas["PredictionView"]>[] = [
    { name: "Prediction", cell: (one) => <Anchor component={Link} to={`/predictions/${one.id}`} className="mono">{one.id.slice(-12)}</Anchor> },
    { name: "Status", cell: (one) => one.status, isNumber: true },
    { name: "Took", cell: (one) => `${(one.latency_us / 1000).toFixed(1)} ms`, isNumber: true },
    { name: "When", cell: (one) => <Ago at={one.time} />, isNumber: true },
  ];
  return <Asked of={predictions}>{({ items }) => <Rows columns={columns} rows={items} keyOf={(one) => one.id} empty={<Empty command={`tidemill predict ${service.name} -i …`}>No prediction yet.</Empty>} />}</Asked>;
}
