/** On the way to the same run, or model, in MLflow: its server starts when somebody asks. */
import { Anchor, Code, Loader, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link, useParams } from "react-router";

import { type Schemas, api, told } from "../api/client";
import { Page, Problem } from "../components/page";

type Place = Schemas["PlaceView"];

const PAUSE_MS = 1_000;
const ASKED: Place = { state: "starting", url: "", message: "" };

export default function InMlflow() {
  const { id = "", name = "" } = useParams();
  const back = id ? `/runs/${id}` : `/models/${encodeURIComponent(name)}`;
  const place = useQuery({
    queryKey: ["mlflow", id, name],
    queryFn: () => (id ? told(api.GET("/api/v1/runs/{run_id}/mlflow", { params: { path: { run_id: id } } })) : told(api.GET("/api/v1/models/{model}/mlflow", { params: { path: { model: name } } }))),
    gcTime: 0, staleTime: 0,
    refetchInterval: (query) => (query.state.data && isOver(query.state.data) ? false : PAUSE_MS),
  });
  const url = place.data?.url;
  useEffect(() => {
    if (url) window.location.replace(url);
  }, [url]);
  return (
    <Page title="To MLflow" crumbs={[id ? ["The run", back] : [name, back]]}>
      {place.isError ? <Problem problem={place.error} /> : <Waiting place={place.data ?? ASKED} />}
      <Text size="sm"><Anchor component={Link} to={back}>Back</Anchor></Text>
    </Page>
  );
}

const isOver = (place: Place) => place.state === "there" || place.state === "deleted";

function Waiting({ place }: { place: Place }) {
  if (place.state === "deleted") return <Problem title="Deleted there" problem={new Error("Somebody deleted it in MLflow. It stands here as before, and can be restored in MLflow.")} />;
  if (place.message) return <Problem title="MLflow does not start" problem={new Error(`${place.message}\nIt is tried again.`)} />;
  return (
    <Group gap="sm" wrap="nowrap" role="status">
      <Loader size="sm" />
      {place.state === "starting" ? (
        <Text>MLflow is starting, which takes some 15 seconds. The first time its libraries are fetched: a minute or two.</Text>
      ) : place.state === "told" ? (
        <Text>MLflow is there and is being told of it. Where that takes more than a minute, <Code>tidemill doctor</Code> says why.</Text>
      ) : (
        <Text>Going there.</Text>
      )}
    </Group>
  );
}
